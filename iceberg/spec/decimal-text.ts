/** Digits behind the point of `decimal(p, s)`; 0 of any other type. */
export function decimalScale(type: string): number {
  return Number(/,\s*(\d+)\s*\)/.exec(type)?.[1] ?? 0)
}

/** The unscaled integer of a decimal as text, e.g. `-1.25`. */
export function decimalText(type: string, unscaled: bigint): string {
  const scale = decimalScale(type)
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
  const sign = unscaled < 0n ? '-' : ''
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
