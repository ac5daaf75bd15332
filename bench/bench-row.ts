/** One line of a benchmark: what it took us and what it took the peer in the same run. */
export interface BenchRow {
  readonly work: string
  readonly ours: number
  /** null where nothing comparable exists; `peerName` then says what the figure stands beside. */
  readonly peer: number | null
  readonly peerName: string
  /** ours ÷ peer: below 1 we are faster. */
  readonly ratio: number | null
  readonly unit: string
}

export function benchRow(
  work: string,
  ours: number,
  peerName = '',
  peer: number | null = null,
  unit = 's',
): BenchRow {
  return {
    work,
    ours: round(ours),
    peer: peer === null ? null : round(peer),
    peerName,
    ratio: peer === null ? null : round(ours / peer),
    unit,
  }
}

export interface Timed<T> {
  readonly result: T
  readonly seconds: number
  /** Of all threads of this process: on a machine with other work it says more than the clock. */
  readonly cpuSeconds: number
}

export async function timed<T>(work: () => Promise<T>): Promise<Timed<T>> {
  const started = performance.now()
  const cpu = process.cpuUsage()
  const result = await work()
  const { user, system } = process.cpuUsage(cpu)
  return { result, seconds: (performance.now() - started) / 1000, cpuSeconds: (user + system) / 1e6 }
}

function round(value: number): number {
  return Number(value.toPrecision(3))
}
