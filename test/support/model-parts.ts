import type { LoadedTable, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { eq } from '../../iceberg/expr/expression.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import type { DataFile, ManifestEntry } from '../../iceberg/spec/data-file.js'
import { headOf } from '../../iceberg/spec/refs.js'
import type { SnapshotId } from '../../iceberg/spec/snapshot.js'
import type { Change, IsolationLevel } from '../../iceberg/write/table-change.js'
import type { FileContents, FoundRow, Rows } from './lake-model.js'
import { liveEntries, readRows, rowsOf } from './lake-model.js'

/** What a job does to one table. Each is a function of the state that it finds, so a lost update shows. */
export const PART_KINDS = [
  'append',
  'insert-new',
  'overwrite-partitions',
  'delete-copy-on-write',
  'delete-merge-on-read',
  'update-copy-on-write',
  'update-merge-on-read',
  'upsert-by-equality-delete',
  'rewrite',
  'rewrite-under-equality-deletes',
  'rewrite-position-deletes',
  'rewrite-manifests',
  'none',
] as const

export type PartKind = (typeof PART_KINDS)[number]

export interface Part {
  readonly table: TableIdentifier
  readonly kind: PartKind
  readonly partition: number
  readonly keys: readonly string[]
  /** Of deletes and updates. */
  readonly isolation: IsolationLevel
}

/** The rows that a delete or an update took and gave, as it saw them. */
export interface Delta {
  readonly taken: readonly string[]
  readonly given: readonly string[]
}

/** Every delta that was computed, by the snapshot that it was to make. */
export type Deltas = Map<SnapshotId, Delta>

/**
 * The model's own commit: the rows after `part`, from the rows before it. Under snapshot isolation a change does what it
 * saw at its basis: `delta`.
 */
export function applyPart(part: Part, job: string, before: Rows, delta: Delta | undefined): Rows {
  const here = before.get(part.partition) ?? []
  const seen = isRowDelta(part.kind) && part.isolation === 'snapshot'
  const { taken, given } = seen ? (delta ?? { taken: [], given: [] }) : deltaOf(part, job, here)
  const left = [...here]
  for (const row of taken) {
    const at = left.indexOf(row)
    if (at === -1) throw new Error(`${job} took ${row}, which was not there any more`)
    left.splice(at, 1)
  }
  return new Map([...before, [part.partition, [...left, ...given].sort()]])
}

/** What `part` does to the rows of its partition. */
function deltaOf(part: Part, job: string, here: readonly string[]): Delta {
  const picked = here.filter((row) => isPicked(part, row))
  switch (part.kind) {
    case 'append':
      return { taken: [], given: [`${job}-appended`] }
    case 'insert-new':
      return { taken: [], given: part.keys.filter((key) => !here.includes(key)) }
    case 'overwrite-partitions':
      return { taken: [], given: [`${job}-overwrote`] }
    case 'delete-copy-on-write':
    case 'delete-merge-on-read':
      return { taken: picked, given: [] }
    case 'update-copy-on-write':
    case 'update-merge-on-read':
      return { taken: picked, given: picked.map((row) => `${row}+${job}`) }
    case 'upsert-by-equality-delete':
      return {
        taken: here.filter((row) => prefixesOf(part).some((prefix) => row.startsWith(prefix))),
        given: prefixesOf(part).map((prefix) => `${prefix}${job}`),
      }
    default:
      return { taken: [], given: [] }
  }
}

function isRowDelta(kind: PartKind): boolean {
  return kind.startsWith('delete-') || kind.startsWith('update-')
}

/** Never the keys of insert-new: a key that was there when it looked is not inserted, also where it goes later. */
function isPicked(part: Part, row: string): boolean {
  return !row.startsWith('k') && ((row.codePointAt(1) ?? 0) + part.keys.length) % 2 === 0
}

function prefixesOf(part: Part): readonly string[] {
  return part.keys.map((key) => `u${key.slice(1)}=`)
}

export interface Computed {
  readonly change: Change
  readonly delta: Delta
}

/** What the writer under test computes from the state that it read. */
export async function computeChange(
  contents: FileContents,
  io: FileIO,
  part: Part,
  job: string,
  { metadata }: LoadedTable,
): Promise<Computed> {
  const basis: SnapshotId | null = metadata['current-snapshot-id'] ?? null
  const entries = await liveEntries(io, metadata)
  const here = entries.filter((entry) => entry.file.partition[0] === part.partition)
  const delta = deltaOf(part, job, rowsOf(contents, here).get(part.partition) ?? [])
  const write = (rows: readonly string[]) => (rows.length === 0 ? [] : [contents.write(part.partition, rows)])
  const change = (): Change => {
    switch (part.kind) {
      case 'none':
        return { kind: 'none' }
      case 'append':
        return { kind: 'append', files: write(delta.given) }
      case 'insert-new':
        return { kind: 'insert-new', files: write(delta.given), basis }
      case 'overwrite-partitions': {
        const rows = readRows(contents, here).map((found) => found.row)
        return { kind: 'overwrite-partitions', files: write([...rows, ...delta.given]), basis }
      }
      case 'rewrite':
      case 'rewrite-under-equality-deletes':
      case 'rewrite-position-deletes':
        return computeRewrite(contents, part, here, headOf(metadata))
      case 'rewrite-manifests':
        return { kind: 'rewrite-manifests' }
      default:
        return computeDelta(contents, part, readRows(contents, here), delta, basis)
    }
  }
  return { change: change(), delta }
}

function computeRewrite(
  contents: FileContents,
  part: Part,
  here: readonly ManifestEntry[],
  head: ReturnType<typeof headOf>,
): Change {
  const ofContent = (...wanted: readonly DataFile['content'][]) =>
    here.map((entry) => entry.file).filter((file) => wanted.includes(file.content))
  if (head === undefined) return { kind: 'none' }
  const basis = head['snapshot-id']
  if (part.kind === 'rewrite-position-deletes') {
    const removed = ofContent('position-deletes')
    if (removed.length < 2) return { kind: 'none' }
    const positions = removed.flatMap((file) => contents.positions(file))
    return {
      kind: 'rewrite',
      removed,
      added: [contents.writePositionDeletes(part.partition, positions)],
      basis,
    }
  }
  const rows = readRows(contents, here).map((found) => found.row)
  const data = ofContent('data')
  if (data.length === 0) return { kind: 'none' }
  return {
    kind: 'rewrite',
    // All data of the partition goes, so its deletes may go, or wait for the clean-up by age.
    removed: part.keys.length === 1 ? data : [...data, ...ofContent('position-deletes', 'equality-deletes')],
    added: rows.length === 0 ? [] : [contents.write(part.partition, rows)],
    basis,
    ...(part.kind === 'rewrite-under-equality-deletes' && { dataSequenceNumber: head['sequence-number'] }),
  }
}

function computeDelta(
  contents: FileContents,
  part: Part,
  rows: readonly FoundRow[],
  delta: Delta,
  basis: SnapshotId | null,
): Change {
  const { partition, kind } = part
  const common = { kind: 'row-delta', filter: eq('partition', partition), basis } as const
  const given = delta.given.length === 0 ? [] : [contents.write(partition, delta.given)]
  if (kind === 'upsert-by-equality-delete') {
    const deletes = [contents.writeEqualityDeletes(partition, prefixesOf(part))]
    return { ...common, removed: [], added: given, deletes, deletedFrom: [], isolation: 'snapshot' }
  }
  const taken = rows.filter(({ row }) => delta.taken.includes(row))
  const touched = [...new Set(taken.map(({ file }) => file))]
  if (kind === 'delete-merge-on-read' || kind === 'update-merge-on-read') {
    const positions = taken.map(({ file, at }) => ({ path: file.filePath, at }))
    const deletes = positions.length === 0 ? [] : [contents.writePositionDeletes(partition, positions)]
    return {
      ...common,
      removed: [],
      added: given,
      deletes,
      deletedFrom: touched,
      isolation: part.isolation,
    }
  }
  const kept = rows.filter(({ row, file }) => touched.includes(file) && !delta.taken.includes(row))
  const left = [...kept.map(({ row }) => row), ...delta.given]
  const added = left.length === 0 ? [] : [contents.write(partition, left)]
  return { ...common, removed: touched, added, deletes: [], deletedFrom: [], isolation: part.isolation }
}
