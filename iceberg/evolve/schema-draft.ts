import { IcebergError } from '../error.js'
import { assignFreshIds, fullName } from '../spec/schema.js'
import type { NestedField, PrimitiveType, Schema } from '../spec/type.js'
import { isPrimitive } from '../spec/type.js'
import { editField, editFields, placeOf } from './edit-schema.js'
import { canPromote } from './promote-type.js'
import type { SchemaRules } from './schema-change.js'

/** A schema under change. Ids up to `lastColumnId` are taken for good: no column ever gets one a second time. */
export interface SchemaDraft {
  readonly schema: Schema
  readonly lastColumnId: number
}

export interface SchemaContext extends SchemaRules {
  readonly formatVersion: number
}

/** Adds a field to a struct (`parentId`) or to the table. Its id comes before the ids of what is nested in it. */
export function addField(
  { schema, lastColumnId }: SchemaDraft,
  parentId: number | undefined,
  field: Omit<NestedField, 'id'>,
): SchemaDraft {
  const id = lastColumnId + 1
  const fresh = assignFreshIds({ type: 'struct', 'schema-id': 0, fields: [{ ...field, id }] }, lastColumnId)
  return {
    schema: editFields(schema, parentId, (fields) => [...fields, ...fresh.schema.fields]),
    lastColumnId: fresh.lastColumnId,
  }
}

export function promoteField(
  draft: SchemaDraft,
  id: number,
  type: PrimitiveType,
  { formatVersion }: SchemaContext,
): SchemaDraft {
  const field = placeOf(draft.schema, id)?.field
  if (field?.type === type) return draft
  const name = fullName(draft.schema, id) ?? `field ${id}`
  if (field === undefined || !isPrimitive(field.type) || !canPromote(field.type, type, formatVersion)) {
    const from = field && isPrimitive(field.type) ? field.type : 'a nested type'
    throw new IcebergError(
      'invalid-argument',
      `${name} can't change from ${from} to ${type}: not every value of the old type is one of it`,
    )
  }
  return edited(draft, id, (before) => ({ ...before, type }))
}

export function edited(
  draft: SchemaDraft,
  id: number,
  edit: (field: NestedField) => NestedField,
): SchemaDraft {
  return { ...draft, schema: editField(draft.schema, id, edit) }
}
