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
  return columns.flatMap(({ column, type }) => [`${column} DESC NULLS LAST`, ...zerosOf(column, type)])
}

/** The engine's order takes the two zeros for one. In texts they differ in the sign alone, which sorts before a digit. */
function zerosOf(column: string, type: Type): readonly string[] {
  if (type === 'float' || type === 'double') return [`signbit(${column})`]
  return holdsFloat(type) ? [`CAST(${column} AS VARCHAR) DESC`] : []
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
