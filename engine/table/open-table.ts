import { randomBytes, randomUUID } from 'node:crypto'
import type { Catalog, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { toSnapshotId, type SnapshotId } from '../../iceberg/spec/snapshot.js'
import type { Engine } from '../engine.js'
import { addFiles } from './add-files.js'
import { appendRows } from './append-rows.js'
import { computeChange, type TableContext } from './compute-change.js'
import { deleteRows, overwriteRows } from './delete-rows.js'
import { mergeRows } from './merge-rows.js'
import { overwritePartitions } from './overwrite-partitions.js'
import { readRows, scanRelation } from './read-rows.js'
import type { Table } from './table.js'
import { updateRows } from './update-rows.js'
import { upsertRows } from './upsert-rows.js'

/** Which table to open, in which catalog, with which engine for its rows. */
export interface OpenTable {
  readonly catalog: Catalog
  readonly engine: Engine
  /** `namespace.table`, or its parts. */
  readonly identifier: string | TableIdentifier
  /** Milliseconds since 1970. Default: this machine's clock. */
  readonly now?: () => number
  readonly newUuid?: () => string
  readonly newSnapshotId?: () => SnapshotId
}

/** A table's rows: written and read by SQL in this process. Nothing is read until a method is called. */
export function openTable(options: OpenTable): Table {
  const { catalog, engine } = options
  const identifier =
    typeof options.identifier === 'string' ? parseIdentifier(options.identifier) : options.identifier
  const context: TableContext = {
    catalog,
    engine,
    identifier,
    now: options.now ?? Date.now,
    newUuid: options.newUuid ?? randomUUID,
    newSnapshotId: options.newSnapshotId ?? newSnapshotId,
  }
  return {
    identifier,
    append: (source, more = {}) => computeChange(context, more, (basis) => appendRows(basis, source)),
    overwrite: (source, more = {}) =>
      computeChange(context, more, (basis) => overwriteRows(basis, source, more)),
    overwritePartitions: (source, more = {}) =>
      computeChange(context, more, (basis) => overwritePartitions(basis, source)),
    delete: (where, more = {}) => computeChange(context, more, (basis) => deleteRows(basis, where, more)),
    update: (update) => computeChange(context, update, (basis) => updateRows(basis, update)),
    upsert: (source, more = {}) => computeChange(context, more, (basis) => upsertRows(basis, source, more)),
    merge: (merge) => computeChange(context, merge, (basis) => mergeRows(basis, merge)),
    addFiles: (locations, more = {}) => addFiles(context, locations, more),
    rows: (more = {}) => readRows(context, more),
    relation: async (name, more = {}) =>
      scanRelation((await catalog.loadTable(identifier)).metadata, catalog.io, name, more),
  }
}

/** Positive, 63 bits, never 0. */
function newSnapshotId(): SnapshotId {
  return toSnapshotId((randomBytes(8).readBigUInt64BE() >> 1n) | 1n)
}
