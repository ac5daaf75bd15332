import { IcebergError } from '../error.js'
import type { PartitionSpec } from '../spec/partition-spec.js'
import type { PrimitiveType } from '../spec/type.js'
import type { AvroField, AvroSchema } from './avro/avro-schema.js'

/** The Avro schema of a v2 manifest of one partition spec (Iceberg spec, "Manifests"; field ids are the spec's). */
export function manifestSchema(
  spec: PartitionSpec,
  partitionTypes: readonly (PrimitiveType | undefined)[],
): AvroSchema {
  return {
    type: 'record',
    name: 'manifest_entry',
    fields: [
      required('status', 0, 'int'),
      optional('snapshot_id', 1, 'long'),
      optional('sequence_number', 3, 'long'),
      optional('file_sequence_number', 4, 'long'),
      required('data_file', 2, dataFileSchema(partitionSchema(spec, partitionTypes))),
    ],
  }
}

/** The Avro schema of a v2 manifest list (Iceberg spec, "Manifest Lists"). */
export function manifestListSchema(): AvroSchema {
  const summary: AvroSchema = {
    type: 'record',
    name: 'r508',
    fields: [
      required('contains_null', 509, 'boolean'),
      optional('contains_nan', 518, 'boolean'),
      optional('lower_bound', 510, 'bytes'),
      optional('upper_bound', 511, 'bytes'),
    ],
  }
  return {
    type: 'record',
    name: 'manifest_file',
    fields: [
      required('manifest_path', 500, 'string'),
      required('manifest_length', 501, 'long'),
      required('partition_spec_id', 502, 'int'),
      required('content', 517, 'int'),
      required('sequence_number', 515, 'long'),
      required('min_sequence_number', 516, 'long'),
      required('added_snapshot_id', 503, 'long'),
      required('added_files_count', 504, 'int'),
      required('existing_files_count', 505, 'int'),
      required('deleted_files_count', 506, 'int'),
      required('added_rows_count', 512, 'long'),
      required('existing_rows_count', 513, 'long'),
      required('deleted_rows_count', 514, 'long'),
      optional('partitions', 507, { type: 'array', items: summary, 'element-id': 508 }),
      optional('key_metadata', 519, 'bytes'),
    ],
  }
}

/** Bytes that hold any unscaled value of a decimal of this precision. */
export function decimalLength(precision: number): number {
  let length = 1
  while (2n ** BigInt(8 * length - 1) - 1n < 10n ** BigInt(precision) - 1n) length++
  return length
}

export function decimalPrecision(type: PrimitiveType): number {
  return Number(/^decimal\(\s*(\d+)/.exec(type)?.[1] ?? 38)
}

function dataFileSchema(partition: AvroSchema): AvroSchema {
  return {
    type: 'record',
    name: 'r2',
    fields: [
      required('content', 134, 'int'),
      required('file_path', 100, 'string'),
      required('file_format', 101, 'string'),
      required('partition', 102, partition),
      required('record_count', 103, 'long'),
      required('file_size_in_bytes', 104, 'long'),
      optional('column_sizes', 108, intMap(117, 118, 'long')),
      optional('value_counts', 109, intMap(119, 120, 'long')),
      optional('null_value_counts', 110, intMap(121, 122, 'long')),
      optional('nan_value_counts', 137, intMap(138, 139, 'long')),
      optional('lower_bounds', 125, intMap(126, 127, 'bytes')),
      optional('upper_bounds', 128, intMap(129, 130, 'bytes')),
      optional('key_metadata', 131, 'bytes'),
      optional('split_offsets', 132, { type: 'array', items: 'long', 'element-id': 133 }),
      optional('equality_ids', 135, { type: 'array', items: 'int', 'element-id': 136 }),
      optional('sort_order_id', 140, 'int'),
      optional('referenced_data_file', 143, 'string'),
    ],
  }
}

function partitionSchema(
  spec: PartitionSpec,
  partitionTypes: readonly (PrimitiveType | undefined)[],
): AvroSchema {
  return {
    type: 'record',
    name: 'r102',
    fields: spec.fields.map((field, index) => {
      const name = avroName(field.name)
      const written = optional(
        name,
        field['field-id'],
        partitionType(field['field-id'], partitionTypes[index]),
      )
      return name === field.name ? written : { ...written, 'iceberg-field-name': field.name }
    }),
  }
}

/** Fixed types are named types, so their names carry the field id to be unique. A lost type is only ever null. */
function partitionType(fieldId: number, type: PrimitiveType = 'int'): AvroSchema {
  switch (type) {
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'string':
      return type
    case 'binary':
      return 'bytes'
    case 'date':
      return { type: 'int', logicalType: 'date' }
    case 'time':
      return { type: 'long', logicalType: 'time-micros' }
    case 'timestamp':
    case 'timestamptz':
      return { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': type === 'timestamptz' }
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return { type: 'long', logicalType: 'timestamp-nanos', 'adjust-to-utc': type === 'timestamptz_ns' }
    case 'uuid':
      return { type: 'fixed', name: `uuid_${fieldId}`, size: 16, logicalType: 'uuid' }
    default:
      return fixedType(fieldId, type)
  }
}

function fixedType(fieldId: number, type: PrimitiveType): AvroSchema {
  const decimal = /^decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)$/.exec(type)
  if (decimal !== null) {
    const precision = Number(decimal[1])
    return {
      type: 'fixed',
      name: `decimal_${fieldId}`,
      size: decimalLength(precision),
      logicalType: 'decimal',
      precision,
      scale: Number(decimal[2]),
    }
  }
  const fixed = /^fixed\[(\d+)\]$/.exec(type)
  if (fixed !== null) return { type: 'fixed', name: `fixed_${fieldId}`, size: Number(fixed[1]) }
  throw new IcebergError('unsupported', `partition values of type ${type} cannot be written`)
}

/** Avro names are letters, digits and `_`; others are spelled as Java's writer does. */
function avroName(name: string): string {
  return name.replace(/^[0-9]|[^A-Za-z0-9_]/g, (unit) =>
    /[0-9]/.test(unit) ? `_${unit}` : `_x${unit.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function required(name: string, id: number, type: AvroSchema): AvroField {
  return { name, type, 'field-id': id }
}

function optional(name: string, id: number, type: AvroSchema): AvroField {
  return { name, type: ['null', type], default: null, 'field-id': id }
}

function intMap(keyId: number, valueId: number, value: AvroSchema): AvroSchema {
  return {
    type: 'array',
    logicalType: 'map',
    items: {
      type: 'record',
      name: `k${keyId}_v${valueId}`,
      fields: [required('key', keyId, 'int'), required('value', valueId, value)],
    },
  }
}
