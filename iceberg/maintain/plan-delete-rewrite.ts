import { planFiles } from '../scan/plan-scan.js'
import { readManifestEntries, readManifests } from '../scan/manifests.js'
import type { FileIO } from '../io/file-io.js'
import type { DataFile } from '../spec/data-file.js'
import { partitionKey } from '../spec/partition-key.js'
import { headOf } from '../spec/refs.js'
import type { Snapshot } from '../spec/snapshot.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { Value } from '../spec/type.js'

/** Which position-delete files are worth merging. */
export interface DeleteRewriteOptions {
  /** A partition with fewer small position-delete files, and a data file with fewer upon it, is left alone. Default 5. */
  readonly minInputFiles?: number
  /** Default the table's `write.delete.target-file-size-bytes`, else 64 MiB; files above 0.75 of it stay as they are. */
  readonly targetFileSizeBytes?: number
  /** Default the table's `write.delete.granularity`, else one file a partition. */
  readonly granularity?: 'file' | 'partition'
}

/** Small position-delete files of one partition that become one, or one a data file. */
export interface DeleteRewriteGroup {
  readonly specId: number
  readonly partition: readonly (Value | null)[]
  readonly deletes: readonly DataFile[]
  /** Live data files that they may apply to. */
  readonly dataFiles: readonly string[]
  readonly sizeBytes: number
}

/** What a rewrite of delete files takes away and merges, as of `basis`. */
export interface DeleteRewritePlan {
  readonly basis: Snapshot
  /** Delete files, of positions and by equality, that apply to no live data file any more. */
  readonly dangling: readonly DataFile[]
  readonly groups: readonly DeleteRewriteGroup[]
}

const TARGET_BYTES = 64 * 1024 * 1024
const SMALL = 0.75

/** Undefined where the table is empty, or of another format version than 2. Memory: the delete files and what they apply to. */
export async function planDeleteRewrite(
  metadata: TableMetadata,
  io: FileIO,
  options: DeleteRewriteOptions = {},
): Promise<DeleteRewritePlan | undefined> {
  const basis = headOf(metadata)
  if (basis === undefined || metadata['format-version'] !== 2) return undefined
  const manifests = (await readManifests(io, metadata, basis)).filter(
    (manifest) =>
      manifest.content === 'deletes' && manifest.addedFilesCount + manifest.existingFilesCount > 0,
  )
  const live: DataFile[] = []
  for (const manifest of manifests) {
    for (const { status, file } of await readManifestEntries(io, metadata, manifest))
      if (status !== 'deleted') live.push(file)
  }
  const dataFilesOf = new Map(live.map((file) => [file.filePath, new Set<string>()]))
  if (live.length > 0) {
    for await (const { file, deletes } of planFiles({ metadata, io }))
      for (const one of deletes) dataFilesOf.get(one.filePath)?.add(file.filePath)
  }
  const isDangling = (file: DataFile): boolean => dataFilesOf.get(file.filePath)?.size === 0
  return {
    basis,
    dangling: live.filter(isDangling),
    groups: groupsOf(
      live.filter((file) => !isDangling(file)),
      dataFilesOf,
      { ...options, targetFileSizeBytes: options.targetFileSizeBytes ?? targetSize(metadata) },
    ),
  }
}

function groupsOf(
  live: readonly DataFile[],
  dataFilesOf: ReadonlyMap<string, ReadonlySet<string>>,
  options: DeleteRewriteOptions & { readonly targetFileSizeBytes: number },
): readonly DeleteRewriteGroup[] {
  const { minInputFiles = 5, targetFileSizeBytes } = options
  const partitions = new Map<string, DataFile[]>()
  for (const file of live) {
    if (file.content !== 'position-deletes' || file.fileFormat !== 'parquet') continue
    if (file.fileSizeInBytes >= targetFileSizeBytes * SMALL) continue
    const key = partitionKey(file)
    partitions.set(key, [...(partitions.get(key) ?? []), file])
  }
  return [...partitions.values()]
    .map((deletes): DeleteRewriteGroup => {
      const { specId, partition } = deletes[0] as DataFile
      const dataFiles = new Set(deletes.flatMap((file) => [...(dataFilesOf.get(file.filePath) ?? [])]))
      const sizeBytes = deletes.reduce((sum, file) => sum + file.fileSizeInBytes, 0)
      return { specId, partition, deletes, dataFiles: [...dataFiles], sizeBytes }
    })
    .filter((group) => isWorthIt(group, minInputFiles, options.granularity))
}

/** With a file for each data file, merging helps only where one has several. */
function isWorthIt(
  { deletes, dataFiles }: DeleteRewriteGroup,
  minInputFiles: number,
  granularity: DeleteRewriteOptions['granularity'],
): boolean {
  const after = granularity === 'file' ? dataFiles.length : 1
  return deletes.length >= minInputFiles && deletes.length > after
}

function targetSize({ properties }: TableMetadata): number {
  const stated = Number.parseInt(properties['write.delete.target-file-size-bytes'] ?? '', 10)
  return stated > 0 ? stated : TARGET_BYTES
}
