import type { BoundExpression } from '../expr/bind.js'
import { evaluate } from '../expr/evaluate.js'
import type { Expression } from '../expr/expression.js'
import { projectInclusive } from '../expr/project.js'
import { residualOf, unbind } from '../expr/residual.js'
import { fileStatistics, mightMatch, summaryStatistics } from '../expr/statistics.js'
import type { DataFile, ManifestFile } from '../spec/data-file.js'
import type { PartitionSpec } from '../spec/partition-spec.js'
import { partitionTypes, schemasNewestFirst, specById } from '../spec/specs.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { PrimitiveType } from '../spec/type.js'

/** The filter as it bears on what one partition spec wrote. */
export interface SpecFilter {
  manifestMightMatch(manifest: ManifestFile): boolean
  partitionMightMatch(file: DataFile): boolean
  rowsMightMatch(file: DataFile): boolean
  residualFor(file: DataFile): Expression
}

/** Filters by spec id, each made when first asked for. */
export function specFilters(
  metadata: TableMetadata,
  filter: BoundExpression,
): (specId: number) => SpecFilter {
  const schemas = schemasNewestFirst(metadata)
  const known = new Map<number, SpecFilter>()
  return (specId) => {
    let made = known.get(specId)
    if (made === undefined) {
      const spec = specById(metadata, specId)
      made = specFilter(spec, partitionTypes(schemas, spec), filter)
      known.set(specId, made)
    }
    return made
  }
}

function specFilter(
  spec: PartitionSpec,
  types: readonly (PrimitiveType | undefined)[],
  filter: BoundExpression,
): SpecFilter {
  const projected = projectInclusive(filter, spec, types)
  const positions = new Map(spec.fields.map((field, index) => [field['field-id'], index]))
  const whole = unbind(filter)
  return {
    manifestMightMatch: ({ partitions }) =>
      partitions === undefined ||
      mightMatch(projected, (column) =>
        summaryStatistics(partitions[positions.get(column.id) ?? -1], column),
      ),
    partitionMightMatch: ({ partition }) =>
      projected.kind === 'true' ||
      evaluate(projected, (column) => partition[positions.get(column.id) ?? -1] ?? null) === true,
    rowsMightMatch: (file) =>
      filter.kind === 'true' || mightMatch(filter, (column) => fileStatistics(file, column)),
    residualFor({ partition }) {
      const residual = residualOf(filter, spec, types, partition)
      return residual === filter ? whole : unbind(residual)
    },
  }
}
