import type { NewManifestEntry } from '../format/manifest.js'
import type { ManifestEntry, ManifestFile } from '../spec/data-file.js'
import { partitionKey } from '../spec/partition-key.js'
import { compareValues, decodeValue } from '../spec/single-value.js'
import type { SnapshotId } from '../spec/snapshot.js'
import { partitionTypes, schemasNewestFirst, specById } from '../spec/specs.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { PrimitiveType, Value } from '../spec/type.js'
import type { ManifestFiles } from './manifest-files.js'
import { manifestTargetBytes } from './merge-manifests.js'

export interface ClusteredManifests {
  readonly created: readonly ManifestFile[]
  readonly kept: readonly ManifestFile[]
  /** Paths of those that `created` takes the place of. */
  readonly replaced: ReadonlySet<string>
  readonly entriesProcessed: number
}

export interface ClusterRequest {
  readonly files: ManifestFiles
  readonly metadata: TableMetadata
  /** Those with live files. */
  readonly manifests: readonly ManifestFile[]
  readonly snapshotId: SnapshotId
  readonly targetSizeBytes?: number
  /** Entries in memory at a time; more are read in several passes. */
  readonly maxEntriesHeld?: number
}

const MAX_ENTRIES_HELD = 100_000

/**
 * The same live files in manifests of the target size, sorted by partition, one content and spec at a time. Groups that lie
 * so already are kept as they are.
 */
export async function clusterManifests(request: ClusterRequest): Promise<ClusteredManifests> {
  const created: ManifestFile[] = []
  const kept: ManifestFile[] = []
  const replaced = new Set<string>()
  let entriesProcessed = 0
  for (const manifests of groupsOf(request.manifests)) {
    const group = new ManifestGroup(request, manifests)
    if (group.isClustered()) {
      kept.push(...manifests)
      continue
    }
    created.push(...(await group.rewrite()))
    entriesProcessed += group.liveCount
    for (const manifest of manifests) replaced.add(manifest.manifestPath)
  }
  return { created, kept, replaced, entriesProcessed }
}

type Partition = readonly (Value | null)[]

interface Range {
  readonly first: Partition
  readonly last: Partition
}

interface Batch {
  /** Absent: all there is. */
  readonly range?: Range
  readonly isOnePartition: boolean
}

/** Manifests of one content and one partition spec. */
class ManifestGroup {
  readonly liveCount: number
  readonly #request: ClusterRequest
  readonly #manifests: readonly ManifestFile[]
  readonly #types: readonly (PrimitiveType | undefined)[]
  readonly #entriesEach: number

  constructor(request: ClusterRequest, manifests: readonly ManifestFile[]) {
    const { metadata, targetSizeBytes } = request
    this.#request = request
    this.#manifests = manifests
    this.#types = partitionTypes(schemasNewestFirst(metadata), specById(metadata, specOf(manifests)))
    this.liveCount = sum(manifests, (one) => one.addedFilesCount + one.existingFilesCount)
    const allCount = this.liveCount + sum(manifests, (one) => one.deletedFilesCount)
    const bytesEach = sum(manifests, (one) => one.manifestLength) / Math.max(allCount, 1)
    const target = targetSizeBytes ?? manifestTargetBytes(metadata)
    const count = Math.ceil(this.liveCount / Math.max(1, Math.floor(target / Math.max(bytesEach, 1))))
    // Even ones: a small last manifest would be merged away at once.
    this.#entriesEach = Math.ceil(this.liveCount / Math.max(count, 1))
  }

  /** As few manifests as need be, whose partitions do not overlap but at their ends. */
  isClustered(): boolean {
    if (this.#manifests.length > Math.ceil(this.liveCount / this.#entriesEach)) return false
    if (this.#manifests.length === 1) return true
    const [type] = this.#types
    if (type === undefined) return this.#types.length === 0
    const ranges = this.#manifests.map(({ partitions }) => {
      const { containsNull = true, lowerBound, upperBound } = partitions?.[0] ?? {}
      if (containsNull || lowerBound === undefined || upperBound === undefined) return undefined
      return { lower: decodeValue(type, lowerBound), upper: decodeValue(type, upperBound) }
    })
    const known = ranges.flatMap((range) => (range === undefined ? [] : [range]))
    if (known.length < ranges.length) return false
    known.sort((a, b) => compareValues(type, a.lower, b.lower) || compareValues(type, a.upper, b.upper))
    return known.every((range, at) => {
      const before = known[at - 1]
      return before === undefined || compareValues(type, before.upper, range.lower) <= 0
    })
  }

