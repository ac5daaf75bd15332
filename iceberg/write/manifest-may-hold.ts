import type { DataFile, FieldSummary, ManifestFile } from '../spec/data-file.js'
import { partitionKey } from '../spec/partition-key.js'
import { compareValues, decodeValue } from '../spec/single-value.js'
import { partitionTypes, schemasNewestFirst, specById } from '../spec/specs.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { PrimitiveType, Value } from '../spec/type.js'

/** Whether a manifest's partition bounds leave room for a file in the partition of one of `targets`. */
export function manifestMayHold(
  metadata: TableMetadata,
  targets: readonly DataFile[],
): (manifest: ManifestFile) => boolean {
  const tuples = new Map(targets.map((file) => [partitionKey(file), file]))
  const wanted = [...tuples.values()]
  return (manifest) => {
    const specId = manifest.partitionSpecId
    // Partitions of other specs are compared file by file.
    if (manifest.partitions === undefined || wanted.some((file) => file.specId !== specId)) return true
    const summaries = manifest.partitions
    const types = partitionTypes(schemasNewestFirst(metadata), specById(metadata, specId))
    return wanted.some((file) =>
      file.partition.every((value, field) => summaryMayHold(summaries[field], types[field], value)),
    )
  }
}

function summaryMayHold(
  summary: FieldSummary | undefined,
  type: PrimitiveType | undefined,
  value: Value | null,
): boolean {
  if (summary === undefined || type === undefined) return true
  if (value === null) return summary.containsNull
  // NaN stands outside the bounds.
  if (typeof value === 'number' && Number.isNaN(value)) return summary.containsNan !== false
  const { lowerBound, upperBound } = summary
  if (lowerBound === undefined || upperBound === undefined) return false
  return (
    compareValues(type, value, decodeValue(type, lowerBound)) >= 0 &&
    compareValues(type, value, decodeValue(type, upperBound)) <= 0
  )
}
