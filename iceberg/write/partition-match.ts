import type { DataFile } from '../spec/data-file.js'
import type { PartitionField, PartitionSpec } from '../spec/partition-spec.js'
import { partitionKey, valueKey } from '../spec/partition-key.js'
import type { Value } from '../spec/type.js'

/** Where a file lies towards a set of partitions: `straddles` where it may hold rows of them and others. */
export type PartitionRelation = 'inside' | 'straddles' | 'outside'

export type PartitionMatcher = (file: DataFile) => PartitionRelation

/** Compares files of any spec with the partitions that `targets` lie in. */
export function partitionMatcher(
  specs: readonly PartitionSpec[],
  targets: readonly DataFile[],
): PartitionMatcher {
  const tuples = new Map<number, Map<string, readonly (Value | null)[]>>()
  for (const target of targets) {
    const { specId, partition } = target
    const known = tuples.get(specId) ?? new Map<string, readonly (Value | null)[]>()
    tuples.set(specId, known.set(partitionKey(target), partition))
  }
  const fieldsOf = new Map(specs.map((spec) => [spec['spec-id'], spec.fields]))
  return (file) => {
    let relation: PartitionRelation = 'outside'
    for (const [specId, partitions] of tuples) {
      const one =
        file.specId === specId
          ? partitions.has(partitionKey(file))
            ? 'inside'
            : 'outside'
          : acrossSpecs(file, fieldsOf.get(file.specId) ?? [], fieldsOf.get(specId) ?? [], partitions)
      if (one === 'inside') return one
      if (one === 'straddles') relation = one
    }
    return relation
  }
}

/** Fields of two specs mean the same where source and transform are equal. */
function acrossSpecs(
  file: DataFile,
  fileFields: readonly PartitionField[],
  targetFields: readonly PartitionField[],
  partitions: ReadonlyMap<string, readonly (Value | null)[]>,
): PartitionRelation {
  const positions = targetFields.map((target) =>
    fileFields.findIndex(
      (field) => field['source-id'] === target['source-id'] && field.transform === target.transform,
    ),
  )
  const agrees = [...partitions.values()].some((partition) =>
    positions.every(
      (at, field) => at === -1 || valueKey(file.partition[at] ?? null) === valueKey(partition[field] ?? null),
    ),
  )
  if (!agrees) return 'outside'
  const complete = targetFields.every((field, at) => field.transform === 'void' || positions[at] !== -1)
  return complete ? 'inside' : 'straddles'
}
