import { dateOf } from '../schemas/backfill-dates.js'
import type { BackfillInput, BackfillRow, RunningDate } from '../schemas/backfill-messages.js'
import type { NightlyInput, NightlyResult } from '../schemas/messages.js'
import { workflowIds } from '../schemas/workflow-names.js'
import { executeInTurn } from './execute-in-turn.js'
import { nightly } from './nightly.js'
import { rebuildBatch } from './rebuild-batch.js'

export type DateOutcome =
  { readonly kind: 'published' | 'no_changes' } | { readonly kind: 'failed'; readonly cause: string }

/** Runs what is due of a date, batch by batch, until one fails. `tell` is told of each. */
export async function runDate(
  given: BackfillInput,
  { key, batches }: BackfillRow,
  tell: (running: RunningDate) => void,
): Promise<DateOutcome> {
  let outcome: DateOutcome = { kind: 'no_changes' }
  for (const batch of batches) {
    const workflowId = childIdOf(given, key)
    tell({ date: key, batch, workflowId })
    const next = await (given.mode === 'rebuild'
      ? rebuildOf(given.pipeline, batch, workflowId)
      : nightOf(given, { key, batch, workflowId }))
    if (next.kind === 'failed') return next
    if (next.kind === 'published') outcome = next
  }
  return outcome
}

/** Under which a date's work runs; a date with several batches runs them one after another, as runs of one id. */
export function childIdOf({ pipeline, mode }: BackfillInput, key: string): string {
  return mode === 'rebuild' ? workflowIds.rebuild(pipeline) : workflowIds.nightly(pipeline, key)
}

async function nightOf(
  { pipeline, folder, onChange }: BackfillInput,
  night: { readonly key: string; readonly batch: string; readonly workflowId: string },
): Promise<DateOutcome> {
  const input: NightlyInput = {
    pipeline,
    batch: night.batch,
    maintain: false,
    ...(onChange === undefined ? {} : { onChange }),
    ...(folder === undefined ? {} : { from: folder.replaceAll('{date}', dateOf(night.key)) }),
  }
  const { workflowId } = night
  const { build } = await executeInTurn(nightly, { workflowId, input, summary: `night of ${night.key}` })
  return build.status === 'failed' ? { kind: 'failed', cause: failedChecks(build) } : { kind: build.status }
}

async function rebuildOf(pipeline: string, batch: string, workflowId: string): Promise<DateOutcome> {
  const input = { pipeline, batch }
  const { status } = await executeInTurn(rebuildBatch, { workflowId, input, summary: `rebuild of ${batch}` })
  return status === 'failed'
    ? {
        kind: 'failed',
        cause: `a blocking check failed on the rows of ${batch} computed again; they stay as they were`,
      }
    : { kind: 'published' }
}

function failedChecks({ batch, checks }: NightlyResult['build']): string {
  const failed = (checks?.results ?? []).filter(({ passed, severity }) => !passed && severity === 'blocking')
  const names = failed.map(({ name, failingRows }) => `${name} (${failingRows} rows)`).join(', ')
  return `blocking checks failed: ${names || 'recorded before'}. Its rows are on the branch failed_${batch}`
}
