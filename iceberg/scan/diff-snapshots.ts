import { ifFound } from '../error.js'
import type { FileIO } from '../io/file-io.js'
import { parseTableMetadata } from '../spec/metadata-json.js'
import type { DataFile, ManifestFile } from '../spec/data-file.js'
import { partitionKey } from '../spec/partition-key.js'
import { ancestorsOf } from '../spec/refs.js'
import { rowsOf } from '../spec/rows-of.js'
import { allFields, currentSchema, fullName, schemaById } from '../spec/schema.js'
import type { Snapshot, SnapshotId } from '../spec/snapshot.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { Schema, Type, Value } from '../spec/type.js'
import { isPrimitive } from '../spec/type.js'
import type { ManifestCache } from './manifests.js'
import { readManifestEntries, readManifests } from './manifests.js'
import { mapAhead } from './map-ahead.js'

/** Two snapshots of one table to compare, in any order, on any branches. */
export interface DiffRequest {
  readonly metadata: TableMetadata
  readonly io: FileIO
  readonly from: Snapshot
  readonly to: Snapshot
  readonly manifestCache?: ManifestCache
}

/** What makes two snapshots differ. Rewrites of equal rows show as files added and removed. */
export interface SnapshotDiff {
  readonly from: SnapshotId
  readonly to: SnapshotId
  /** The newest snapshot that both come from, where the table still knows it. */
  readonly commonAncestor?: SnapshotId
  /** Live in `to`, not in `from`; delete files too. */
  readonly added: readonly DataFile[]
  readonly removed: readonly DataFile[]
  /** Of data files, as written: rows that delete files take away are not counted out. */
  readonly addedRows: number
  readonly removedRows: number
  readonly partitions: readonly PartitionDiff[]
  readonly columns: readonly ColumnDiff[]
  /** Absent where the metadata files of that time are gone. */
  readonly properties?: readonly PropertyDiff[]
  /** The default partition specs, where they differ and are known. */
  readonly specs?: { readonly before: number; readonly after: number }
}

/** Data files and rows that one partition gained and lost. */
export interface PartitionDiff {
  readonly specId: number
  readonly partition: readonly (Value | null)[]
  readonly addedFiles: number
  readonly removedFiles: number
  readonly addedRows: number
  readonly removedRows: number
}

/** By field id: neither `before` nor `after` is missing where the column was renamed or changed. */
export interface ColumnDiff {
  readonly id: number
  readonly before?: { readonly name: string; readonly type: string; readonly required: boolean }
  readonly after?: { readonly name: string; readonly type: string; readonly required: boolean }
}

/** A table property that differs; absent on the side that lacks it. */
export interface PropertyDiff {
  readonly name: string
  readonly before?: string
  readonly after?: string
}

/**
 * What makes two snapshots differ, on whatever branches they are. Manifests that both have are not read; in memory is what
 * the others hold of live files.
 */
export async function diffSnapshots(request: DiffRequest): Promise<SnapshotDiff> {
  const { metadata, io, from, to } = request
  const [left, right] = await Promise.all([
    readManifests(io, metadata, from),
    readManifests(io, metadata, to),
  ])
  const [before, after] = await Promise.all([
    liveFiles(request, without(left, right)),
    liveFiles(request, without(right, left)),
  ])
  const added = [...after].filter(([key]) => !before.has(key)).map(([, file]) => file)
  const removed = [...before].filter(([key]) => !after.has(key)).map(([, file]) => file)
  const ancestor = commonAncestor(metadata, from, to)
  return {
    from: from['snapshot-id'],
    to: to['snapshot-id'],
    ...(ancestor !== undefined && { commonAncestor: ancestor }),
    added,
    removed,
    addedRows: rowsOf(added),
    removedRows: rowsOf(removed),
    partitions: partitionDiffs(added, removed),
    columns: columnDiffs(schemaAt(metadata, from), schemaAt(metadata, to)),
    ...(await stateDiff(request)),
  }
}

function without(
  manifests: readonly ManifestFile[],
  others: readonly ManifestFile[],
): readonly ManifestFile[] {
  const shared = new Set(others.map((manifest) => manifest.manifestPath))
  return manifests.filter((manifest) => !shared.has(manifest.manifestPath))
}

