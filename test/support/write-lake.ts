import type { TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { MemoryPointerStore } from '../../iceberg/catalog/memory.js'
import { PointerCatalog } from '../../iceberg/catalog/pointer-catalog.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import type { Change, RewriteChange, RowDelta, TableChange } from '../../iceberg/write/table-change.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { alwaysTrue } from '../../iceberg/expr/expression.js'
import { BY_PARTITION, liveEntries, liveFiles, MODEL_SCHEMA } from './lake-model.js'

export const TABLE: TableIdentifier = { namespace: 'm', name: 't' }

let counter = 0
const newUuid = () => `00000000-0000-4000-8000-${(++counter).toString(16).padStart(12, '0')}`
export const newId = () => toSnapshotId(2n ** 60n + BigInt(++counter))

/** A data file of the partition that exists by name only. */
export function file(partition: number, name: string, more: Partial<DataFile> = {}): DataFile {
  return {
    content: 'data',
    filePath: `memory://data/${name}.parquet`,
    fileFormat: 'parquet',
    specId: 0,
    partition: [partition],
    recordCount: 10,
    fileSizeInBytes: 1000,
    ...more,
  }
}

export function positionDeletes(partition: number, name: string, referenced?: string): DataFile {
  const named = referenced === undefined ? {} : { referencedDataFile: `memory://data/${referenced}.parquet` }
  return file(partition, name, { content: 'position-deletes', recordCount: 1, ...named })
}

export function equalityDeletes(partition: number, name: string): DataFile {
  return file(partition, name, { content: 'equality-deletes', recordCount: 1, equalityIds: [2] })
}

/** A catalog in memory with these tables, partitioned by their first column. */
export async function memoryLake(
  tables: readonly TableIdentifier[],
  properties: Readonly<Record<string, string>> = {},
) {
  const clock = { nowMs: 1_800_000_000_000 }
  const now = () => clock.nowMs
  const [store, io] = [new MemoryPointerStore(), new MemoryFileIO()]
  /** That of another process: it remembers nothing. */
  const another = () => new PointerCatalog(store, { name: 'm', warehouse: 'memory://w', io, now, newUuid })
  const catalog = another()
  await catalog.createNamespace('m')
  for (const identifier of tables)
    await catalog.createTable({ identifier, schema: MODEL_SCHEMA, partitionSpec: BY_PARTITION, properties })
  const options = { catalog, now, newUuid, retry: { sleep: () => Promise.resolve(), tries: 3 } }
  return { catalog, another, clock, options }
}

/** A memoryLake of one table, and what is done to it. */
export async function writeLake(properties: Readonly<Record<string, string>> = {}) {
  const { catalog, another, clock, options } = await memoryLake([TABLE], properties)
  const commit = async (change: Change, more: Partial<TableChange> = {}) => {
    const snapshotId = newId()
    await commitTransaction({ ...options, changes: [{ identifier: TABLE, change, snapshotId, ...more }] })
    return snapshotId
  }
  const metadata = async () => (await catalog.loadTable(TABLE)).metadata
  const head = async (branch = 'main') => headOf(await metadata(), branch)
  const basis = async () => (await head())?.['snapshot-id'] ?? null
  const append = (...files: readonly DataFile[]) => commit({ kind: 'append', files })
  const delta = (what: Partial<RowDelta>): Promise<RowDelta> =>
    basis().then((from) => ({
      kind: 'row-delta',
      removed: [],
      added: [],
      deletes: [],
      deletedFrom: [],
      filter: alwaysTrue,
      isolation: 'serializable',
      basis: from,
      ...what,
    }))
  const rewrite = (what: Partial<RewriteChange>): Promise<RewriteChange> =>
    basis().then((from) => ({
      kind: 'rewrite',
      removed: [],
      added: [],
      basis: from ?? toSnapshotId(0),
      ...what,
    }))
  const name = (live: DataFile) => live.filePath.slice('memory://data/'.length, -'.parquet'.length)
  const paths = async () => (await liveFiles(catalog.io, await metadata())).map(name).sort()
  /** Sequence numbers by file name. */
  const numbers = async () => {
    const entries = await liveEntries(catalog.io, await metadata())
    return Object.fromEntries(entries.map((entry) => [name(entry.file), entry.sequenceNumber]))
  }
  return { catalog, another, clock, options, commit, append, delta, rewrite, head, metadata, paths, numbers }
}
