import type { StreamStatus } from '../schemas/stream-messages.js'

/** A stream's status as markdown, for Temporal's UI. */
export function streamDetails(status: StreamStatus): string {
  const { landed, lag, watermarkMs, idlePartitions, windows, maintenance, pause, retry } = status
  const kinds = Object.entries(landed.deadLetterKinds ?? {}).map(([kind, count]) => `${kind} ${count}`)
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['landed', `${landed.records} records in ${landed.batches} micro-batches`],
    ['dead letters', [String(landed.deadLetters), ...kinds].join(', ')],
    ['lag', lag === undefined ? undefined : `${lag} records`],
    ['watermark', watermarkMs === undefined ? undefined : new Date(watermarkMs).toISOString()],
    ['idle partitions', idlePartitions.length === 0 ? undefined : idlePartitions.slice(0, 50).join(', ')],
    ['paused', pause === undefined ? undefined : `${pause.reason} Answer: \`${pause.answer}\``],
    ['retrying', retry === undefined ? undefined : `attempt ${retry.attempt}: ${retry.reason}`],
    ['windows', windows.error],
    ['maintenance', maintenance.error],
    ...status.steps.map((step) => [step.name, `${step.state}${step.note ? `: ${step.note}` : ''}`] as const),
  ]
  const shown = rows.flatMap(([name, text]) =>
    text === undefined ? [] : [`| ${name} | ${text.replace(/[|\n]/g, ' ')} |`],
  )
  const title = [`**${status.pipeline ?? ''}**`, status.source, status.status].filter(
    (one) => one !== undefined,
  )
  return [title.join(' · '), '', '| | |', '|---|---|', ...shown].join('\n')
}