  async rewrite(): Promise<readonly ManifestFile[]> {
    const held = this.#request.maxEntriesHeld ?? MAX_ENTRIES_HELD
    if (this.liveCount <= held) return this.#writeBatch({ isOnePartition: false }, this.#manifests)
    const { batches, spans } = await this.#planBatches(held)
    const created: ManifestFile[] = []
    for (const batch of batches) {
      const sources = this.#manifests.filter((_, at) => this.#overlaps(spans[at], batch.range))
      created.push(...(await this.#writeBatch(batch, sources)))
    }
    return created
  }

  /** A first pass over all entries: ranges of partitions with few enough of them, and each manifest's own range. */
  async #planBatches(
    held: number,
  ): Promise<{ readonly batches: readonly Batch[]; readonly spans: readonly (Range | undefined)[] }> {
    const counts = new Map<string, { readonly partition: Partition; count: number }>()
    const spans: (Range | undefined)[] = []
    for (const manifest of this.#manifests) {
      let span: Range | undefined
      for (const { file } of await this.#liveEntries(manifest)) {
        const { partition } = file
        const key = partitionKey(file)
        const known = counts.get(key)
        if (known === undefined) counts.set(key, { partition, count: 1 })
        else known.count++
        const { first, last } = span ?? { first: partition, last: partition }
        span = {
          first: this.#compare(partition, first) < 0 ? partition : first,
          last: this.#compare(partition, last) > 0 ? partition : last,
        }
      }
      spans.push(span)
    }
    const sorted = [...counts.values()].sort((a, b) => this.#compare(a.partition, b.partition))
    const batches: (Batch & { readonly range: Range })[] = []
    let size = Infinity
    for (const { partition, count } of sorted) {
      size += count
      const open = size <= held ? batches.pop() : undefined
      if (open === undefined) size = count
      const range = { first: open?.range.first ?? partition, last: partition }
      batches.push({ range, isOnePartition: open === undefined })
    }
    return { batches, spans }
  }

  async #writeBatch(batch: Batch, sources: readonly ManifestFile[]): Promise<readonly ManifestFile[]> {
    const { range, isOnePartition } = batch
    const created: ManifestFile[] = []
    let waiting: ManifestEntry[] = []
    for (const manifest of sources) {
      for (const entry of await this.#liveEntries(manifest)) {
        const { partition } = entry.file
        if (range === undefined || this.#overlaps({ first: partition, last: partition }, range)) {
          waiting.push(entry)
        }
      }
      // Entries of one partition need no order, so a large one never lies in memory whole.
      while (isOnePartition && waiting.length >= this.#entriesEach) {
        created.push(await this.#write(waiting.slice(0, this.#entriesEach)))
        waiting = waiting.slice(this.#entriesEach)
      }
    }
    waiting.sort((a, b) => this.#compare(a.file.partition, b.file.partition))
    for (let start = 0; start < waiting.length; start += this.#entriesEach) {
      created.push(await this.#write(waiting.slice(start, start + this.#entriesEach)))
    }
    return created
  }

  async #write(entries: readonly ManifestEntry[]): Promise<ManifestFile> {
    const { files, metadata, snapshotId } = this.#request
    const written = files.write(metadata, {
      specId: specOf(this.#manifests),
      content: this.#manifests[0]?.content ?? 'data',
      snapshotId,
      entries: entries.map((entry): NewManifestEntry => ({ ...entry, status: 'existing' })),
      keepsEntries: false,
    })
    await files.flush()
    return written
  }

  async #liveEntries(manifest: ManifestFile): Promise<readonly ManifestEntry[]> {
    const { files, metadata } = this.#request
    const entries = await files.readEntries(metadata, manifest)
    return entries.filter((entry) => entry.status !== 'deleted')
  }

  #overlaps(one: Range | undefined, other: Range | undefined): boolean {
    if (one === undefined || other === undefined) return false
    return this.#compare(one.first, other.last) <= 0 && this.#compare(one.last, other.first) >= 0
  }

  /** Field by field, nulls first. */
  #compare(left: Partition, right: Partition): number {
    for (const [at, type] of this.#types.entries()) {
      const order = compareNullable(type, left[at] ?? null, right[at] ?? null)
      if (order !== 0) return order
    }
    return 0
  }
}

function compareNullable(type: PrimitiveType | undefined, left: Value | null, right: Value | null): number {
  if (left === null || right === null) return Number(left !== null) - Number(right !== null)
  // The type is not known where the column and all schemas that had it are gone.
  return type === undefined
    ? compareValues('string', String(left), String(right))
    : compareValues(type, left, right)
}

function groupsOf(manifests: readonly ManifestFile[]): readonly (readonly ManifestFile[])[] {
  const keyOf = (manifest: ManifestFile) => `${manifest.content}/${manifest.partitionSpecId}`
  const keys = [...new Set(manifests.map(keyOf))]
  return keys.map((key) => manifests.filter((manifest) => keyOf(manifest) === key))
}

function specOf(manifests: readonly ManifestFile[]): number {
  return manifests[0]?.partitionSpecId ?? 0
}

function sum(manifests: readonly ManifestFile[], of: (manifest: ManifestFile) => number): number {
  return manifests.reduce((total, manifest) => total + of(manifest), 0)
}
