import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { alwaysTrue, eq, isIn } from '../../iceberg/expr/expression.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { headOf } from '../../iceberg/spec/refs.js'
import type { Change } from '../../iceberg/write/table-change.js'
import type { Lake, LiveFile } from './lake.js'
import type { Row, RowOperation, WriteMode } from './rows.js'
import { applyOperation, changed, partitionOf } from './rows.js'

/** The spec that tables are made with. */
const BY_P = 0

interface Writer {
  readonly lake: Lake
  readonly io: FileIO
  readonly table: LoadedTable
}

/** What a writer computes from the state that it read, files written: the code under test only sees files. */
export async function computeChange(
  writer: Writer,
  operation: RowOperation,
  branch: string,
): Promise<Change> {
  const { lake, io, table } = writer
  const { metadata } = table
  const head = metadata.refs[branch] === undefined ? headOf(metadata) : headOf(metadata, branch)
  const basis = head?.['snapshot-id'] ?? null
  const files = await lake.liveFiles(io, metadata, head)
  const rows = files.flatMap((file) => file.rows.map(({ row }) => row))
  switch (operation.kind) {
    case 'append':
      return { kind: 'append', files: await added(writer, applyOperation(operation, [])) }
    case 'insert-new': {
      const fresh = applyOperation(operation, rows).slice(rows.length)
      return { kind: 'insert-new', files: await added(writer, fresh), basis }
    }
    case 'overwrite-partition': {
      const here = applyOperation(operation, rows).filter((row) => row.p === operation.p)
      return { kind: 'overwrite-partitions', files: await added(writer, here, BY_P), basis }
    }
    case 'replace-where': {
      const gone = files.filter((file) => file.rows.some(({ row }) => row.p === operation.p))
      const stays = gone
        .flatMap((file) => file.rows.map(({ row }) => row))
        .filter((row) => row.p !== operation.p)
      const comes = await added(writer, [...stays, { p: operation.p, key: operation.key, value: 0 }])
      const removed = gone.map((file) => file.entry.file)
      return rowDelta(basis, eq('p', operation.p), { removed, added: comes })
    }
    case 'equality-delete': {
      const deletes = [await lake.writeEqualityDeletes(io, table, operation.p, operation.keys)]
      // Blind: nothing was looked at, so nothing can be in its way.
      return { ...rowDelta(basis, alwaysTrue, { deletes }), isolation: 'snapshot' }
    }
    case 'delete':
      return changeRows(writer, files, operation.keys, operation.mode, basis, () => undefined, [])
    case 'update':
      return changeRows(writer, files, operation.keys, operation.mode, basis, (row) => changed(row, 1), [])
    case 'upsert': {
      const known = new Set(rows.map((row) => row.key))
      const fresh = operation.keys.filter((key) => !known.has(key))
      const inserts = fresh.map((key): Row => ({ p: partitionOf(key), key, value: 1 }))
      const change = (row: Row) => changed(row, 10)
      return changeRows(writer, files, operation.keys, operation.mode, basis, change, inserts)
    }
  }
}

type RowDelta = Extract<Change, { readonly kind: 'row-delta' }>

function rowDelta(
  basis: RowDelta['basis'],
  filter: RowDelta['filter'],
  parts: Partial<Pick<RowDelta, 'removed' | 'added' | 'deletes' | 'deletedFrom'>>,
): RowDelta {
  const none = { removed: [], added: [], deletes: [], deletedFrom: [] }
  return { kind: 'row-delta', ...none, ...parts, filter, isolation: 'serializable', basis }
}

/** Rows of `keys` become what `change` says, or go; in the files themselves, or by positions. */
async function changeRows(
  writer: Writer,
  files: readonly LiveFile[],
  keys: readonly string[],
  mode: WriteMode,
  basis: RowDelta['basis'],
  change: (row: Row) => Row | undefined,
  inserts: readonly Row[],
): Promise<Change> {
  const { lake, io, table } = writer
  const matches = (row: Row) => keys.includes(row.key)
  const touched = files.filter((file) => file.rows.some(({ row }) => matches(row)))
  const touchedFiles = touched.map((file) => file.entry.file)
  const news = [...inserts]
  const deletes: DataFile[] = []
  for (const { entry, rows } of touched) {
    for (const { row } of rows) {
      const next = matches(row) ? change(row) : mode === 'copy-on-write' ? row : undefined
      if (next !== undefined) news.push(next)
    }
    if (mode === 'copy-on-write') continue
    const positions = rows.filter(({ row }) => matches(row)).map(({ position }) => position)
    deletes.push(await lake.writePositionDeletes(io, table, entry.file, positions))
  }
  const filter = isIn('key', keys)
  const written = await added(writer, news)
  const delta =
    mode === 'copy-on-write'
      ? rowDelta(basis, filter, { removed: touchedFiles, added: written })
      : rowDelta(basis, filter, { added: written, deletes, deletedFrom: touchedFiles })
  // Of one row that is there, snapshot isolation promises as much: nobody else adds its key.
  const isOneRow = keys.length === 1 && touched.length === 1 && inserts.length === 0
  return isOneRow ? { ...delta, isolation: 'snapshot' } : delta
}

/** A file a partition. */
async function added(
  { lake, io, table }: Writer,
  rows: readonly Row[],
  specId?: number,
): Promise<readonly DataFile[]> {
  const partitions = [...new Set(rows.map((row) => row.p))]
  const files: DataFile[] = []
  for (const p of partitions)
    files.push(
      await lake.writeRows(
        io,
        table,
        rows.filter((row) => row.p === p),
        specId,
      ),
    )
  return files
}
