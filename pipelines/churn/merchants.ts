import { seededDraws, type SeededDraws } from '../seeded-draws.js'

/** Where simulated users pay. Each merchant's system writes its payments in its own way, as in life. */
export interface Merchant {
  readonly id: string
  /** A usual payment here, as a multiple of what the user usually spends. */
  readonly priceLevel: number
  /** Writes the amount as a string, `"12.30"`; else as a number. */
  readonly amountAsText: boolean
  /** Writes the time in ms since 1970; else in ISO 8601. */
  readonly timeAsNumber: boolean
}

const MERCHANTS = 300

/** Draws a merchant of a seed; popular ones far more often, by Zipf's law, roughly. */
export function merchantsOf(seed: number): (draws: SeededDraws) => Merchant {
  const draws = seededDraws(seed, 'merchants')
  const merchants = Array.from({ length: MERCHANTS }, (_, i) => merchantAt(i, Math.exp(0.5 * draws.normal())))
  return (user) => {
    const rank = Math.floor((MERCHANTS + 1) ** user.uniform()) - 1
    return merchants[rank] ?? merchantAt(0, 1)
  }
}

function merchantAt(i: number, priceLevel: number): Merchant {
  const id = `sim-m${String(i).padStart(4, '0')}`
  return { id, priceLevel, amountAsText: i % 4 === 1, timeAsNumber: i % 10 === 3 }
}
