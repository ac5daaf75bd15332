import type { Lab } from './lab.js'

export type PieceArgs = Readonly<Record<string, string | number>>

/** What a process measured: seconds, counts and `peakMb`, by name. */
export type Figures = Readonly<Record<string, number>>

/** One measurement, run in a process of its own. */
export type Piece = (lab: Lab, args: PieceArgs) => Promise<Figures | undefined>

export function textArg(args: PieceArgs, name: string): string {
  return String(args[name])
}

export function numberArg(args: PieceArgs, name: string): number {
  return Number(args[name])
}

/** Seconds of each round by the clock: `min`, `median`; and `cpu`, of all threads, of one round on average. */
export async function rounds(count: number, work: (round: number) => Promise<unknown>) {
  const seconds: number[] = []
  const cpu = process.cpuUsage()
  for (let round = 0; round < count; round += 1) {
    const started = performance.now()
    await work(round)
    seconds.push((performance.now() - started) / 1000)
  }
  const { user, system } = process.cpuUsage(cpu)
  seconds.sort((a, b) => a - b)
  const median = seconds[Math.floor(count / 2)] ?? 0
  return { min: seconds[0] ?? 0, median, cpu: (user + system) / 1e6 / count }
}
