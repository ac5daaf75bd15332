import type { LookAtDates, LookedDate } from '../lake/backfill/look-at-dates.js'
import { backfillDates } from '../schemas/backfill-dates.js'
import type { BackfillInput } from '../schemas/backfill-messages.js'
import { dashed } from '../schemas/dashed.js'
import { TASK_QUEUES, workflowIds } from '../schemas/workflow-names.js'

const PAGE = 1000

/** What a backfill would do if it were started now. */
export interface BackfillPreview {
  readonly workflowId: string
  readonly input: BackfillInput
  readonly total: number
  /** Dates by what would become of them. */
  readonly counts: Readonly<Record<LookedDate['state'], number>>
  /** Nights or rebuilds that would run. */
  readonly runs: number
  /** The first dates. */
  readonly dates: readonly LookedDate[]
  /** The same by Temporal's own command line, and in its UI. */
  readonly commands: { readonly firn: string; readonly temporal: string; readonly ui: string }
}

/** Looks at every date of the input, a thousand at a time; keeps the first `limit`. */
export async function previewBackfill(
  input: BackfillInput,
  {
    limit,
    lookAt,
    ...look
  }: Omit<LookAtDates, 'mode' | 'keys'> & {
    readonly limit: number
    readonly lookAt: (look: LookAtDates) => Promise<readonly LookedDate[]>
  },
): Promise<BackfillPreview> {
  const { mode = 'missing' } = input
  const { total, key } = backfillDates(input)
  const counts = { due: 0, done: 0, none: 0 }
  const first: LookedDate[] = []
  let runs = 0
  for (let next = 0; next < total;) {
    const keys = Array.from({ length: Math.min(PAGE, total - next) }, (_, i) => key(next + i))
    const dates = await lookAt({ ...look, mode, keys })
    for (const date of dates) {
      counts[date.state] += 1
      runs += date.batches.length
      if (first.length < limit) first.push(date)
    }
    next += dates.length
  }
  const workflowId = backfillId(input)
  return { workflowId, input, total, counts, runs, dates: first, commands: commandsOf(input, workflowId) }
}

export function backfillId(input: BackfillInput): string {
  const { from, to } = backfillDates(input)
  return workflowIds.backfill(input.pipeline, from, to)
}

function commandsOf(input: BackfillInput, workflowId: string): BackfillPreview['commands'] {
  const json = JSON.stringify(input)
  return {
    firn: `firn backfill start ${input.pipeline} ${optionsOf(input).join(' ')}`,
    temporal: `temporal workflow start --task-queue ${TASK_QUEUES.control} --type backfill --workflow-id ${workflowId} --input ${quoted(json)}`,
    ui: json,
  }
}

function optionsOf(input: BackfillInput): readonly string[] {
  return Object.entries(input).flatMap(([name, value]) => {
    if (name === 'pipeline' || name === 'state' || value === undefined) return []
    const text = Array.isArray(value) ? value.join(',') : String(value)
    return [`--${dashed(name)} ${plain(text)}`]
  })
}

function plain(text: string): string {
  return /^[\w./:@,-]+$/.test(text) ? text : quoted(text)
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
