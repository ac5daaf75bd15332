import type { LookedDate } from '../lake/backfill/look-at-dates.js'
import type { BackfillStatus, DateCounts } from '../schemas/backfill-messages.js'
import type { BackfillPreview } from './preview-backfill.js'
import { print, printTable } from './output.js'

export function printPreview({ input, total, counts, runs, dates, commands }: BackfillPreview): void {
  const rebuild = input.mode === 'rebuild'
  printTable(
    ['date', 'now', 'would', 'batch'],
    dates.map((date) => [date.key, nowText(date), wouldText(date, rebuild), date.batches.join(' ')]),
  )
  if (total > dates.length) print(`… and ${count(total - dates.length)} more dates (--limit shows more)`)
  print(
    `\n${count(total)} dates: ${count(counts.due)} would run (${count(runs)} ${rebuild ? 'rebuilds' : 'nights'}), ${count(counts.done)} are done, ${count(counts.none)} have nothing due`,
  )
  const parallel = input.parallel ?? 1
  if (parallel > 1)
    print(
      `${parallel} nights at once: landing and publishing stand in line all the same, and a batch may take rows that the night of a later date has landed`,
    )
  print(`\nstart it\n  ${commands.firn}\n  ${commands.temporal}`)
  print(`in Temporal's UI: task queue firn-control, type backfill, input\n  ${commands.ui}`)
}

export function printBackfill(workflowId: string, status: BackfillStatus): void {
  const { pipeline, from, to, mode, counts, running, failures, pause } = status
  const maintain = status.steps.find(({ name }) => name === 'maintain')
  const lines: readonly (readonly [string, string | undefined])[] = [
    ['backfill', workflowId],
    ['dates', `${pipeline ?? ''} ${from} to ${to}, ${mode}`],
    ['status', status.status],
    ['so far', countsText(counts)],
    ['paused', pause?.reason],
    ...running.map(({ date, workflowId: child }) => ['running', `${date}  ${child}`] as const),
    ...failures.slice(0, 20).map(({ date, cause }) => ['failed', `${date}  ${cause}`] as const),
    ['maintenance', maintain?.state === 'waiting' ? undefined : [maintain?.state, maintain?.note].join(' ')],
  ]
  for (const [name, text] of lines) if (text !== undefined) print(`${name.padEnd(12)} ${text}`)
  if (counts.failed > 20) print(`${''.padEnd(12)} and more: firn backfill dates ${workflowId} --state failed`)
  if (counts.failed + counts.cancelled > 0)
    print(`${'again'.padEnd(12)} firn backfill retry-failed ${workflowId}`)
}

/** `31 dates: 20 published, 11 waiting`. */
export function countsText(counts: DateCounts): string {
  const said = Object.entries(counts).filter(([, dates]) => dates > 0)
  const total = said.reduce((sum, [, dates]) => sum + dates, 0)
  return `${count(total)} dates: ${said.map(([state, dates]) => `${count(dates)} ${state.replace('_', ' ')}`).join(', ')}`
}

function nowText({ found, state }: LookedDate): string {
  if (state === 'none' && found.length === 0) return 'nothing due'
  return found
    .map(({ was, record }) => {
      const tag = record?.tag === undefined ? '' : ` ${record.tag}`
      const reason = record?.reason === undefined ? '' : `: ${record.reason}`
      return was === 'failed' ? `failed${reason}` : `${was.replace('_', ' ')}${tag}`
    })
    .join(', ')
}

function wouldText({ state, batches }: LookedDate, rebuild: boolean): string {
  if (state !== 'due') return '—'
  const what = rebuild ? 'rebuild' : 'run'
  return batches.length === 1 ? what : `${what} ${batches.length}`
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}
