import { decimalScale } from '../../iceberg/spec/decimal-text.js'
import { EngineError } from '../engine.js'
import type { RowValue } from '../engine.js'

/** A decimal of a row (its text, e.g. `-1.25`, or an integer) → the unscaled integer; refuses digits that don't fit. */
export function parseDecimal(type: string, value: RowValue): bigint {
  const text = typeof value === 'object' ? '' : String(value)
  const scale = decimalScale(type)
  const precision = Number(/\d+/.exec(type)?.[0])
  const match = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text)
  const fraction = (match?.[3] ?? '').replace(/0+$/, '')
  if (match === null || fraction.length > scale) {
    throw new EngineError('data-invalid', `'${text}' does not fit ${type}: give its text, as '1.25'`)
  }
  const unscaled = BigInt((match[2] ?? '0') + fraction.padEnd(scale, '0'))
  if (unscaled >= 10n ** BigInt(precision)) {
    throw new EngineError('data-invalid', `'${text}' has too many digits for ${type}`)
  }
  return match[1] === '-' ? -unscaled : unscaled
}
