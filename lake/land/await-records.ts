import { setTimeout as sleep } from 'node:timers/promises'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type { AwaitRecordsInput, DueRecords } from '../../schemas/messages.js'
import type { TopicState } from '../../schemas/topics.js'
import { ensureLandingTables } from '../tables/ensure-tables.js'
import type { Positions } from './ledger.js'
import { lastTopicPositions, meanRecordBytes } from './ledger.js'
import { sourceOf } from './source-of.js'

const LOOKS_PER_AGE = 5
const LEAST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2000
/** Before anything was landed. */
const LIKELY_RECORD_BYTES = 1024

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
  const positions = await lastTopicPositions(deps, ledger)
  const meanBytes = meanRecordBytes(ledger) ?? LIKELY_RECORD_BYTES
  const pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(LEAST_PAUSE_MS, input.maxAgeMs / LOOKS_PER_AGE))
  const endMs = now() + input.waitMs
  let seenMs: number | undefined
  for (;;) {
    const pending = pendingRecords(await topics.describe(source.definition.topic), positions)
    const at = now()
    if (pending > 0) seenMs ??= at
    const isOld = seenMs !== undefined && at - seenMs >= input.maxAgeMs
    const isMuch = pending >= input.maxRecords || (pending > 0 && pending * meanBytes >= input.maxBytes)
    const due = isOld || isMuch
    if (due || at >= endMs) return { due, pending }
    onProgress?.(`${pending} records of ${source.name} wait`)
    await sleep(Math.min(pauseMs, endMs - at), undefined, signal === undefined ? {} : { signal })
  }
}

/** Records of all partitions that wait between the ledger and the log's end. */
export function pendingRecords({ partitions }: TopicState, positions: Positions): number {
  return partitions.reduce((sum, { partition, earliest, end }) => {
    const next = positions.get(partition)?.next ?? 0
    // A log that ends before it is another one: all of it waits, so that it is planned, which tells.
    return sum + end - (end < next ? earliest : Math.max(earliest, next))
  }, 0)
}
