import type { StreamStatus, StreamTotals } from '../schemas/stream-messages.js'
import { formatBytes, print } from './output.js'

/** All that a stream says of itself. */
export function printStream(status: StreamStatus): void {
  const { landed, lag, watermarkMs, idlePartitions, windows, maintenance, pause, retry } = status
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

function count(number: number): string {
  return number.toLocaleString('en-US')
}
