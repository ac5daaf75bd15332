import type { LandResult, LandSourceInput } from '../schemas/messages.js'
import { readLandSourceInput } from '../schemas/validate-input.js'
import { control, data } from './activity-groups.js'
import { logicalBatch } from './logical-batch.js'
import { startProgress, type Progress } from './progress.js'
import { readInput } from './read-input.js'
import { withReplans } from './replan.js'

/**
 * Lands what is new in a source, once:
 * 1. plan: fix the range of files and their offsets;
 * 2. fetch: write the raw objects and stage the ledger rows;
 * 3. commit: make them visible, valid only onto the ledger that was planned on; else back to 1.
 *
 * Query `status`. A cancel leaves raw objects that no ledger row names; the next landing reuses them.
 */
export async function landSource(input: LandSourceInput): Promise<LandResult> {
  const given = readInput(readLandSourceInput, input)
  const batch = given.batch ?? logicalBatch()
  const progress = startProgress({ pipeline: given.pipeline, batch }, ['plan', 'fetch', 'commit'])
  const result = await withReplans(() => landOnce({ ...given, batch }, progress))
  progress.finish(result.files === 0 ? 'no_changes' : 'done')
  return result
}

async function landOnce(
  input: LandSourceInput & { readonly batch: string },
  progress: Progress,
): Promise<LandResult> {
  const plan = await progress.step(
    'plan',
    () => data.planLanding.executeWithOptions({ summary: `plan landing of ${input.pipeline}` }, [input]),
    (planned) => `${planned.files} new files, ${planned.bytes} bytes`,
  )
  if (plan.planLocation === undefined) {
    progress.skip('fetch', 'nothing new')
    progress.skip('commit', 'nothing new')
    return {
      source: plan.source,
      batch: plan.batch,
      files: 0,
      objects: 0,
      records: 0,
      deadLetters: 0,
      bytes: 0,
      rowNumberEnd: plan.rowNumberFrom,
      ledgerSnapshotId: null,
      ...(plan.warnings === undefined ? {} : { warnings: plan.warnings }),
    }
  }
  const fetched = await progress.step(
    'fetch',
    () =>
      data.fetchLanding.executeWithOptions(
        { summary: `${plan.source}: offsets ${plan.first} to ${plan.end}` },
        [plan],
      ),
    (done) => `${done.records} records, ${done.deadLetters} dead letters`,
  )
  return progress.step(
    'commit',
    () =>
      control.commitLanding.executeWithOptions({ summary: `ledger of ${plan.source}` }, [{ plan, fetched }]),
    (landed) => `ledger rows up to ${landed.rowNumberEnd}`,
  )
}
