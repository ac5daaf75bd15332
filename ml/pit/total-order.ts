import type { Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'

/**
 * ORDER BY terms that put the greatest of rows with equal keys and times first, by their feature columns one after the
 * other: null is least; numbers by value with NaN greatest and 0.0 above −0.0; texts and bytes by their bytes (UTF-8);
 * true above false; lists, structs and maps element by element, where a null inside is greatest and the longer of two that
 * are equal so far is greater. Two rows that are equal by it are equal.
 */
export function orderOf(
  columns: readonly { readonly column: string; readonly type: Type }[],
): readonly string[] {
  return [
    ...columns.map(({ column }) => `${column} DESC NULLS LAST`),
    // The engine's order takes the two zeros for one. Their texts differ in the sign alone, which sorts before a digit.
    ...columns
      .filter(({ type }) => holdsFloat(type))
      .map(({ column }) => `CAST(${column} AS VARCHAR) DESC NULLS LAST`),
  ]
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
