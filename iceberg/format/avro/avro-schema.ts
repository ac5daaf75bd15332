import { IcebergError } from '../../error.js'

/** An Avro schema as its JSON says it, with Iceberg's additions (`field-id`, `element-id`). */
export type AvroSchema = string | readonly AvroSchema[] | AvroType

export interface AvroType {
  readonly type: AvroSchema
  readonly name?: string
  readonly logicalType?: string
  readonly fields?: readonly AvroField[]
  readonly items?: AvroSchema
  readonly values?: AvroSchema
  readonly size?: number
  readonly symbols?: readonly string[]
  readonly [attribute: string]: unknown
}

export interface AvroField {
  readonly name: string
  readonly type: AvroSchema
  readonly 'field-id'?: number
  readonly default?: unknown
  readonly [attribute: string]: unknown
}

/** A schema node with names resolved and optional unions opened: `nullBranch` is the union's index of null. */
export interface ResolvedType {
  readonly type: string
  readonly node: AvroType
  readonly nullBranch?: number
}

/** Named types of one schema, to resolve references by name. */
export type AvroNames = Map<string, AvroType>

/** Opens a node: a name, a primitive, or a union of null and one type (all that Iceberg's Avro files use). */
export function resolveType(schema: AvroSchema, names: AvroNames): ResolvedType {
  if (typeof schema === 'string') {
    const named = names.get(schema)
    return named === undefined ? { type: schema, node: { type: schema } } : resolveType(named, names)
  }
  if (isUnion(schema)) {
    const nullBranch = schema.indexOf('null')
    const other = schema[1 - nullBranch]
    if (schema.length !== 2 || nullBranch < 0 || other === undefined) {
      throw new IcebergError('unsupported', `Avro union ${JSON.stringify(schema)} is not an optional type`)
    }
    return { ...resolveType(other, names), nullBranch }
  }
  if (typeof schema.type !== 'string') return resolveType(schema.type, names)
  if (schema.name !== undefined) names.set(schema.name, schema)
  return { type: schema.type, node: schema }
}

function isUnion(schema: readonly AvroSchema[] | AvroType): schema is readonly AvroSchema[] {
  return Array.isArray(schema)
}
