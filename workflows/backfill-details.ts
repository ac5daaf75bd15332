import type { BackfillStatus, DateState } from '../schemas/backfill-messages.js'

const WORDS: readonly (readonly [DateState, string])[] = [
  ['published', '✓ published'],
  ['no_changes', '✓ nothing new'],
  ['done', '– done before'],
  ['none', '– nothing due'],
  ['running', '▶ running'],
  ['waiting', '· waiting'],
  ['failed', '✗ failed'],
  ['cancelled', '✗ cancelled'],
]
const FAILURES_SHOWN = 10

/** A backfill's status as markdown, for Temporal's UI. */
export function backfillDetails(status: BackfillStatus): string {
  const { counts, running, failures, pause, total, from, to, mode } = status
  const maintain = status.steps.find(({ name }) => name === 'maintain')
  const rows: readonly (readonly [string, string])[] = [
    ...WORDS.flatMap(([state, words]) =>
      counts[state] === 0 ? [] : [[words, String(counts[state])] as const],
    ),
    ['all dates', String(total)],
    ...(pause === undefined ? [] : [['paused', `${pause.reason}; signal \`resume\` goes on`] as const]),
    ...running.map(({ workflowId }) => ['▶', `\`${workflowId}\``] as const),
    ...failures.slice(0, FAILURES_SHOWN).map(({ date, cause }) => [`✗ ${date}`, cause] as const),
    ...(counts.failed > FAILURES_SHOWN ? [['✗', `and ${counts.failed - FAILURES_SHOWN} more`] as const] : []),
    ...(maintain === undefined || maintain.state === 'waiting'
      ? []
      : [['maintenance', [maintain.state, maintain.note].filter(Boolean).join(': ')] as const]),
  ]
  const title = `**${status.pipeline ?? ''}** · ${from} to ${to} · ${mode} · ${status.status}`
  const lines = rows.map(([name, text]) => `| ${name} | ${text.replace(/[|\n]/g, ' ')} |`)
  return [title, '', '| | |', '|---|---|', ...lines].join('\n')
}
