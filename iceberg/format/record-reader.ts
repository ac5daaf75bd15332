import { IcebergError } from '../error.js'
import type { AvroNames, AvroSchema, ResolvedType } from './avro/avro-schema.js'
import { resolveType } from './avro/avro-schema.js'
import type { Cursor } from './avro/cursor.js'
import { compileSkip } from './avro/read-value.js'

/** Reads one field into the record being built. */
export type FieldReader<T> = (cursor: Cursor, record: T) => void

/** Makes the reader of one field for the type that the file was written with. */
export type MakeFieldReader<T> = (resolved: ResolvedType, names: AvroNames) => FieldReader<T>

/**
 * Compiles a reader for a record of one file: fields are found by field id, unknown ones are passed over, absent and null
 * ones leave the record as it is. Compiled once a file, so that reading an entry costs one call per field.
 */
export function compileRecord<T>(
  schema: AvroSchema,
  names: AvroNames,
  fields: ReadonlyMap<number, MakeFieldReader<T>>,
): FieldReader<T> {
  const { type, node } = resolveType(schema, names)
  if (type !== 'record') throw new IcebergError('data-invalid', `expected an Avro record, found '${type}'`)
  const steps = (node.fields ?? []).map((field): FieldReader<T> => {
    const make = fields.get(field['field-id'] ?? -1)
    if (make === undefined) return compileSkip(field.type, names)
    const resolved = resolveType(field.type, names)
    const read = make(resolved, names)
    const { nullBranch } = resolved
    if (nullBranch === undefined) return read
    return (cursor, record) => {
      if (cursor.readLong() !== nullBranch) read(cursor, record)
    }
  })
  return (cursor, record) => {
    for (const step of steps) step(cursor, record)
  }
}
