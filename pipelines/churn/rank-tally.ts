/** Probabilities are told to five digits: so their ranks are exact in counters of a fixed size. */
const LEVELS = 100_000

export function roundedProbability(probability: number): number {
  return Math.round(probability * LEVELS) / LEVELS
}

/** Counts outcomes by their probability; any number of them in 1.6 MB. */
export class RankTally {
  private readonly happened = new Float64Array(LEVELS + 1)
  private readonly not = new Float64Array(LEVELS + 1)

  add(probability: number, outcome: boolean, times = 1): void {
    const level = Math.round(probability * LEVELS)
    const counts = outcome ? this.happened : this.not
    counts[level] = (counts[level] ?? 0) + times
  }

  get counts(): { readonly happened: number; readonly not: number } {
    return { happened: sum(this.happened), not: sum(this.not) }
  }

  /** Probability that one that happened was told a higher probability than one that did not, ties half; null where either is missing. */
  auc(): number | null {
    const { happened, not } = this.counts
    if (happened === 0 || not === 0) return null
    let below = 0
    let wins = 0
    for (let level = 0; level <= LEVELS; level++) {
      const here = this.not[level] ?? 0
      wins += (this.happened[level] ?? 0) * (below + here / 2)
      below += here
    }
    return wins / (happened * not)
  }
}

function sum(counts: Float64Array): number {
  return counts.reduce((total, count) => total + count, 0)
}
