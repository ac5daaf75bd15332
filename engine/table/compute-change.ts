import type { Catalog, LoadedTable, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import type { ScanTarget } from '../../iceberg/scan/scan-plan.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { currentSchema } from '../../iceberg/spec/schema.js'
import type { Snapshot, SnapshotId } from '../../iceberg/spec/snapshot.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { Schema } from '../../iceberg/spec/type.js'
import type { Change, TableChange } from '../../iceberg/write/table-change.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import type { Engine, EngineSession, EngineSessionOptions } from '../engine.js'
import type { WriteOptions, WriteResult } from './table.js'

export interface TableContext {
  readonly catalog: Catalog
  readonly engine: Engine
  readonly identifier: TableIdentifier
  readonly now: () => number
  readonly newUuid: () => string
  readonly newSnapshotId: () => SnapshotId
}

/** The state of a table that a change is computed from. */
export interface Basis {
  readonly context: TableContext
  readonly metadata: TableMetadata
  readonly schema: Schema
  readonly head: SnapshotId | null
  readonly target: ScanTarget
  /** Opened on first use; relations of one computation only. */
  readonly session: () => Promise<EngineSession>
}

export interface ComputedChange {
  readonly change: Change
  readonly rows: RowCounts
}

export interface RowCounts {
  readonly added: number
  readonly updated: number
  readonly deleted: number
}

const DEFAULT_TRIES = 20
const OPERATION_ID = 'firn.operation-id'

/** Computes a change from the table's head and commits it; both again where others were first in a way that matters. */
export async function computeChange(
  context: TableContext,
  options: WriteOptions,
  compute: (basis: Basis) => Promise<ComputedChange>,
): Promise<WriteResult> {
  for (let tries = 1; ; tries++) {
    const loaded = await context.catalog.loadTable(context.identifier)
    const known = snapshotOf(loaded, options.operationId)
    if (known !== undefined) return nothingDone(loaded, known['snapshot-id'], 0)
    const computed = await computeOnce(context, options, loaded, compute)
    if (isEmpty(computed.change) && options.tags === undefined) {
      return nothingDone(loaded, headOfBranch(loaded.metadata, options.branch)?.['snapshot-id'], tries)
    }
    try {
      return await commit(context, options, computed, tries)
    } catch (error) {
      if (!isIcebergError(error, 'rebuild-needed') || tries >= (options.tries ?? DEFAULT_TRIES)) throw error
    }
  }
}

/** The head that a change to a branch starts from: main's, where the branch does not exist yet. */
function headOfBranch(metadata: TableMetadata, branch = 'main'): Snapshot | undefined {
  return metadata.refs[branch] === undefined ? headOf(metadata) : headOf(metadata, branch)
}

/** One change from one state of the table, for a transaction with changes of other tables. */
export async function computeOnce(
  context: TableContext,
  options: { readonly branch?: string; readonly session?: EngineSessionOptions },
  { metadata }: LoadedTable,
  compute: (basis: Basis) => Promise<ComputedChange>,
): Promise<ComputedChange> {
  const head = headOfBranch(metadata, options.branch)
  let opened: Promise<EngineSession> | undefined
  try {
    return await compute({
      context,
      metadata,
      schema: currentSchema(metadata),
      head: head?.['snapshot-id'] ?? null,
      target:
        options.branch !== undefined && metadata.refs[options.branch] !== undefined
          ? { kind: 'ref', ref: options.branch }
          : { kind: 'head' },
      session: () => (opened ??= context.engine.openSession(options.session)),
    })
  } finally {
    await (await opened)?.close()
  }
}

async function commit(
  context: TableContext,
  options: WriteOptions,
  { change, rows }: ComputedChange,
  tries: number,
): Promise<WriteResult> {
  const { branch, tags, operationId } = options
  const summary = { ...options.summary, ...(operationId !== undefined && { [OPERATION_ID]: operationId }) }
  const table: TableChange = {
    identifier: context.identifier,
    change,
    snapshotId: context.newSnapshotId(),
    summary,
    ...(branch !== undefined && { branch }),
    ...(tags !== undefined && { tags }),
  }
  const result = await commitTransaction({
    catalog: context.catalog,
    changes: [table],
    now: context.now,
    newUuid: context.newUuid,
    beforeAttempt: ([loaded]) => {
      const own = loaded === undefined ? undefined : snapshotOf(loaded, operationId)
      const ended = loaded === undefined || own === undefined ? undefined : { loaded, own }
      return Promise.resolve(ended)
    },
  })
  if (result.kind === 'ended') {
    return nothingDone(result.value.loaded, result.value.own['snapshot-id'], 0)
  }
  const [committed] = result.tables
  const loaded = committed?.table ?? (await context.catalog.loadTable(context.identifier))
  return {
    ...nothingDone(loaded, committed?.snapshotId, tries),
    ...filesOf(change),
    addedRows: rows.added,
    updatedRows: rows.updated,
    deletedRows: rows.deleted,
  }
}

function snapshotOf({ metadata }: LoadedTable, operationId: string | undefined): Snapshot | undefined {
  if (operationId === undefined) return undefined
  return metadata.snapshots.find((snapshot) => snapshot.summary?.[OPERATION_ID] === operationId)
}

function nothingDone(table: LoadedTable, snapshotId: SnapshotId | undefined, tries: number): WriteResult {
  return {
    ...(snapshotId !== undefined && { snapshotId }),
    ...filesOf({ kind: 'none' }),
    addedRows: 0,
    updatedRows: 0,
    deletedRows: 0,
    tries,
    table,
  }
}

function isEmpty(change: Change): boolean {
  const { addedFiles, removedFiles, deleteFiles } = filesOf(change)
  return addedFiles.length + removedFiles.length + deleteFiles.length === 0
}

function filesOf(change: Change): Pick<WriteResult, 'addedFiles' | 'removedFiles' | 'deleteFiles'> {
  switch (change.kind) {
    case 'append':
    case 'insert-new':
    case 'overwrite-partitions':
      return { addedFiles: change.files, removedFiles: [], deleteFiles: [] }
    case 'row-delta':
      return { addedFiles: change.added, removedFiles: change.removed, deleteFiles: change.deletes }
    case 'rewrite':
      return { addedFiles: change.added, removedFiles: change.removed, deleteFiles: [] }
    case 'rewrite-manifests':
    case 'set-head':
    case 'none':
      return { addedFiles: [], removedFiles: [], deleteFiles: [] }
  }
}
