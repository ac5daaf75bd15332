import { setTimeout as sleep } from 'node:timers/promises'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type { AwaitRecordsInput, DueRecords } from '../../schemas/messages.js'
import { ensureLandingTables } from '../tables/ensure-tables.js'
import { pendingRecords } from './plan-topic.js'
import { sourceOf } from './source-of.js'

const LOOKS_PER_AGE = 5
const LEAST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2000

/**
 * Waits until so many records or bytes of a topic wait to be landed, or the first of them was seen so long ago, that a
 * landing is due; no longer than `waitMs`. The topic is looked at a few times per `maxAgeMs`.
 */
export async function awaitRecords(
  deps: LakeDeps,
  input: AwaitRecordsInput,
  { onProgress, signal }: RunControl = {},
): Promise<DueRecords> {
  const { topics, now } = deps
  const source = sourceOf(deps, input)
  if (topics === undefined) {
    throw new FirnError(
      'config',
      `there is no Kafka broker configured: set FIRN_KAFKA_BROKERS to stream ${source.name}`,
    )
  }
  const { ledger } = await ensureLandingTables(deps, source.name)
  const pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(LEAST_PAUSE_MS, input.maxAgeMs / LOOKS_PER_AGE))
  const endMs = now() + input.waitMs
  let seenMs: number | undefined
  for (;;) {
    const pending = await pendingRecords({ ...deps, topics }, source, ledger)
    const at = now()
    if (pending.records > 0) seenMs ??= at
    const isOld = seenMs !== undefined && at - seenMs >= input.maxAgeMs
    const due =
      isOld || pending.records >= input.maxRecords || (pending.records > 0 && pending.bytes >= input.maxBytes)
    if (due || at >= endMs) return { due, pending: pending.records }
    onProgress?.(`${pending.records} records of ${source.name} wait`)
    await sleep(Math.min(pauseMs, endMs - at), undefined, signal === undefined ? {} : { signal })
  }
}
