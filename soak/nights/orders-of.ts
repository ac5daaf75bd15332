import type { Random } from '../random.js'
import type { Order } from './shop.js'

const DAY_MS = 86_400_000

/**
 * The orders of one file: most are new and of the last days, some come again with other words, now and then an amount is
 * negative, which no batch may publish.
 */
export function ordersOf(
  random: Random,
  atMs: number,
  earlier: readonly (readonly Order[])[],
): readonly Order[] {
  const file = earlier.length
  return Array.from({ length: 1 + random.below(20) }, (_, n) => {
    const again = random.chance(6) && earlier.length > 0 ? random.pick(earlier)[0] : undefined
    return {
      id: again?.id ?? `o${String(file).padStart(6, '0')}-${n}`,
      day: new Date(atMs - random.below(4) * DAY_MS).toISOString().slice(0, 10),
      user: `u${random.below(20 + Math.floor(file / 4))}`,
      amount: random.chance(600) ? -1 - random.below(9) : random.below(100),
      items: Array.from({ length: random.below(4) }, () => random.pick(['snow', 'ice', 'firn', 'melt'])),
    }
  })
}
