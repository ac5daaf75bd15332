import { setImmediate, setTimeout } from 'node:timers/promises'
import type { SimulatedRecord } from './simulation.js'
import type { Sink } from './sink.js'

export interface Sent {
  readonly sent: number
  readonly bytes: number
  readonly seconds: number
  /** It was stopped before all were sent. */
  readonly stopped: boolean
}

interface RunOptions {
  readonly records: Iterable<SimulatedRecord>
  readonly sink: Sink
  /** Infinity: until it is stopped. */
  readonly count: number
  /** Records a second; 0: as fast as it goes. */
  readonly ratePerSecond: number
  readonly signal: AbortSignal
  readonly onProgress: (sent: number) => void
}

/** One write takes so many records at most, and about so many bytes: brokers refuse batches above 1 MB. */
const WRITE_RECORDS = 4000
const WRITE_BYTES = 700_000
/** Records that fall due within this time are written together. */
const TICK_MS = 50

/** Takes records and writes them at the asked rate until all are sent or the signal stops it; closes the sink. */
export async function runSimulation(options: RunOptions): Promise<Sent> {
  const { sink, count, signal, onProgress } = options
  const records = options.records[Symbol.iterator]()
  const started = performance.now()
  let sent = 0
  let bytes = 0
  while (sent < count && !signal.aborted) {
    const due = dueNow(options.ratePerSecond, performance.now() - started) - sent
    if (due <= 0) await setTimeout(TICK_MS, undefined, { signal }).catch(() => undefined)
    // Else a signal would never be seen.
    else await setImmediate()
    const batch = take(records, Math.min(due, count - sent, WRITE_RECORDS))
    if (batch.records.length === 0) continue
    await sink.write(batch.records)
    sent += batch.records.length
    bytes += batch.bytes
    onProgress(sent)
  }
  await sink.close()
  return { sent, bytes, seconds: (performance.now() - started) / 1000, stopped: sent < count }
}

function dueNow(ratePerSecond: number, elapsedMs: number): number {
  return ratePerSecond === 0 ? Infinity : 1 + Math.floor((ratePerSecond * elapsedMs) / 1000)
}

function take(
  records: Iterator<SimulatedRecord>,
  most: number,
): { readonly records: readonly SimulatedRecord[]; readonly bytes: number } {
  const taken: SimulatedRecord[] = []
  let bytes = 0
  while (taken.length < most && bytes < WRITE_BYTES) {
    const next = records.next()
    if (next.done === true) break
    taken.push(next.value)
    bytes += Buffer.byteLength(next.value.value)
  }
  return { records: taken, bytes }
}
