import type { Catalog, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { readManifest } from '../../iceberg/format/manifest.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { readManifests } from '../../iceberg/scan/manifests.js'
import type { DataFile, ManifestEntry } from '../../iceberg/spec/data-file.js'
import type { PartitionSpec } from '../../iceberg/spec/partition-spec.js'
import { headOf } from '../../iceberg/spec/refs.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { Schema } from '../../iceberg/spec/type.js'

/** Rows by partition: what a table holds, or what the model says that it should. */
export type Rows = ReadonlyMap<number, readonly string[]>

export const MODEL_SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'partition', required: true, type: 'int' },
    { id: 2, name: 'row', required: true, type: 'string' },
  ],
}

export const BY_PARTITION: PartitionSpec = {
  'spec-id': 0,
  fields: [{ 'source-id': 1, 'field-id': 1000, name: 'partition', transform: 'identity' }],
}

/** One row of one data file, as a position delete names it. */
export interface Position {
  readonly path: string
  readonly at: number
}

/** The contents of data and delete files, which the format itself never looks into. */
export class FileContents {
  readonly #rows = new Map<string, readonly string[]>()
  readonly #positions = new Map<string, readonly Position[]>()
  readonly #prefixes = new Map<string, readonly string[]>()
  #files = 0

  write(partition: number, rows: readonly string[]): DataFile {
    const file = this.#newFile('data', partition, rows.length)
    this.#rows.set(file.filePath, rows)
    return file
  }

  /** Every second one says which file it is about, where that is one. */
  writePositionDeletes(partition: number, positions: readonly Position[]): DataFile {
    const file = this.#newFile('position-deletes', partition, positions.length)
    this.#positions.set(file.filePath, positions)
    const [path, ...others] = new Set(positions.map((position) => position.path))
    const isNamed = path !== undefined && others.length === 0 && this.#files % 2 === 0
    return isNamed ? { ...file, referencedDataFile: path } : file
  }

  /** Deletes the rows that start with one of `prefixes`, which stand for values of equality columns. */
  writeEqualityDeletes(partition: number, prefixes: readonly string[]): DataFile {
    const file = this.#newFile('equality-deletes', partition, prefixes.length)
    this.#prefixes.set(file.filePath, prefixes)
    return { ...file, equalityIds: [2] }
  }

  read(file: DataFile): readonly string[] {
    return known(this.#rows, file)
  }

  positions(file: DataFile): readonly Position[] {
    return known(this.#positions, file)
  }

  prefixes(file: DataFile): readonly string[] {
    return known(this.#prefixes, file)
  }

  #newFile(content: DataFile['content'], partition: number, recordCount: number): DataFile {
    return {
      content,
      filePath: `memory://data/${++this.#files}.parquet`,
      fileFormat: 'parquet',
      specId: 0,
      partition: [partition],
      recordCount,
      fileSizeInBytes: 100 + recordCount,
    }
  }
}

export async function liveEntries(io: FileIO, metadata: TableMetadata): Promise<readonly ManifestEntry[]> {
  const head = headOf(metadata)
  if (head === undefined) return []
  const entries = []
  for (const manifest of await readManifests(io, metadata, head)) {
    entries.push(...readManifest(await io.read(manifest.manifestPath), manifest, metadata))
  }
  return entries.filter((entry) => entry.status !== 'deleted')
}

export async function liveFiles(io: FileIO, metadata: TableMetadata): Promise<readonly DataFile[]> {
  return (await liveEntries(io, metadata)).map((entry) => entry.file)
}

/** A row with its place, as a scan with positions finds it. */
export interface FoundRow {
  readonly row: string
  readonly file: DataFile
  readonly at: number
}

/** What a reader sees: the rows of the data files less those that delete files apply to. */
export function readRows(contents: FileContents, entries: readonly ManifestEntry[]): readonly FoundRow[] {
  const ofContent = (content: DataFile['content']) =>
    entries.filter((entry) => entry.file.content === content)
  const positions = ofContent('position-deletes')
  const equalities = ofContent('equality-deletes')
  return ofContent('data').flatMap(({ file, sequenceNumber }) =>
    contents.read(file).flatMap((row, at) => {
      const byPosition = positions.some(
        (one) =>
          one.sequenceNumber >= sequenceNumber &&
          contents.positions(one.file).some((gone) => gone.path === file.filePath && gone.at === at),
      )
      const byValue = equalities.some(
        (one) =>
          one.sequenceNumber > sequenceNumber &&
          one.file.partition[0] === file.partition[0] &&
          contents.prefixes(one.file).some((prefix) => row.startsWith(prefix)),
      )
      return byPosition || byValue ? [] : [{ row, file, at }]
    }),
  )
}

export function rowsOf(contents: FileContents, entries: readonly ManifestEntry[]): Rows {
  const rows = new Map<number, string[]>()
  for (const { row, file } of readRows(contents, entries)) {
    const partition = Number(file.partition[0])
    rows.set(partition, [...(rows.get(partition) ?? []), row].sort())
  }
  return rows
}

export async function createModelTables(catalog: Catalog, tables: readonly TableIdentifier[]): Promise<void> {
  await catalog.createNamespace('m')
  for (const [at, identifier] of tables.entries()) {
    await catalog.createTable({
      identifier,
      schema: MODEL_SCHEMA,
      partitionSpec: BY_PARTITION,
      // Few on some, so that merging happens in short histories too.
      properties: { 'commit.manifest.min-count-to-merge': ['2', '4', '100'][at] ?? '100' },
    })
  }
}

function known<T>(contents: ReadonlyMap<string, readonly T[]>, file: DataFile): readonly T[] {
  const found = contents.get(file.filePath)
  if (found === undefined) throw new Error(`${file.filePath} was never written`)
  return found
}
