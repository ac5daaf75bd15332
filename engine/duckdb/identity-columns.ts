import type { DuckDBValue } from '@duckdb/node-api'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { NestedField, PrimitiveType, Schema, Value } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { decimalText } from '../../iceberg/spec/decimal-text.js'
import type { FileColumn } from './file-columns.js'
import { toDuckDBValue } from './row-values.js'

/** A column that files lack and whose value their identity partition says, as in tables migrated from Hive. */
export interface IdentityColumn {
  readonly field: NestedField
  readonly valueOf: (file: DataFile) => DuckDBValue
}

/** Iceberg spec, "Column Projection": before a default is taken, the partition metadata is asked. */
export function identityColumns(
  file: DataFile,
  columns: readonly FileColumn[],
  schema: Schema,
  metadata: TableMetadata | undefined,
): readonly IdentityColumn[] {
  const spec = metadata?.['partition-specs'].find((candidate) => candidate['spec-id'] === file.specId)
  if (spec === undefined) return []
  return spec.fields.flatMap((partitionField, index) => {
    if (partitionField.transform !== 'identity') return []
    const id = partitionField['source-id']
    const field = schema.fields.find((candidate) => candidate.id === id)
    if (field === undefined || columns.some((column) => column.fieldId === id)) return []
    const { type } = field
    if (!isPrimitive(type)) return []
    return [{ field, valueOf: ({ partition }) => partitionValue(type, partition[index] ?? null) }]
  })
}

function partitionValue(type: PrimitiveType, value: Value | null): DuckDBValue {
  if (value === null) return null
  if (type.startsWith('decimal')) return toDuckDBValue(type, decimalText(type, BigInt(String(value))))
  return toDuckDBValue(type, type === 'long' && typeof value === 'number' ? BigInt(value) : value)
}
