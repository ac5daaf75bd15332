import { NAME_MAPPING_PROPERTY } from '../spec/name-mapping.js'
import { currentSchema } from '../spec/schema.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { Schema } from '../spec/type.js'
import type { TableRequirement, TableUpdate } from '../update/table-update.js'
import { applySchemaChanges } from './apply-schema-changes.js'
import { evolveNameMapping } from './evolve-name-mapping.js'
import { evolutionOf, NO_EVOLUTION, type Evolution } from './evolution.js'
import { sameSchema } from './same-schema.js'
import type { SchemaChange, SchemaRules } from './schema-change.js'

/**
 * Schema changes as a commit. The columns that the table's partitions and order need are part of what it requires, so that
 * nobody partitions by a column while it is dropped. Throws `invalid-argument`.
 */
export function planSchema(
  metadata: TableMetadata,
  changes: readonly SchemaChange[],
  rules: SchemaRules = {},
): Evolution {
  const before = currentSchema(metadata)
  const { schema, lastColumnId } = applySchemaChanges(metadata, changes, rules)
  if (sameSchema(schema, before)) return NO_EVOLUTION
  const updates: TableUpdate[] = [
    { action: 'add-schema', schema, 'last-column-id': lastColumnId },
    { action: 'set-current-schema', 'schema-id': -1 },
  ]
  const mapping = metadata.properties[NAME_MAPPING_PROPERTY]
  if (mapping !== undefined) {
    updates.push({
      action: 'set-properties',
      updates: { [NAME_MAPPING_PROPERTY]: evolveNameMapping(mapping, before, schema) },
    })
  }
  return evolutionOf(metadata, updates, requirementsOf(metadata, before, schema))
}

function requirementsOf(metadata: TableMetadata, before: Schema, after: Schema): readonly TableRequirement[] {
  const requirements: TableRequirement[] = [
    { type: 'assert-last-assigned-field-id', 'last-assigned-field-id': metadata['last-column-id'] },
    { type: 'assert-current-schema-id', 'current-schema-id': metadata['current-schema-id'] },
  ]
  const kept = new Set(after.fields.map((field) => field.id))
  if (before.fields.every((field) => kept.has(field.id))) return requirements
  return [
    ...requirements,
    { type: 'assert-default-spec-id', 'default-spec-id': metadata['default-spec-id'] },
    { type: 'assert-default-sort-order-id', 'default-sort-order-id': metadata['default-sort-order-id'] },
  ]
}
