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

export async function timed<T>(
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly seconds: number }> {
  const started = performance.now()
  const result = await work()
  return { result, seconds: (performance.now() - started) / 1000 }
}

function round(value: number): number {
  return Number(value.toPrecision(3))
}
