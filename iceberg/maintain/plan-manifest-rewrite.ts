import type { FieldSummary, ManifestFile } from '../spec/data-file.js'
import { compareValues, decodeValue } from '../spec/single-value.js'
import { partitionTypes, schemasNewestFirst, specById } from '../spec/specs.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { PrimitiveType } from '../spec/type.js'

/** How the data manifests of a table lie, and whether rewriting them helps. */
export interface ManifestRewritePlan {
  /** Data manifests with live files. */
  readonly manifests: number
  readonly bytes: number
  /** What a rewrite would leave, at the target size. */
  readonly expectedManifests: number
  readonly targetSizeBytes: number
  /** Why it helps: too many for their size, or files of the same partitions all over them. Undefined: it does not. */
  readonly reason?: 'too-many' | 'badly-clustered'
}

const TARGET_BYTES = 8 * 1024 * 1024
/** So few are read faster than they are rewritten. */
const MANY = 10
/** A query for one partition reads this part of the manifests for nothing. */
const OVERLAP_MAX = 0.25
/** Overlaps are counted pair by pair; of more manifests a sample tells. */
const SAMPLE = 500

/** Looks at the manifest list alone. `manifests` are those of the branch's head. */
export function planManifestRewrite(
  metadata: TableMetadata,
  manifests: readonly ManifestFile[],
): ManifestRewritePlan {
  // Those without live files are history of their own snapshot and go with the next commit.
  const data = manifests.filter(
    ({ content, addedFilesCount, existingFilesCount }) =>
      content === 'data' && addedFilesCount + existingFilesCount > 0,
  )
  const bytes = data.reduce((sum, manifest) => sum + manifest.manifestLength, 0)
  const stated = Number.parseInt(metadata.properties['commit.manifest.target-size-bytes'] ?? '', 10)
  const targetSizeBytes = stated > 0 ? stated : TARGET_BYTES
  const specs = new Set(data.map((manifest) => manifest.partitionSpecId))
  const expectedManifests = [...specs].reduce((sum, specId) => {
    const own = data.filter((manifest) => manifest.partitionSpecId === specId)
    return (
      sum + Math.ceil(own.reduce((size, { manifestLength }) => size + manifestLength, 0) / targetSizeBytes)
    )
  }, 0)
  const plan = { manifests: data.length, bytes, expectedManifests, targetSizeBytes }
  if (data.length >= MANY && data.length >= expectedManifests * 2) return { ...plan, reason: 'too-many' }
  const isScattered = [...specs].some((specId) => overlapOf(metadata, specId, data) > OVERLAP_MAX)
  return data.length >= MANY && isScattered ? { ...plan, reason: 'badly-clustered' } : plan
}

/** Which part of the pairs of one spec's manifests share more than a border of the first partition field. */
function overlapOf(metadata: TableMetadata, specId: number, data: readonly ManifestFile[]): number {
  const [type] = partitionTypes(schemasNewestFirst(metadata), specById(metadata, specId))
  if (type === undefined) return 0
  const own = data.filter((manifest) => manifest.partitionSpecId === specId)
  const step = Math.max(1, Math.floor(own.length / SAMPLE))
  const ranges = own.filter((_, at) => at % step === 0).map(({ partitions }) => rangeOf(partitions?.[0]))
  let pairs = 0
  let overlaps = 0
  for (let a = 0; a < ranges.length; a += 1) {
    for (let b = a + 1; b < ranges.length; b += 1) {
      pairs += 1
      if (overlap(type, ranges[a], ranges[b])) overlaps += 1
    }
  }
  return pairs === 0 ? 0 : overlaps / pairs
}

interface Range {
  readonly lower: Uint8Array
  readonly upper: Uint8Array
}

function rangeOf(summary: FieldSummary | undefined): Range | undefined {
  const { lowerBound, upperBound } = summary ?? {}
  return lowerBound && upperBound && { lower: lowerBound, upper: upperBound }
}

function overlap(type: PrimitiveType, a: Range | undefined, b: Range | undefined): boolean {
  if (a === undefined || b === undefined) return false
  const compare = (left: Uint8Array, right: Uint8Array): number =>
    compareValues(type, decodeValue(type, left), decodeValue(type, right))
  return compare(a.lower, b.upper) < 0 && compare(b.lower, a.upper) < 0
}
