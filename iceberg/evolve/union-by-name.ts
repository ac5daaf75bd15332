import { IcebergError } from '../error.js'
import type { NestedField, Schema, StructType, Type } from '../spec/type.js'
import { isPrimitive } from '../spec/type.js'
import { elementOf, valueOf } from './edit-schema.js'
import { canPromote } from './promote-type.js'
import { addField, edited, promoteField, type SchemaContext, type SchemaDraft } from './schema-draft.js'

/** Makes room for the rows of another schema: nothing is dropped, nothing narrowed, new columns come as optional. */
export function unionByName(draft: SchemaDraft, other: Schema, context: SchemaContext): SchemaDraft {
  return unionStruct(draft, undefined, draft.schema, other, context)
}

function unionStruct(
  draft: SchemaDraft,
  parentId: number | undefined,
  known: StructType,
  other: StructType,
  context: SchemaContext,
): SchemaDraft {
  const alike = (a: string, b: string): boolean =>
    context.caseSensitive === true ? a === b : a.toLowerCase() === b.toLowerCase()
  return other.fields.reduce((before, field) => {
    const twin =
      known.fields.find(({ name }) => name === field.name) ??
      known.fields.find(({ name }) => alike(name, field.name))
    if (twin !== undefined) return unionField(before, twin, field, context)
    const { name, type, doc } = field
    return addField(before, parentId, { name, required: false, type, ...(doc !== undefined && { doc }) })
  }, draft)
}

function unionField(
  draft: SchemaDraft,
  known: NestedField,
  other: NestedField,
  context: SchemaContext,
): SchemaDraft {
  const { doc } = other
  let next = unionType(draft, known, other.type, context)
  if (known.required && !other.required)
    next = edited(next, known.id, (field) => ({ ...field, required: false }))
  if (doc !== undefined && doc !== known.doc) next = edited(next, known.id, (field) => ({ ...field, doc }))
  return next
}

function unionType(draft: SchemaDraft, known: NestedField, other: Type, context: SchemaContext): SchemaDraft {
  const { type } = known
  if (isPrimitive(type) && isPrimitive(other)) {
    // Narrower values fit into the column as it is.
    return canPromote(other, type, context.formatVersion)
      ? draft
      : promoteField(draft, known.id, other, context)
  }
  if (!isPrimitive(type) && !isPrimitive(other)) {
    if (type.type === 'struct' && other.type === 'struct') {
      return unionStruct(draft, known.id, type, other, context)
    }
    if (type.type === 'list' && other.type === 'list') {
      return unionField(draft, elementOf(type), elementOf(other), context)
    }
    if (type.type === 'map' && other.type === 'map') {
      return unionField(draft, valueOf(type), valueOf(other), context)
    }
  }
  const kindOf = (one: Type): string => (isPrimitive(one) ? one : one.type)
  throw new IcebergError(
    'invalid-argument',
    `${known.name} is a ${kindOf(type)} here and a ${kindOf(other)} there: they can't become one column`,
  )
}
