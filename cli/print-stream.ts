import type { StreamRetry, StreamStatus, StreamTotals } from '../schemas/stream-messages.js'
import { formatBytes, print } from './output.js'

const ENDED: ReadonlySet<StreamStatus['status']> = new Set(['done', 'failed', 'cancelled'])

/** All that a stream says of itself. */
export function printStream(status: StreamStatus): void {
  const { landed, lag, watermarkMs, idlePartitions, windows, maintenance } = status
  // What one waited for that has ended is nobody's to answer.
  const { pause, retry } = ENDED.has(status.status) ? {} : status
  const lines: readonly (readonly [string, string | undefined])[] = [
    ['stream', [status.pipeline, status.source].filter((one) => one !== undefined).join(' ')],
    ['status', status.status],
    ['landed', landedText(landed)],
    ['dead letters', deadLettersText(landed)],
    ['lag', lag === undefined ? undefined : `${count(lag)} records`],
    ['watermark', watermarkMs === undefined ? undefined : new Date(watermarkMs).toISOString()],
    ['idle', idlePartitions.length === 0 ? undefined : `partitions ${idlePartitions.join(', ')}`],
    ['windows', windowsText(windows)],
    ['maintenance', maintenance.error],
    ['retrying', retry === undefined ? undefined : `attempt ${retry.attempt}: ${retry.reason}`],
    ['next', retry === undefined ? undefined : nextText(status, retry)],
    ['paused', pause?.reason],
    ['answer', pause?.answer],
  ]
  for (const [name, text] of lines) if (text !== undefined) print(`${name.padEnd(13)} ${text}`)
}

/** The same in one line. */
export function streamLine({ status, landed, lag, watermarkMs, pause, retry }: StreamStatus): string {
  const parts = [
    status,
    `${count(landed.records)} records`,
    ...(landed.deadLetters === 0 ? [] : [`${count(landed.deadLetters)} dead letters`]),
    ...(lag === undefined ? [] : [`lag ${count(lag)}`]),
    ...(watermarkMs === undefined ? [] : [`watermark ${new Date(watermarkMs).toISOString()}`]),
    ...(retry === undefined ? [] : [`attempt ${retry.attempt}: ${retry.reason}`]),
    ...(pause === undefined ? [] : [`${pause.reason} Answer: ${pause.answer}`]),
  ]
  return parts.join(' · ')
}

export function landedText({ records, bytes, batches }: StreamTotals): string {
  return `${count(records)} records (${formatBytes(bytes)}) in ${count(batches)} micro-batches`
}

function deadLettersText({ deadLetters, deadLetterKinds = {} }: StreamTotals): string {
  const kinds = Object.entries(deadLetterKinds).map(([kind, letters]) => `${kind} ${count(letters)}`)
  return [count(deadLetters), ...kinds].join(', ')
}

function windowsText({ refreshedAtMs, error }: StreamStatus['windows']): string | undefined {
  if (error !== undefined) return `not written: ${error}`
  return refreshedAtMs === undefined ? undefined : `written ${new Date(refreshedAtMs).toISOString()}`
}

function nextText({ pipeline, source }: StreamStatus, { nextAtMs }: StreamRetry): string {
  const about = [pipeline, ...(source === undefined ? [] : ['--source', source])].join(' ')
  return `${new Date(nextAtMs).toISOString()}; \`firn stream resume ${about}\` tries now`
}

function count(number: number): string {
  return number.toLocaleString('en-US')
}
