import { continueAsNew } from '@temporalio/workflow'
import type { RebuildBatchInput, RebuildBatchResult } from '../schemas/rebuild-messages.js'
import {
  readRebuildBatchInput,
  readRebuildInTurnInput,
  type RebuildInTurnInput,
} from '../schemas/read-rebuild-input.js'
import { workflowIds } from '../schemas/workflow-names.js'
import { control } from './activity-groups.js'
import { executeInTurn } from './execute-in-turn.js'
import { startProgress } from './progress.js'
import { readInput } from './read-input.js'
import { REBUILDS_MAX, rebuildEach } from './rebuild-each.js'

/**
 * Computes the rows of a published batch again, and with `forward` those of every later one:
 * 1. plan: the input of the batch, its tables and all that read them; a dry run ends here;
 * 2. rebuild: `rebuildInTurn` under the id of the pipeline's builds, so that the two stand in line. A batch is one
 *    transaction: its old rows go, the new ones come. Where a blocking check fails, it ends with status `failed`.
 *
 * Query `status`. A cancel leaves the batches that are published already; the next run goes on after them.
 */
export async function rebuildBatch(input: RebuildBatchInput): Promise<RebuildBatchResult> {
  const given = readInput(readRebuildBatchInput, input)
  const { pipeline, batch, tables, forward } = given
  const progress = startProgress({ pipeline, batch }, ['plan', 'rebuild'])
  const summary = `${pipeline} ${batch}`
  const plan = await progress.step(
    'plan',
    () => control.planRebuild.executeWithOptions({ summary }, [{ ...given, dryRun: true }]),
    (planned) => `${planned.tables.length} tables, ${planned.later.length + 1} batches`,
  )
  if (given.dryRun === true) {
    progress.skip('rebuild', 'dry run')
    progress.finish('done')
    return { status: 'planned', plan, rebuilt: [], count: 0 }
  }
  const workflowId = workflowIds.build(pipeline)
  const child: RebuildInTurnInput = {
    pipeline,
    batches: [batch, ...plan.later],
    ...(tables === undefined ? {} : { tables }),
    ...(forward === undefined ? {} : { forward }),
  }
  progress.tell('rebuild', { workflowId })
  const done = await progress.step(
    'rebuild',
    () =>
      executeInTurn(rebuildInTurn, {
        workflowId,
        input: child,
        summary: `rebuild ${batch}`,
        onWait: () => progress.tell('rebuild', { note: 'waiting for the build that runs' }),
      }),
    ({ status, count }) => (status === 'failed' ? 'a blocking check failed' : `${count} batches`),
  )
  progress.finish(done.status === 'failed' ? 'failed' : 'done')
  return { ...done, plan }
}

/** The work of `rebuildBatch`, one batch after another; continues as new after a hundred. Query `status`. */
export async function rebuildInTurn(input: RebuildInTurnInput): Promise<Omit<RebuildBatchResult, 'plan'>> {
  const given = readInput(readRebuildInTurnInput, input)
  const { pipeline, batches, count = 0 } = given
  const progress = startProgress({ pipeline }, ['rebuild'])
  const now = batches.slice(0, REBUILDS_MAX)
  const done = await progress.step('rebuild', () => rebuildEach({ ...given, batches: now }, progress))
  const rest = batches.slice(REBUILDS_MAX)
  const sum = count + done.rebuilt.length
  if (done.status === 'rebuilt' && rest.length > 0) {
    await continueAsNew<typeof rebuildInTurn>({ ...given, batches: rest, count: sum })
  }
  progress.finish(done.status === 'failed' ? 'failed' : 'done')
  return { ...done, count: sum }
}
