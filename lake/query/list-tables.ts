import { formatIdentifier, parseIdentifier, type LoadedTable } from '../../iceberg/catalog/catalog.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { readManifests } from '../../iceberg/scan/manifests.js'
import { headOf } from '../../iceberg/spec/refs.js'
import type { Snapshot } from '../../iceberg/spec/snapshot.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { tableNames } from './table-names.js'

export interface ListedTable {
  /** `namespace.name` */
  readonly name: string
  readonly rows: number
  readonly files: number
  /** Of data files; null where the writer of the newest snapshot did not say. */
  readonly bytes: number | null
  /** Null while the table is empty. */
  readonly snapshotId: string | null
  readonly updatedAt: string
  readonly snapshots: number
  /** Sorted. */
  readonly tags: readonly string[]
  readonly branches: readonly string[]
}

/** Every table as one catalog read shows it; no data is read, only what snapshots say of themselves. */
export async function listTables(deps: Pick<LakeDeps, 'catalog'>): Promise<readonly ListedTable[]> {
  const tables = await deps.catalog.loadTables((await tableNames(deps)).map(parseIdentifier))
  return await Promise.all(tables.map((table) => listedTable(deps.catalog.io, table)))
}

export async function listedTable(io: FileIO, table: LoadedTable): Promise<ListedTable> {
  const { metadata, identifier } = table
  const head = headOf(metadata)
  const refs = Object.entries(metadata.refs)
  const namesOf = (type: 'tag' | 'branch'): readonly string[] =>
    refs
      .filter(([, ref]) => ref.type === type)
      .map(([name]) => name)
      .sort()
  return {
    name: formatIdentifier(identifier),
    ...(await totals(io, table, head)),
    snapshotId: head === undefined ? null : String(head['snapshot-id']),
    updatedAt: new Date(metadata['last-updated-ms']).toISOString(),
    snapshots: metadata.snapshots.length,
    tags: namesOf('tag'),
    branches: namesOf('branch'),
  }
}

async function totals(
  io: FileIO,
  { metadata }: LoadedTable,
  head: Snapshot | undefined,
): Promise<Pick<ListedTable, 'rows' | 'files' | 'bytes'>> {
  if (head === undefined) return { rows: 0, files: 0, bytes: 0 }
  const total = (name: string): number => Number(head.summary?.[name])
  const said = { rows: total('total-records'), files: total('total-data-files') }
  const bytes = total('total-files-size')
  const knownBytes = Number.isFinite(bytes) ? bytes : null
  if (Number.isFinite(said.rows) && Number.isFinite(said.files)) return { ...said, bytes: knownBytes }
  const manifests = (await readManifests(io, metadata, head)).filter(
    (manifest) => manifest.content === 'data',
  )
  return {
    rows: manifests.reduce((sum, m) => sum + m.addedRowsCount + m.existingRowsCount, 0),
    files: manifests.reduce((sum, m) => sum + m.addedFilesCount + m.existingFilesCount, 0),
    bytes: knownBytes,
  }
}
