import { IcebergError } from '../error.js'
import type { PartitionSpec } from './partition-spec.js'
import { fieldById } from './schema.js'
import type { TableMetadata } from './table-metadata.js'
import { parseTransform, transformResultType } from './transform.js'
import type { PrimitiveType, Schema } from './type.js'
import { isPrimitive } from './type.js'

/** The partition spec that new files are written with. */
export function defaultSpec(metadata: TableMetadata): PartitionSpec {
  return specById(metadata, metadata['default-spec-id'])
}

/** A partition spec of the table by its id. Throws `data-invalid` where there is none. */
export function specById(metadata: TableMetadata, specId: number): PartitionSpec {
  const spec = metadata['partition-specs'].find((candidate) => candidate['spec-id'] === specId)
  if (spec !== undefined) return spec
  const known = metadata['partition-specs'].map((candidate) => candidate['spec-id']).join(', ')
  throw new IcebergError(
    'data-invalid',
    `partition spec ${specId} is not in the table's metadata (it has ${known})`,
  )
}

/**
 * The type of each partition value of `spec`. A source column is looked up in `schemas` in their order, so give the
 * current schema first; `undefined` where none has it (its column was dropped and its schema expired) and for transforms
 * that this library does not know.
 */
export function partitionTypes(
  schemas: readonly Schema[],
  spec: PartitionSpec,
): readonly (PrimitiveType | undefined)[] {
  return spec.fields.map((field) => {
    for (const schema of schemas) {
      const type = fieldById(schema, field['source-id'])?.type
      if (type === undefined || !isPrimitive(type)) continue
      // A transform of a later version of the format: its values are carried along, nothing is read from them.
      if (parseTransform(field.transform).kind === 'unknown') return undefined
      return transformResultType(field.transform, type)
    }
    return undefined
  })
}

/** The schemas of a table, the current one first, then the newest. */
export function schemasNewestFirst(metadata: TableMetadata): readonly Schema[] {
  const current = metadata['current-schema-id']
  const rank = (schema: Schema): number => (schema['schema-id'] === current ? Infinity : schema['schema-id'])
  return [...metadata.schemas].sort((a, b) => (rank(a) < rank(b) ? 1 : -1))
}
