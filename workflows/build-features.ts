import { continueAsNew } from '@temporalio/workflow'
import type { BuildFeaturesInput, BuildFeaturesResult } from '../schemas/messages.js'
import { readBuildFeaturesInput } from '../schemas/validate-input.js'
import { control, data } from './activity-groups.js'
import { buildGroups } from './build-groups.js'
import { logicalBatch } from './logical-batch.js'
import { startProgress, type Progress } from './progress.js'
import { readInput } from './read-input.js'
import { REBUILDS_MAX, rebuildEach } from './rebuild-each.js'
import { withReplans } from './replan.js'
import { runInfo } from './run-info.js'

/**
 * Builds one batch of a pipeline's tables and publishes it whole:
 * 1. plan: the ledger rows that no batch has yet, and the tables in dependency order;
 * 2. build: stage every table's files; nothing is visible;
 * 3. check: run the checks on the staged state;
 * 4. publish: one transaction with tags and audit row; or, where a blocking check failed, the branch `failed_<batch>`.
 * Where the tables moved in a way that matters, back to 1. Where the definition has changed and the answer is to rebuild, the
 * published batches are built again first, and the run continues as new.
 *
 * Query `status`. A cancel leaves staged files under a lease, which the same batch uses again or maintenance removes.
 */
export async function buildFeatures(input: BuildFeaturesInput): Promise<BuildFeaturesResult> {
  const given = readInput(readBuildFeaturesInput, input)
  const batch = given.batch ?? logicalBatch()
  const progress = startProgress({ pipeline: given.pipeline, batch }, ['plan', 'build', 'check', 'publish'])
  const result = await withReplans(() => buildOnce({ ...given, batch }, progress))
  progress.finish(result.status === 'published' ? 'done' : result.status)
  return result
}

async function buildOnce(
  input: BuildFeaturesInput & { readonly batch: string },
  progress: Progress,
): Promise<BuildFeaturesResult> {
  const summary = `${input.pipeline} ${input.batch}`
  const plan = await progress.step('plan', () => control.planBuild.executeWithOptions({ summary }, [input]))
  if (plan.kind === 'rebuild-first') return await rebuildFirst(input, plan.batches, progress)
  if (plan.kind !== 'build') {
    const note = plan.kind === 'nothing-new' ? 'nothing new' : 'published before'
    for (const step of ['build', 'check', 'publish']) progress.skip(step, note)
    return plan.kind === 'nothing-new'
      ? { status: 'no_changes', batch: plan.batch }
      : { status: plan.result.status, batch: plan.result.batch, publish: plan.result }
  }
  progress.setBatch(plan.batch)
  await progress.step('build', () => buildGroups(plan, progress))
  const checks = await progress.step(
    'check',
    () => data.runChecks.executeWithOptions({ summary: `checks of ${plan.batch}` }, [{ plan }]),
    (checked) =>
      `${checked.results.filter((check) => check.passed).length} of ${checked.results.length} passed`,
  )
  const publish = await progress.step(
    'publish',
    () => control.publishBatch.executeWithOptions({ summary: plan.tag }, [{ plan, checks, run: runInfo() }]),
    (published) => (published.status === 'published' ? published.tag : 'a blocking check failed'),
  )
  return { status: publish.status, batch: publish.batch, publish, checks }
}

/** Published batches are built again by the definition as it is now, a hundred a run; then it is planned anew. */
async function rebuildFirst(
  input: BuildFeaturesInput & { readonly batch: string },
  batches: readonly string[],
  progress: Progress,
): Promise<BuildFeaturesResult> {
  const given = { pipeline: input.pipeline, batches: batches.slice(0, REBUILDS_MAX), forward: true }
  const done = await progress.step('rebuild', () => rebuildEach(given, progress))
  const last = done.rebuilt.at(-1)
  if (done.status === 'failed' && last !== undefined) {
    return { status: 'failed', batch: last.publish.batch, publish: last.publish, checks: last.checks }
  }
  return await continueAsNew<typeof buildFeatures>(input)
}
