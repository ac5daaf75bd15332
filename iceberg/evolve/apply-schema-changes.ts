import { assertNever, IcebergError } from '../error.js'
import { currentSchema, fieldByName } from '../spec/schema.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { NestedField, Schema, Type } from '../spec/type.js'
import { isPrimitive } from '../spec/type.js'
import { checkSchema } from './check-schema.js'
import { editFields, placeOf, type FieldPlace } from './edit-schema.js'
import type { AddColumn, SchemaChange, SchemaRules } from './schema-change.js'
import { addField, edited, promoteField, type SchemaContext, type SchemaDraft } from './schema-draft.js'
import { unionByName } from './union-by-name.js'

/** The table's current schema after the changes. Throws `invalid-argument` where one is not allowed, with the reason. */
export function applySchemaChanges(
  metadata: TableMetadata,
  changes: readonly SchemaChange[],
  rules: SchemaRules = {},
): SchemaDraft {
  const context = { ...rules, formatVersion: metadata['format-version'] }
  const draft = changes.reduce<SchemaDraft>((before, change) => applyChange(before, change, context), {
    schema: currentSchema(metadata),
    lastColumnId: metadata['last-column-id'],
  })
  checkSchema(metadata, draft.schema, rules)
  return draft
}

function applyChange(draft: SchemaDraft, change: SchemaChange, context: SchemaContext): SchemaDraft {
  switch (change.kind) {
    case 'add':
      return addColumn(draft, change, context)
    case 'drop':
      return dropColumn(draft, change.column)
    case 'rename':
      return renameColumn(draft, change.column, change.to)
    case 'move':
      return moveColumn(draft, change)
    case 'promote':
      return promoteField(draft, changeable(draft.schema, change.column).field.id, change.type, context)
    case 'make-optional':
      return edited(draft, changeable(draft.schema, change.column).field.id, (field) => ({
        ...field,
        required: false,
      }))
    case 'require':
      return requireColumn(draft, change.column, context)
    case 'document':
      return documentColumn(draft, change.column, change.doc)
    case 'set-default':
      return setDefault(draft, change.column, change.value, context)
    case 'set-identifier':
      return setIdentifier(draft, change.columns)
    case 'union-by-name':
      return unionByName(draft, change.schema, context)
    default:
      return assertNever(change)
  }
}

function addColumn(draft: SchemaDraft, change: AddColumn, context: SchemaContext): SchemaDraft {
  const { schema } = draft
  const { parent, name, type, doc, required = false } = change
  const shown = parent === undefined ? name : `${parent}.${name}`
  if (name === '') throw invalid('a column needs a name')
  const parentId = parent === undefined ? undefined : structAt(schema, parent)
  const dot = name.lastIndexOf('.')
  if (parent === undefined && dot > 0 && fieldByName(schema, name.slice(0, dot)) !== undefined) {
    const [outer, inner] = [name.slice(0, dot), name.slice(dot + 1)]
    throw invalid(`${name} could mean two things; to add ${inner} inside ${outer}, name it as the parent`)
  }
  if (fieldsOf(schema, parentId).some((sibling) => sibling.name === name)) {
    throw invalid(`${shown} exists already; rename or drop it first`)
  }
  const hasDefault = change.default !== undefined && change.default !== null
  if (hasDefault) requireDefaults(shown, context)
  if (required && !hasDefault && context.allowIncompatible !== true) {
    throw invalid(`${shown} can't be added as required: older rows have no value; make it optional`)
  }
  return addField(draft, parentId, {
    name,
    required,
    type,
    ...(doc !== undefined && { doc }),
    ...(hasDefault && { 'initial-default': change.default, 'write-default': change.default }),
  })
}

function dropColumn(draft: SchemaDraft, column: string): SchemaDraft {
  const { field, parent } = structMember(draft.schema, column, 'dropped')
  return {
    ...draft,
    schema: editFields(draft.schema, parent?.id, (fields) => fields.filter(({ id }) => id !== field.id)),
  }
}

function renameColumn(draft: SchemaDraft, column: string, to: string): SchemaDraft {
  const { field, parent } = structMember(draft.schema, column, 'renamed')
  if (to === '') throw invalid(`${column} needs a name`)
  const clash = fieldsOf(draft.schema, parent?.id).find((other) => other.name === to)
  if (clash !== undefined && clash.id !== field.id) {
    throw invalid(`${column} can't be renamed to ${to}: there is such a column already`)
  }
  return edited(draft, field.id, (before) => ({ ...before, name: to }))
}

