/** A version 7 uuid (RFC 9562) of a moment in ms since 1970 and the random digits of a version 4 one. */
export function timeOrderedUuid(now: number, random: string): string {
  const time = Math.floor(now).toString(16).padStart(12, '0').slice(-12)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`
}