async function liveFiles(
  { io, metadata, manifestCache }: DiffRequest,
  manifests: readonly ManifestFile[],
): Promise<ReadonlyMap<string, DataFile>> {
  const live = new Map<string, DataFile>()
  const read = (manifest: ManifestFile) => readManifestEntries(io, metadata, manifest, manifestCache)
  for await (const { result } of mapAhead(manifests, read)) {
    for (const { status, file } of result) {
      // One Puffin file holds the deletion vectors of many data files.
      if (status !== 'deleted') live.set(`${file.filePath} ${file.contentOffset ?? ''}`, file)
    }
  }
  return live
}

function partitionDiffs(added: readonly DataFile[], removed: readonly DataFile[]): readonly PartitionDiff[] {
  const byKey = new Map<string, { readonly added: DataFile[]; readonly removed: DataFile[] }>()
  const of = (file: DataFile) => {
    const key = partitionKey(file)
    const known = byKey.get(key) ?? { added: [], removed: [] }
    byKey.set(key, known)
    return known
  }
  for (const file of added) of(file).added.push(file)
  for (const file of removed) of(file).removed.push(file)
  return [...byKey.values()].flatMap((files) => {
    const one = files.added[0] ?? files.removed[0]
    if (one === undefined) return []
    return {
      specId: one.specId,
      partition: one.partition,
      addedFiles: files.added.length,
      removedFiles: files.removed.length,
      addedRows: rowsOf(files.added),
      removedRows: rowsOf(files.removed),
    }
  })
}

function schemaAt(metadata: TableMetadata, snapshot: Snapshot): Schema {
  const id = snapshot['schema-id']
  return id === undefined ? currentSchema(metadata) : schemaById(metadata, id)
}

function columnDiffs(before: Schema, after: Schema): readonly ColumnDiff[] {
  const left = columnsOf(before)
  const right = columnsOf(after)
  return [...new Set([...left.keys(), ...right.keys()])].flatMap((id) => {
    const [was, is] = [left.get(id), right.get(id)]
    const isSame = was?.name === is?.name && was?.type === is?.type && was?.required === is?.required
    return isSame ? [] : { id, ...(was && { before: was }), ...(is && { after: is }) }
  })
}

function columnsOf(schema: Schema) {
  return new Map(
    allFields(schema).map(({ id, name, type, required }) => [
      id,
      { name: fullName(schema, id) ?? name, type: typeName(type), required },
    ]),
  )
}

function typeName(type: Type): string {
  return isPrimitive(type) ? type : type.type
}

function commonAncestor(metadata: TableMetadata, from: Snapshot, to: Snapshot): SnapshotId | undefined {
  const ids = (of: Snapshot) =>
    Array.from(ancestorsOf(metadata, of['snapshot-id']), (snapshot) => snapshot['snapshot-id'])
  const known = new Set(ids(from))
  return ids(to).find((id) => known.has(id))
}

async function stateDiff(request: DiffRequest): Promise<Pick<SnapshotDiff, 'properties' | 'specs'>> {
  const [before, after] = await Promise.all([stateAt(request, request.from), stateAt(request, request.to)])
  if (before === undefined || after === undefined) return {}
  const names = new Set([...Object.keys(before.properties), ...Object.keys(after.properties)])
  const properties = [...names].sort().flatMap((name): PropertyDiff | readonly [] => {
    const [was, is] = [before.properties[name], after.properties[name]]
    if (was === is) return []
    return { name, ...(was !== undefined && { before: was }), ...(is !== undefined && { after: is }) }
  })
  const specs = { before: before['default-spec-id'], after: after['default-spec-id'] }
  return { properties, ...(specs.before !== specs.after && { specs }) }
}

/** The table as the commit of the snapshot left it: both have the same time. */
async function stateAt(
  { metadata, io }: DiffRequest,
  snapshot: Snapshot,
): Promise<TableMetadata | undefined> {
  const timestamp = snapshot['timestamp-ms']
  const holds = (state: TableMetadata): boolean =>
    state['last-updated-ms'] === timestamp &&
    state.snapshots.some((known) => known['snapshot-id'] === snapshot['snapshot-id'])
  if (holds(metadata)) return metadata
  for (const entry of metadata['metadata-log']) {
    if (entry['timestamp-ms'] !== timestamp) continue
    const bytes = await ifFound(io.read(entry['metadata-file']))
    const state = bytes && parseTableMetadata(bytes)
    if (state !== undefined && holds(state)) return state
  }
  return undefined
}
