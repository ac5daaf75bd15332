import type { BoundExpression } from '../expr/bind.js'
import { bind } from '../expr/bind.js'
import { evaluate } from '../expr/evaluate.js'
import type { Expression } from '../expr/expression.js'
import { projectInclusive } from '../expr/project.js'
import { fileStatistics, mightMatch } from '../expr/statistics.js'
import { isIcebergError } from '../error.js'
import type { DataFile } from '../spec/data-file.js'
import { partitionTypes, schemasNewestFirst, specById } from '../spec/specs.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { Schema } from '../spec/type.js'

/**
 * Whether a file may hold rows that match (data files), or may delete some (delete files, by their partition alone). The
 * filter was written against one of the table's schemas, and columns may have been renamed since: all of them count.
 */
export function filterMatcher(metadata: TableMetadata, filter: Expression): (file: DataFile) => boolean {
  const schemas = schemasNewestFirst(metadata)
  const filters = schemas.flatMap((schema) => boundBy(schema, filter))
  if (filters.length === 0) return () => true
  return (file) => {
    const spec = specById(metadata, file.specId)
    const types = partitionTypes(schemas, spec)
    const valueOf = (id: number) =>
      file.partition[spec.fields.findIndex((field) => field['field-id'] === id)] ?? null
    return filters.some((bound) => {
      const projected = projectInclusive(bound, spec, types)
      if (projected.kind !== 'true' && evaluate(projected, (column) => valueOf(column.id)) !== true) {
        return false
      }
      return file.content !== 'data' || mightMatch(bound, (column) => fileStatistics(file, column))
    })
  }
}

/** None where the schema lacks a column of the filter, or has it with another type. */
function boundBy(schema: Schema, filter: Expression): readonly BoundExpression[] {
  try {
    return [bind(schema, filter)]
  } catch (error) {
    if (isIcebergError(error, 'invalid-argument')) return []
    throw error
  }
}
