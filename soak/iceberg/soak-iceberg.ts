import { playHistory } from './play-history.js'

export interface SoakResult {
  readonly histories: number
  readonly operations: number
  readonly faults: number
  readonly lost: number
  readonly doubled: number
  readonly deletedLive: number
  readonly resurrected: number
}

export interface SoakOptions {
  readonly histories: number
  readonly seed: number
  /** Told of each history that went wrong, and now and then where it is. */
  readonly report: (text: string) => void
}

/** Plays that many histories, of the seeds from `seed` on, and adds up what was wrong with them. */
export async function soakIceberg({ histories, seed, report }: SoakOptions): Promise<SoakResult> {
  const sum = { histories: 0, operations: 0, faults: 0, lost: 0, doubled: 0, deletedLive: 0, resurrected: 0 }
  for (let at = seed; at < seed + histories; at++) {
    if ((at - seed) % 20 === 0) report(`at seed ${at}`)
    const { problems, seed: own, ...counts } = await playHistory(at)
    sum.histories += 1
    for (const key of Object.keys(counts) as (keyof typeof counts)[]) sum[key] += counts[key]
    if (problems.length > 0) report(`seed ${own}: ${problems.slice(0, 5).join('; ')}`)
  }
  return sum
}
