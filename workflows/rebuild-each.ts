import type { PublishedRebuild, RebuildBatchInput } from '../schemas/rebuild-messages.js'
import type { RebuildInTurnInput } from '../schemas/read-rebuild-input.js'
import { control, data } from './activity-groups.js'
import type { Progress } from './progress.js'
import { withReplans } from './replan.js'
import { runInfo } from './run-info.js'

/** So many batches are built again by one run: its history stays short. */
export const REBUILDS_MAX = 100

/** Builds batches again, one after another, until a blocking check fails. Progress's step `rebuild` is told of each. */
export async function rebuildEach(
  { pipeline, batches, tables, forward }: RebuildInTurnInput,
  progress: Progress,
): Promise<{
  readonly status: 'rebuilt' | 'failed'
  readonly rebuilt: readonly PublishedRebuild[]
}> {
  const rebuilt: PublishedRebuild[] = []
  for (const [index, batch] of batches.entries()) {
    progress.tell('rebuild', { note: `${index + 1} of ${batches.length}: ${batch}` })
    const input: RebuildBatchInput = {
      ...{ pipeline, batch },
      ...(tables === undefined ? {} : { tables }),
      ...(forward === undefined ? {} : { forward }),
    }
    const done = await withReplans(() => rebuildOne(input))
    rebuilt.push(done)
    if (done.publish.status === 'failed') return { status: 'failed', rebuilt }
  }
  return { status: 'rebuilt', rebuilt }
}

/** Plan, stage, check, publish: as of a build. Publishing writes files that lose rows anew, so it is no short work. */
async function rebuildOne(input: RebuildBatchInput): Promise<PublishedRebuild> {
  const summary = `${input.pipeline} ${input.batch}`
  const plan = await control.planRebuild.executeWithOptions({ summary }, [input])
  await data.rebuildTables.executeWithOptions({ summary }, [{ plan }])
  const checks = await data.checkRebuild.executeWithOptions({ summary }, [{ plan }])
  const publish = await data.publishRebuild.executeWithOptions({ summary: plan.build.tag }, [
    { plan, checks, run: runInfo() },
  ])
  return { batch: input.batch, publish, checks }
}
