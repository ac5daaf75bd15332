import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { formatIdentifier, parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { toSnapshotId, type SnapshotId } from '../../iceberg/spec/snapshot.js'
import type { Change, TableChange } from '../../iceberg/write/table-change.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import type { Row } from '../../engine/engine.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier, CHECK_RESULTS } from '../../schemas/lake-tables.js'
import type { PublishedTable, PublishRequest, PublishResult, PublishTable } from '../../schemas/publish.js'
import { writeTableRows } from '../tables/write-table-rows.js'
import { findRecorded, NO_CHANGES, publishedState, SUMMARY } from './audit.js'
import { auditRow, checkResultRow } from './audit-rows.js'
import { lastChange } from './built-batches.js'
import { checkStagedFiles } from './check-staged-files.js'
import { keyCollisions } from './key-collisions.js'

/**
 * `follows`: the batch is valid only where the one before it ended, as the audit table committed onto says. `after`: only
 * while that snapshot of the audit table is the last one that changed what is published.
 */
export type Outcome = { readonly follows: boolean; readonly after?: string | null } & (
  | { readonly status: 'published' }
  /** Rows of an earlier batch are replaced. */
  | { readonly status: 'rebuilt'; readonly reason: string }
  /** Files go to a branch of each table; main gets nothing but the audit row. */
  | { readonly status: 'failed'; readonly branch: string; readonly reason: string }
)

/** How often a table that is only tagged may get another head between planning and committing. */
const ROUNDS_MAX = 10

/** Everything that stays the same however often the commit is tried. */
interface Operation {
  readonly deps: LakeDeps
  readonly request: PublishRequest
  readonly outcome: Outcome
  readonly audit: string
  /** Tables that the request is about, by name; those that only get a tag have no files. */
  readonly tables: ReadonlyMap<string, PublishTable | undefined>
  readonly snapshotIds: ReadonlyMap<string, SnapshotId>
  readonly summary: Readonly<Record<string, string>>
}

type AttemptEnd =
  { readonly kind: 'recorded'; readonly result: PublishResult } | { readonly kind: 'tables-moved' }

/** One transaction over all tables of a batch, its audit row and its check results; or the outcome recorded before. */
export async function commitBatch(
  deps: LakeDeps,
  request: PublishRequest,
  outcome: Outcome,
): Promise<PublishResult> {
  const operation = startOperation(deps, request, outcome)
  const names = [...operation.snapshotIds.keys()]
  for (let round = 1; round <= ROUNDS_MAX; round += 1) {
    const loaded = byName(await deps.catalog.loadTables(names.map(parseIdentifier)))
    const published = plannedResult(operation, loaded)
    const changes = await tableChanges(operation, loaded, published)
    const result = await commitTransaction<AttemptEnd>({
      catalog: deps.catalog,
      changes,
      now: deps.now,
      newUuid: deps.newUuid,
      collidesWith: keyCollisions(deps, operation.tables, loaded),
      beforeAttempt: (tables) => lookBefore(operation, byName(tables), loaded),
    }).catch((error: unknown) => {
      throw asFirnError(error)
    })
    if (result.kind === 'ended') {
      if (result.value.kind === 'recorded') return result.value.result
      continue
    }
    if (round === 1) return published
    // A commit of an earlier round, its answer lost, may be what was found: then its own row says what it published.
    const audit = await deps.catalog.loadTable(auditIdentifier(request.namespace))
    return { ...((await findRecorded(deps, audit, request)) ?? published), alreadyCommitted: false }
  }
  throw new FirnError(
    'rebuild-needed',
    `batch ${request.batch}: tables without new rows changed ${ROUNDS_MAX} times while it was published; try again`,
  )
}

function startOperation(deps: LakeDeps, request: PublishRequest, outcome: Outcome): Operation {
  const audit = formatIdentifier(auditIdentifier(request.namespace))
  const changed = new Map(request.tables.map((table) => [table.table, table]))
  if (changed.size < request.tables.length) {
    throw new FirnError(
      'invalid-input',
      `batch ${request.batch} names a table twice; give each table's files once`,
    )
  }
  const tables = new Map<string, PublishTable | undefined>(changed)
  for (const name of request.tagTables) if (!tables.has(name) && name !== audit) tables.set(name, undefined)
  const checks = request.checks.length === 0 ? [] : [formatIdentifier(CHECK_RESULTS)]
  const names = [...tables.keys(), audit, ...checks]
  return {
    deps,
    request,
    outcome,
    audit,
    tables,
    snapshotIds: new Map(names.map((name) => [name, deps.newSnapshotId()])),
    summary: {
      [SUMMARY.operation]: deps.newUuid(),
      [SUMMARY.batch]: request.batch,
      [SUMMARY.pipeline]: request.processingName,
      [SUMMARY.fingerprint]: request.fingerprint,
      [SUMMARY.inputFrom]: String(request.inputFrom),
      [SUMMARY.inputTo]: String(request.inputTo),
      [SUMMARY.status]: outcome.status,
    },
  }
}

/** What will be recorded, should every table that is only tagged keep its head until the commit. */
function plannedResult(operation: Operation, loaded: ReadonlyMap<string, LoadedTable>): PublishResult {
  const { request, outcome } = operation
  const version = outcome.status === 'failed' ? outcome.branch : request.tag
  const tables = [...operation.tables].map(([table, change]): PublishedTable => {
    if (change !== undefined && isWritten(change)) {
      return { table, rows: change.rows, version, snapshotId: String(operation.snapshotIds.get(table)) }
    }
    const head = headId(loaded.get(table))
    const snapshotId = head === null ? null : String(head)
    if (change?.isCommitted === true && head !== null) {
      return { table, rows: change.rows, version, snapshotId }
    }
    return { table, rows: 0, version: NO_CHANGES, snapshotId }
  })
  return {
    status: outcome.status === 'failed' ? 'failed' : 'published',
    alreadyCommitted: false,
    batch: request.batch,
    tag: version,
    tables,
    inputFrom: request.inputFrom,
    inputTo: request.inputTo,
    duplicates: request.duplicates,
  }
}

