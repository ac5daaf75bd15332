import type { Type } from '../iceberg/spec/type.js'

const INTEGERS = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT))$/
const NUMBERS = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL.*)$/

const PRIMITIVES: Readonly<Record<string, RegExp>> = {
  boolean: /^BOOLEAN$/,
  int: INTEGERS,
  long: INTEGERS,
  float: NUMBERS,
  double: NUMBERS,
  date: /^DATE$/,
  time: /^TIME$/,
  timestamp: /^TIMESTAMP(_S|_MS|_NS)?$/,
  timestamptz: /^TIMESTAMP WITH TIME ZONE$|^TIMESTAMPTZ$/,
  string: /^(VARCHAR|JSON|ENUM.*)$/,
  uuid: /^UUID$/,
  binary: /^BLOB$/,
  fixed: /^BLOB$/,
  decimal: /^(DECIMAL.*|U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT))$/,
}

/** Whether values of an engine's type go into a column without changing their meaning; ranges are checked when written. */
export function fitsColumn(type: Type, engineType: string): boolean {
  if (engineType === 'NULL' || engineType === '"NULL"') return true
  if (typeof type === 'string') {
    const name = type.replace(/[([].*/, '')
    return PRIMITIVES[name]?.test(engineType) ?? false
  }
  if (type.type === 'list') {
    const match = /^(.*)\[\d*\]$/s.exec(engineType)
    return match?.[1] !== undefined && fitsColumn(type.element, match[1])
  }
  return engineType.startsWith(type.type === 'map' ? 'MAP(' : 'STRUCT(')
}

export function isNumber(engineType: string): boolean {
  return NUMBERS.test(engineType) || engineType === 'BOOLEAN'
}
