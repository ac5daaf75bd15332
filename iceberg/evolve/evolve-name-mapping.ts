import { parseJson, stringifyJson } from '../spec/json.js'
import type { NestedField, Schema, Type } from '../spec/type.js'
import { isPrimitive } from '../spec/type.js'
import { elementOf, valueOf } from './edit-schema.js'

/** Iceberg spec, "Column Projection": the JSON form of a name mapping. */
interface MappedField {
  readonly 'field-id'?: number
  readonly names: readonly string[]
  readonly fields?: readonly MappedField[]
}

/**
 * The name mapping after an evolution: files without field ids written before and after it find their columns. Old names
 * stay; a name that another column has now is taken from the column that had it.
 */
export function evolveNameMapping(mapping: string, before: Schema, after: Schema): string {
  const known = parseJson(mapping) as readonly MappedField[]
  return stringifyJson(evolved(known, before.fields, after.fields))
}

function evolved(
  mapped: readonly MappedField[],
  before: readonly NestedField[],
  after: readonly NestedField[],
): readonly MappedField[] {
  const namesBefore = new Map(before.map((field) => [field.id, field]))
  const fresh = after.filter((field) => namesBefore.get(field.id)?.name !== field.name)
  const owner = new Map(fresh.map((field) => [field.name, field.id]))
  const columns = new Map(after.map((field) => [field.id, field]))
  const kept = mapped.map((entry): MappedField => {
    const id = entry['field-id']
    const names = entry.names.filter((name) => !owner.has(name) || owner.get(name) === id)
    const column = id === undefined ? undefined : columns.get(id)
    if (id === undefined || column === undefined) return { ...entry, names }
    const all = names.includes(column.name) ? names : [...names, column.name]
    const children = evolved(
      entry.fields ?? [],
      childrenOf(namesBefore.get(id)?.type),
      childrenOf(column.type),
    )
    return { ...entry, names: all, ...(children.length > 0 && { fields: children }) }
  })
  const mappedIds = new Set(mapped.map((entry) => entry['field-id']))
  return [...kept, ...after.filter((field) => !mappedIds.has(field.id)).map(mappedField)]
}

function mappedField({ id, name, type }: NestedField): MappedField {
  const children = childrenOf(type).map(mappedField)
  return { 'field-id': id, names: [name], ...(children.length > 0 && { fields: children }) }
}

function childrenOf(type: Type | undefined): readonly NestedField[] {
  if (type === undefined || isPrimitive(type)) return []
  if (type.type === 'struct') return type.fields
  if (type.type === 'list') return [elementOf(type)]
  return [{ id: type['key-id'], name: 'key', required: true, type: type.key }, valueOf(type)]
}
