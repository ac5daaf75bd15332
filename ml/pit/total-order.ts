import { quoteName } from '../../engine/duckdb/sql-text.js'
import type { Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'

/**
 * ORDER BY terms that put the greatest row first, by its columns one after the other: null is least; numbers by value, NaN
 * greatest and 0.0 above −0.0; texts and bytes by their bytes (UTF-8); true above false; lists, structs and maps element by
 * element, where a null inside is greatest, and the longer of two that are equal so far. Rows that tie in it are the same.
 */
export function orderOf(
  columns: readonly { readonly column: string; readonly type: Type }[],
): readonly string[] {
  return columns.map(({ column, type }) => `${orderKey(column, type)} DESC NULLS LAST`)
}

/** What the engine orders as said, which takes the two zeros for one: beside each number its sign. */
function orderKey(value: string, type: Type, depth = 0): string {
  if (!holdsFloat(type)) return value
  if (isPrimitive(type)) return unlessNull(value, `struct_pack(n := ${value}, p := NOT signbit(${value}))`)
  const element = `e${depth}`
  const keyOf = (of: string, inner: Type): string => orderKey(of, inner, depth + 1)
  switch (type.type) {
    case 'list':
      return `list_transform(${value}, lambda ${element}: ${keyOf(element, type.element)})`
    case 'struct': {
      const keys = type.fields.map(
        ({ name, type: inner }, i) => `f${i} := ${keyOf(`${value}.${quoteName(name)}`, inner)}`,
      )
      return unlessNull(value, `struct_pack(${keys.join(', ')})`)
    }
    case 'map': {
      const [key, held] = [keyOf(`${element}.key`, type.key), keyOf(`${element}.value`, type.value)]
      return `list_transform(map_entries(${value}), lambda ${element}: struct_pack(k := ${key}, v := ${held}))`
    }
  }
}

function unlessNull(value: string, key: string): string {
  return `CASE WHEN ${value} IS NOT NULL THEN ${key} END`
}

function holdsFloat(type: Type): boolean {
  if (isPrimitive(type)) return type === 'float' || type === 'double'
  switch (type.type) {
    case 'list':
      return holdsFloat(type.element)
    case 'struct':
      return type.fields.some((field) => holdsFloat(field.type))
    case 'map':
      return holdsFloat(type.key) || holdsFloat(type.value)
  }
}
