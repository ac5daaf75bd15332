import type { Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'

/**
 * Columns of a data set's file, in this order: `entity` (JSON array text of the join keys' values), `event_timestamp`
 * (timestamptz), `group` (string), `split` (string, may be null), `batch` (string, may be null), `label` (double or string,
 * may be null), then the features under their own names with a `f:` before them, so that no feature's name can clash.
 */
export const DATASET_COLUMNS = ['entity', 'event_timestamp', 'group', 'split', 'batch', 'label'] as const
export const FEATURE_PREFIX = 'f:'

/** A column as it goes into digests and files. */
export interface DatasetColumn {
  readonly name: string
  readonly type: Type
}

/** A data set's columns: those of every data set, then the features. */
export function datasetColumns(
  label: 'double' | 'string',
  features: readonly DatasetColumn[],
): readonly DatasetColumn[] {
  const types: Readonly<Record<string, Type>> = { event_timestamp: 'timestamptz', label }
  return [
    ...DATASET_COLUMNS.map((name) => ({ name, type: types[name] ?? 'string' })),
    ...features.map(({ name, type }) => ({ name: `${FEATURE_PREFIX}${name}`, type })),
  ]
}

/** A type as digests and files say it: Iceberg's own word, `list<double>`; ids and what is required are left out. */
export function typeText(type: Type): string {
  if (isPrimitive(type)) return type
  switch (type.type) {
    case 'list':
      return `list<${typeText(type.element)}>`
    case 'map':
      return `map<${typeText(type.key)}, ${typeText(type.value)}>`
    case 'struct':
      return `struct<${type.fields.map((field) => `${field.name}: ${typeText(field.type)}`).join(', ')}>`
  }
}
