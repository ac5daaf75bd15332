import type { ListType, MapType, NestedField, Schema, StructType, Type } from '../spec/type.js'
import { isPrimitive } from '../spec/type.js'

/** Where a field stands: in the table (no parent) or in another field, and as what. */
export interface FieldPlace {
  readonly field: NestedField
  readonly parent?: NestedField
  readonly role: 'field' | 'element' | 'key' | 'value'
  /** Whether it is a map's key or lies in one: keys never change. */
  readonly inKey: boolean
  /** From the table down to the parent. */
  readonly parents: readonly NestedField[]
}

export function placeOf(schema: Schema, id: number): FieldPlace | undefined {
  const inType = (type: Type, parents: readonly NestedField[], inKey: boolean): FieldPlace | undefined => {
    for (const { field, role } of membersOf(type)) {
      const inThisKey = inKey || role === 'key'
      const parent = parents.at(-1)
      if (field.id === id) return { field, role, inKey: inThisKey, parents, ...(parent && { parent }) }
      const found = inType(field.type, [...parents, field], inThisKey)
      if (found !== undefined) return found
    }
    return undefined
  }
  return inType(schema, [], false)
}

/** The schema with one field as `edit` gives it back. */
export function editField(schema: Schema, id: number, edit: (field: NestedField) => NestedField): Schema {
  return { ...schema, ...editStruct(schema, id, edit) }
}

/** The schema with the fields of one struct, or the table's own (no `parentId`), as `edit` gives them back. */
export function editFields(
  schema: Schema,
  parentId: number | undefined,
  edit: (fields: readonly NestedField[]) => readonly NestedField[],
): Schema {
  if (parentId === undefined) return { ...schema, fields: edit(schema.fields) }
  return editField(schema, parentId, (field) => {
    const { type } = field
    if (isPrimitive(type) || type.type !== 'struct') return field
    return { ...field, type: { ...type, fields: edit(type.fields) } }
  })
}

type Edit = (field: NestedField) => NestedField

function editStruct(struct: StructType, id: number, edit: Edit): StructType {
  const editOne: Edit = (field) =>
    field.id === id ? edit(field) : { ...field, type: editType(field.type, id, edit) }
  return { type: 'struct', fields: struct.fields.map(editOne) }
}

function editType(type: Type, id: number, edit: Edit): Type {
  if (isPrimitive(type)) return type
  if (type.type === 'struct') return editStruct(type, id, edit)
  return type.type === 'list' ? editList(type, id, edit) : editMap(type, id, edit)
}

function editList(list: ListType, id: number, edit: Edit): ListType {
  if (list['element-id'] !== id) return { ...list, element: editType(list.element, id, edit) }
  const { required, type } = edit(elementOf(list))
  return { ...list, 'element-required': required, element: type }
}

function editMap(map: MapType, id: number, edit: Edit): MapType {
  if (map['value-id'] !== id) return { ...map, value: editType(map.value, id, edit) }
  const { required, type } = edit(valueOf(map))
  return { ...map, 'value-required': required, value: type }
}

function membersOf(type: Type): readonly Pick<FieldPlace, 'field' | 'role'>[] {
  if (isPrimitive(type)) return []
  if (type.type === 'struct') return type.fields.map((field) => ({ field, role: 'field' }))
  if (type.type === 'list') return [{ field: elementOf(type), role: 'element' }]
  const key = { id: type['key-id'], name: 'key', required: true, type: type.key }
  return [
    { field: key, role: 'key' },
    { field: valueOf(type), role: 'value' },
  ]
}

export function elementOf(list: ListType): NestedField {
  return {
    id: list['element-id'],
    name: 'element',
    required: list['element-required'],
    type: list.element,
  }
}

export function valueOf(map: MapType): NestedField {
  return { id: map['value-id'], name: 'value', required: map['value-required'], type: map.value }
}
