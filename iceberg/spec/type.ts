/** Iceberg spec, "Schemas and Data Types". Types keep the wire's own form: primitives are strings. */
export type PrimitiveType =
  | 'boolean'
  | 'int'
  | 'long'
  | 'float'
  | 'double'
  | 'date'
  | 'time'
  | 'timestamp'
  | 'timestamptz'
  | 'timestamp_ns'
  | 'timestamptz_ns'
  | 'string'
  | 'uuid'
  | 'binary'
  | `fixed[${number}]`
  | `decimal(${number}, ${number})`

/** A column or a field of a struct. Its id means this field for ever, whatever its name. */
export interface NestedField {
  readonly id: number
  readonly name: string
  readonly required: boolean
  readonly type: Type
  readonly doc?: string
  readonly 'initial-default'?: unknown
  readonly 'write-default'?: unknown
}

/** Fields in their order, nested in a column or a schema. */
export interface StructType {
  readonly type: 'struct'
  readonly fields: readonly NestedField[]
}

/** A list, whose elements have a field id of their own. */
export interface ListType {
  readonly type: 'list'
  readonly 'element-id': number
  readonly 'element-required': boolean
  readonly element: Type
}

/** A map, whose keys and values have field ids of their own. Keys are never null. */
export interface MapType {
  readonly type: 'map'
  readonly 'key-id': number
  readonly key: Type
  readonly 'value-id': number
  readonly 'value-required': boolean
  readonly value: Type
}

/** Any type of a column (Iceberg spec, Schemas and Data Types). */
export type Type = PrimitiveType | StructType | ListType | MapType

/** The columns of a table, in one version. */
export interface Schema extends StructType {
  readonly 'schema-id': number
  readonly 'identifier-field-ids'?: readonly number[]
}

/**
 * A single value in memory, by type: boolean; int, date (days since 1970) and float, double are `number`;
 * long, time (µs), timestamp(tz) (µs), timestamp(tz)_ns (ns) and decimal (the unscaled integer) are `bigint`;
 * string and uuid (lower case, dashed) are `string`; fixed and binary are `Uint8Array`.
 */
export type Value = boolean | number | bigint | string | Uint8Array

export function isPrimitive(type: Type): type is PrimitiveType {
  return typeof type === 'string'
}
