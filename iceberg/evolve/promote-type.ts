import type { PrimitiveType } from '../spec/type.js'

/** Iceberg spec, "Schema Evolution": whether every value of `from` is one of `to`. A type promotes to itself. */
export function canPromote(from: PrimitiveType, to: PrimitiveType, formatVersion: number): boolean {
  if (from === to) return true
  if (from === 'int') return to === 'long'
  if (from === 'float') return to === 'double'
  if (from === 'date') return formatVersion >= 3 && (to === 'timestamp' || to === 'timestamp_ns')
  const narrow = decimalOf(from)
  const wide = decimalOf(to)
  return (
    narrow !== undefined &&
    wide !== undefined &&
    narrow.scale === wide.scale &&
    wide.precision >= narrow.precision &&
    wide.precision <= 38
  )
}

function decimalOf(type: string): { readonly precision: number; readonly scale: number } | undefined {
  const match = /^decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)$/.exec(type)
  return match === null ? undefined : { precision: Number(match[1]), scale: Number(match[2]) }
}
