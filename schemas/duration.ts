const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** `30s`, `5m`, `2h`, `1d` in ms; undefined for what is none. */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  return unit === undefined ? undefined : Number(digits) * UNITS[unit as keyof typeof UNITS]
}
