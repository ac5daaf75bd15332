import type { Data } from 'apache-arrow'
import { decimalScale } from '../../iceberg/spec/decimal-text.js'
import type { PrimitiveType, Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'

/** The value of a row as the nearest double. What lies below a null is any number. */
export type ReadNumber = (row: number) => number

/** Of booleans (0 and 1), numbers, decimals, dates (days) and timestamps (µs); undefined: of no other type. */
export function numbersOf(type: Type, data: Data): ReadNumber | undefined {
  if (!isPrimitive(type)) return undefined
  switch (type) {
    case 'boolean': {
      const bits = data.values as Uint8Array
      return (row) => ((bits[(data.offset + row) >> 3] as number) >> ((data.offset + row) & 7)) & 1
    }
    case 'int':
    case 'date':
    case 'float':
    case 'double': {
      const values = data.values as Float64Array
      return (row) => values[row] as number
    }
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz': {
      const values = data.values as BigInt64Array
      return (row) => Number(values[row])
    }
    default:
      return type.startsWith('decimal') ? decimalsOf(type, data) : undefined
  }
}

/** Through its text: dividing would round twice. */
function decimalsOf(type: PrimitiveType, data: Data): ReadNumber {
  const scale = decimalScale(type)
  const words = data.values as Uint32Array
  return (row) => {
    let value = BigInt.asIntN(32, BigInt(words[row * 4 + 3] as number))
    for (let word = 2; word >= 0; word--) value = (value << 32n) | BigInt(words[row * 4 + word] as number)
    return Number(`${value}e-${scale}`)
  }
}
