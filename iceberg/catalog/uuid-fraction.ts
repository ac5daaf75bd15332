/** Between 0 (inclusive) and 1, from the random digits of an injected uuid: jitter without a generator of its own. */
export function uuidFraction(uuid: string): number {
  return Number.parseInt(uuid.replaceAll('-', '').slice(-8), 16) / 2 ** 32 || 0
}