function moveColumn(
  draft: SchemaDraft,
  change: Extract<SchemaChange, { readonly kind: 'move' }>,
): SchemaDraft {
  const { schema } = draft
  const { field, parent } = structMember(schema, change.column, 'moved')
  const name = 'before' in change ? change.before : 'after' in change ? change.after : undefined
  const anchor = name === undefined ? undefined : structMember(schema, name, 'a place to move to')
  if (anchor?.field.id === field.id) throw invalid(`${change.column} can't be moved next to itself`)
  if (anchor !== undefined && anchor.parent?.id !== parent?.id) {
    throw invalid(`${change.column} can't be moved next to ${name ?? ''}: they are not in the same struct`)
  }
  return {
    ...draft,
    schema: editFields(schema, parent?.id, (fields) => {
      const others = fields.filter(({ id }) => id !== field.id)
      const at = others.findIndex(({ id }) => id === anchor?.field.id)
      return others.toSpliced('before' in change ? at : at + 1, 0, field)
    }),
  }
}

function requireColumn(draft: SchemaDraft, column: string, context: SchemaContext): SchemaDraft {
  const { field } = changeable(draft.schema, column)
  if (!field.required && context.allowIncompatible !== true) {
    throw invalid(
      `${column} can't become required: rows may lack a value; allow incompatible changes if none does`,
    )
  }
  return edited(draft, field.id, (before) => ({ ...before, required: true }))
}

function documentColumn(draft: SchemaDraft, column: string, doc: string | undefined): SchemaDraft {
  const { field } = structMember(draft.schema, column, 'documented')
  return edited(draft, field.id, (before) => {
    const bare = { ...before }
    Reflect.deleteProperty(bare, 'doc')
    return doc === undefined ? bare : { ...bare, doc }
  })
}

function setDefault(draft: SchemaDraft, column: string, value: unknown, context: SchemaContext): SchemaDraft {
  requireDefaults(column, context)
  const { field } = structMember(draft.schema, column, 'given a default')
  return edited(draft, field.id, (before) => ({ ...before, 'write-default': value }))
}

function setIdentifier({ schema, lastColumnId }: SchemaDraft, columns: readonly string[]): SchemaDraft {
  const bare = { ...schema }
  Reflect.deleteProperty(bare, 'identifier-field-ids')
  const ids = [...new Set(columns.map((column) => found(schema, column).field.id))]
  return { lastColumnId, schema: ids.length === 0 ? bare : { ...bare, 'identifier-field-ids': ids } }
}

function requireDefaults(column: string, { formatVersion }: SchemaContext): void {
  if (formatVersion >= 3) return
  throw invalid(
    `${column} can't have a default value: tables of format version ${formatVersion} have none, v3 has`,
  )
}

function fieldsOf(schema: Schema, parentId: number | undefined): readonly NestedField[] {
  if (parentId === undefined) return schema.fields
  const type: Type | undefined = placeOf(schema, parentId)?.field.type
  return type === undefined || isPrimitive(type) || type.type !== 'struct' ? [] : type.fields
}

/** The id of the struct that a parent's name means: of a list its element, of a map its value. */
function structAt(schema: Schema, parent: string): number {
  const { field } = changeable(schema, parent)
  const { type } = field
  if (!isPrimitive(type)) {
    if (type.type === 'struct') return field.id
    const inner = type.type === 'list' ? type.element : type.value
    const id = type.type === 'list' ? type['element-id'] : type['value-id']
    if (!isPrimitive(inner) && inner.type === 'struct') return id
  }
  throw invalid(`nothing can be added to ${parent}: it is not a struct, nor a list or map of structs`)
}

function structMember(schema: Schema, column: string, what: string): FieldPlace {
  const place = changeable(schema, column)
  if (place.role === 'field') return place
  throw invalid(`${column} can't be ${what}: it is the ${place.role} of a list or map`)
}

function changeable(schema: Schema, column: string): FieldPlace {
  const place = found(schema, column)
  if (place.inKey) throw invalid(`${column} can't change: it is part of a map's key`)
  return place
}

function found(schema: Schema, column: string): FieldPlace {
  const field = fieldByName(schema, column)
  const place = field && placeOf(schema, field.id)
  if (place !== undefined) return place
  const known = schema.fields.map((candidate) => candidate.name).join(', ')
  throw invalid(`no column '${column}'; the table has ${known}`)
}

function invalid(message: string): IcebergError {
  return new IcebergError('invalid-argument', message)
}
