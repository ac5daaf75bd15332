import type { ManifestFile } from '../spec/data-file.js'
import type { SnapshotId } from '../spec/snapshot.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { NewManifestEntry } from '../format/manifest.js'
import type { ManifestFiles } from './manifest-files.js'

const TARGET_SIZE_BYTES = 8 * 1024 * 1024
const MIN_COUNT_TO_MERGE = 100

/**
 * Joins small manifests of one content, newest first, as Java's MergeAppend: bins of `commit.manifest.target-size-bytes` filled from
 * the oldest on, and the bin of the new manifests only from `commit.manifest.min-count-to-merge` manifests on.
 */
export async function mergeManifests(
  files: ManifestFiles,
  metadata: TableMetadata,
  manifests: readonly ManifestFile[],
  snapshotId: SnapshotId,
): Promise<readonly ManifestFile[]> {
  const { properties } = metadata
  if (properties['commit.manifest-merge.enabled'] === 'false') return manifests
  const targetBytes = manifestTargetBytes(metadata)
  const minCount = positive(properties['commit.manifest.min-count-to-merge']) ?? MIN_COUNT_TO_MERGE
  const bins = groupsOf(manifests).flatMap((group) => packFromEnd(group, targetBytes))
  const merged = await Promise.all(
    bins.map(async (bin) => {
      const isNewest = bin.some((manifest) => manifest.addedSnapshotId === snapshotId)
      if (bin.length < 2 || (isNewest && bin.length < minCount)) return bin
      return [await mergeBin(files, metadata, bin, snapshotId)]
    }),
  )
  return merged.flat()
}

/** `commit.manifest.target-size-bytes`. */
export function manifestTargetBytes({ properties }: TableMetadata): number {
  return positive(properties['commit.manifest.target-size-bytes']) ?? TARGET_SIZE_BYTES
}

/** By content, data first, and partition spec. */
function groupsOf(manifests: readonly ManifestFile[]): readonly (readonly ManifestFile[])[] {
  const groups = new Map<string, ManifestFile[]>()
  const data = manifests.filter((manifest) => manifest.content === 'data')
  const deletes = manifests.filter((manifest) => manifest.content === 'deletes')
  for (const manifest of [...data, ...deletes]) {
    const key = `${manifest.content}/${manifest.partitionSpecId}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [manifest])
    else group.push(manifest)
  }
  return [...groups.values()]
}

function packFromEnd(
  manifests: readonly ManifestFile[],
  targetBytes: number,
): readonly (readonly ManifestFile[])[] {
  const bins: ManifestFile[][] = []
  let size = Infinity
  for (const manifest of manifests.toReversed()) {
    size += manifest.manifestLength
    if (size > targetBytes) {
      bins.unshift([])
      size = manifest.manifestLength
    }
    bins[0]?.unshift(manifest)
  }
  return bins
}

async function mergeBin(
  files: ManifestFiles,
  metadata: TableMetadata,
  bin: readonly ManifestFile[],
  snapshotId: SnapshotId,
): Promise<ManifestFile> {
  const entries = await Promise.all(bin.map((manifest) => entriesToKeep(files, metadata, manifest)))
  const { partitionSpecId: specId = metadata['default-spec-id'], content = 'data' } = bin[0] ?? {}
  return files.write(metadata, { specId, content, snapshotId, entries: entries.flat() })
}

async function entriesToKeep(
  files: ManifestFiles,
  metadata: TableMetadata,
  manifest: ManifestFile,
): Promise<readonly NewManifestEntry[]> {
  const own = files.ownEntries(manifest)
  if (own !== undefined) return own
  const entries = await files.entries(metadata, manifest)
  // Deletions of older snapshots are those snapshots' history.
  return entries
    .filter((entry) => entry.status !== 'deleted')
    .map((entry) => ({ ...entry, status: 'existing' }))
}

function positive(text: string | undefined): number | undefined {
  const value = Number.parseInt(text ?? '', 10)
  return value > 0 ? value : undefined
}
