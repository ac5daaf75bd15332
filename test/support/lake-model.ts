import type { Catalog, LoadedTable, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { readManifest } from '../../iceberg/format/manifest.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { readManifests } from '../../iceberg/scan/manifests.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { headOf } from '../../iceberg/spec/refs.js'
import type { SnapshotId } from '../../iceberg/spec/snapshot.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { Schema } from '../../iceberg/spec/type.js'
import type { Change } from '../../iceberg/write/table-change.js'

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

/** The contents of data files, which the format itself never looks into. */
export class FileContents {
  readonly #rows = new Map<string, readonly string[]>()
  #files = 0

  write(partition: number, rows: readonly string[]): DataFile {
    const filePath = `memory://data/${++this.#files}.parquet`
    this.#rows.set(filePath, rows)
    return {
      content: 'data',
      filePath,
      fileFormat: 'parquet',
      specId: 0,
      partition: [partition],
      recordCount: rows.length,
      fileSizeInBytes: 100 + rows.length,
    }
  }

  read(file: DataFile): readonly string[] {
    const rows = this.#rows.get(file.filePath)
    if (rows === undefined) throw new Error(`${file.filePath} was never written`)
    return rows
  }
}

export async function liveFiles(io: FileIO, metadata: TableMetadata): Promise<readonly DataFile[]> {
  const head = headOf(metadata)
  if (head === undefined) return []
  const entries = []
  for (const manifest of await readManifests(io, metadata, head)) {
    entries.push(...readManifest(await io.read(manifest.manifestPath), manifest, metadata))
  }
  return entries.filter((entry) => entry.status !== 'deleted').map((entry) => entry.file)
}

export function rowsOf(contents: FileContents, files: readonly DataFile[]): Rows {
  const rows = new Map<number, string[]>()
  for (const file of files) {
    const partition = Number(file.partition[0])
    rows.set(partition, [...(rows.get(partition) ?? []), ...contents.read(file)].sort())
  }
  return rows
}

/** What a job does to one table. Each is a function of the state that it finds, so a lost update shows. */
export type PartKind = 'append' | 'insert-new' | 'overwrite-partitions' | 'rewrite' | 'none'

export interface Part {
  readonly table: TableIdentifier
  readonly kind: PartKind
  readonly partition: number
  readonly keys: readonly string[]
}

export function newRows(part: Part, job: string, before: Rows): readonly string[] {
  const here = before.get(part.partition) ?? []
  switch (part.kind) {
    case 'append':
      return [`${job}-appended`]
    case 'insert-new':
      return part.keys.filter((key) => !here.includes(key))
    case 'overwrite-partitions':
      return [...here, `${job}-overwrote`]
    case 'rewrite':
      return here
    case 'none':
      return []
  }
}

/** The model's own commit: the rows after `part`, from the rows before it. */
export function applyPart(part: Part, job: string, before: Rows): Rows {
  if (part.kind === 'none' || part.kind === 'rewrite') return before
  const rows = newRows(part, job, before)
  if (rows.length === 0) return before
  const kept = part.kind === 'overwrite-partitions' ? [] : (before.get(part.partition) ?? [])
  return new Map([...before, [part.partition, [...kept, ...rows].sort()]])
}

/** What the writer under test computes from the state that it read. */
export async function computeChange(
  contents: FileContents,
  io: FileIO,
  part: Part,
  job: string,
  table: LoadedTable,
): Promise<Change> {
  const basis: SnapshotId | null = table.metadata['current-snapshot-id'] ?? null
  const files = await liveFiles(io, table.metadata)
  const rows = newRows(part, job, rowsOf(contents, files))
  const written = rows.length === 0 ? [] : [contents.write(part.partition, rows)]
  switch (part.kind) {
    case 'none':
      return { kind: 'none' }
    case 'append':
      return { kind: 'append', files: written }
    case 'insert-new':
    case 'overwrite-partitions':
      return { kind: part.kind, files: written, basis }
    case 'rewrite': {
      const removed = files.filter((file) => file.partition[0] === part.partition)
      if (basis === null || removed.length === 0) return { kind: 'none' }
      return { kind: 'rewrite', removed, added: written, basis }
    }
  }
}

export async function createModelTables(catalog: Catalog, tables: readonly TableIdentifier[]): Promise<void> {
  await catalog.createNamespace('m')
  for (const [at, identifier] of tables.entries()) {
    await catalog.createTable({
      identifier,
      schema: MODEL_SCHEMA,
      partitionSpec: {
        'spec-id': 0,
        fields: [{ 'source-id': 1, 'field-id': 1000, name: 'partition', transform: 'identity' }],
      },
      // Few on some, so that merging happens in short histories too.
      properties: { 'commit.manifest.min-count-to-merge': ['2', '4', '100'][at] ?? '100' },
    })
  }
}