async function tableChanges(
  operation: Operation,
  loaded: ReadonlyMap<string, LoadedTable>,
  published: PublishResult,
): Promise<readonly TableChange[]> {
  const { deps, request, outcome, summary } = operation
  const tags =
    outcome.status !== 'failed'
      ? { tags: [{ name: request.tag, retainMs: deps.settings.tagRetentionMs }] }
      : {}
  const branch = outcome.status === 'failed' ? { branch: outcome.branch } : {}
  const changes: TableChange[] = []
  for (const [name, table] of operation.tables) {
    const base = { identifier: parseIdentifier(name), snapshotId: idOf(operation, name), summary }
    if (table !== undefined && isWritten(table)) {
      changes.push({ ...base, ...branch, ...tags, change: changeOf(table) })
    } else if (outcome.status !== 'failed') {
      const isEmpty = headId(loaded.get(name)) === null
      changes.push({ ...base, ...(isEmpty ? {} : tags), change: { kind: 'none' } })
    }
  }
  const { status } = outcome
  const reason = status === 'published' ? null : outcome.reason
  const row = auditRow({ request, status, tables: published.tables, reason, endedAtMs: deps.now() })
  const auditTags = request.tagTables.includes(operation.audit) ? tags : {}
  changes.push({ ...(await rowsChange(operation, loaded, operation.audit, [row])), ...auditTags })
  if (request.checks.length > 0) {
    const rows = request.checks.map((check) => checkResultRow(request, check))
    changes.push(await rowsChange(operation, loaded, formatIdentifier(CHECK_RESULTS), rows))
  }
  return changes
}

function isWritten({ files, change }: PublishTable): boolean {
  if (change?.kind !== 'row-delta') return files.length > 0
  return change.removed.length + change.added.length + change.deletes.length > 0
}

function changeOf(table: PublishTable): Change {
  const { files, change } = table
  if (change !== undefined) return change
  if (table.write === 'append') return { kind: 'append', files }
  const basis = table.basisSnapshotId === null ? null : toSnapshotId(table.basisSnapshotId)
  return { kind: table.write, files, basis }
}

async function rowsChange(
  operation: Operation,
  loaded: ReadonlyMap<string, LoadedTable>,
  name: string,
  rows: readonly Row[],
): Promise<TableChange> {
  const table = loaded.get(name)
  if (table === undefined) throw new FirnError('not-found', `there is no table ${name}`)
  const file = await writeTableRows(operation.deps, table, rows)
  return {
    identifier: table.identifier,
    snapshotId: idOf(operation, name),
    summary: operation.summary,
    change: { kind: 'append', files: [file] },
  }
}

/** Looks at the very metadata that is committed onto: marker, range, heads of tables that are only tagged, leases. */
async function lookBefore(
  operation: Operation,
  tables: ReadonlyMap<string, LoadedTable>,
  planned: ReadonlyMap<string, LoadedTable>,
): Promise<AttemptEnd | undefined> {
  const { deps, request, outcome } = operation
  const audit = tables.get(operation.audit)
  if (audit === undefined) throw new FirnError('not-found', `there is no table ${operation.audit}`)
  const recorded = await findRecorded(deps, audit, request)
  if (recorded !== undefined) return { kind: 'recorded', result: recorded }
  refuseChanged(operation, audit)
  if (outcome.follows) {
    const { end } = await publishedState(deps, audit, request.processingName)
    if (end !== request.inputFrom) {
      throw new FirnError(
        'stale-range',
        `batch ${request.batch} reads from row ${request.inputFrom}, but ${request.processingName} is published up to row ${end}; plan it again`,
        { context: { batch: request.batch, inputFrom: request.inputFrom, publishedTo: end } },
      )
    }
  }
  const moved = [...operation.tables].some(
    ([name, table]) =>
      (table === undefined || !isWritten(table)) && headId(tables.get(name)) !== headId(planned.get(name)),
  )
  if (moved && outcome.status !== 'failed') return { kind: 'tables-moved' }
  await checkStagedFiles(deps, request)
  return undefined
}

/** Rows that were computed from what a rebuild or a rollback has changed since have to be computed anew. */
function refuseChanged({ request, outcome }: Operation, audit: LoadedTable): void {
  if (outcome.after === undefined) return
  const last = lastChange(audit, request.processingName)
  if (last === outcome.after) return
  throw new FirnError(
    outcome.follows ? 'stale-range' : 'rebuild-needed',
    `batch ${request.batch}: what ${request.processingName} has published changed since this was planned; plan it again`,
    { context: { batch: request.batch, plannedAfter: outcome.after, after: last } },
  )
}

function asFirnError(error: unknown): unknown {
  if (!isIcebergError(error, 'rebuild-needed')) return error
  return new FirnError('rebuild-needed', error.message, { context: error.context, cause: error })
}

function headId(table: LoadedTable | undefined): SnapshotId | null {
  return (table && headOf(table.metadata)?.['snapshot-id']) ?? null
}

function idOf(operation: Operation, name: string): SnapshotId {
  const id = operation.snapshotIds.get(name)
  if (id === undefined) throw new FirnError('not-found', `table ${name} is not part of this batch`)
  return id
}

function byName(tables: readonly LoadedTable[]): ReadonlyMap<string, LoadedTable> {
  return new Map(tables.map((table) => [formatIdentifier(table.identifier), table]))
}
