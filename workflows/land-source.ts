import { continueAsNew, workflowInfo } from '@temporalio/workflow'
import type { LandingPlan, LandResult, LandSourceInput, LandSourceState } from '../schemas/messages.js'
import { readLandSourceInput } from '../schemas/validate-input.js'
import { control, data } from './activity-groups.js'
import { addLanded, landedNothing } from './add-landed.js'
import { answersAfter, hasReached } from './answers.js'
import { isTopicPlan } from './lag-after.js'
import {
  commitNothing,
  fetchAndCommit,
  hasNothingNew,
  planRound,
  type LandRound,
  type PlanInput,
} from './land-round.js'
import { logicalBatch } from './logical-batch.js'
import { startProgress, type Progress } from './progress.js'
import { readInput } from './read-input.js'
import { withReplans } from './replan.js'
import { without } from './without.js'

/**
 * Lands what is new in a source, once:
 * 1. plan: fix the range of files, or of offsets by partition;
 * 2. fetch: write the raw objects and stage the ledger rows, slices of a topic side by side on any workers;
 * 3. commit: make them visible, valid only onto the ledger that was planned on; else back to 1.
 * A topic goes round until all is landed that the first plan saw; the results are added up. What only a person can decide
 * (`source-changed`, `offsets-lost`, `contract-broken`) ends it, with the answer for `accept` in its message.
 *
 * Query `status`. A cancel leaves raw objects that no ledger row names; the next landing reuses them.
 */
export async function landSource(input: LandSourceInput): Promise<LandResult> {
  const { state, ...given } = readInput(readLandSourceInput, input)
  const batch = given.batch ?? logicalBatch()
  const progress = startProgress({ pipeline: given.pipeline, batch }, ['plan', 'fetch', 'commit'])
  const landed = await landAll({ ...given, batch }, state, progress)
  progress.finish(landedNothing(landed) ? 'no_changes' : 'done')
  return landed
}

async function landAll(
  given: PlanInput,
  state: LandSourceState | undefined,
  progress: Progress,
): Promise<LandResult> {
  const round: LandRound = { data, control, steps: progress }
  let input = state === undefined ? given : { ...given, until: state.until }
  let landed = state?.landed
  let stood = ''
  for (;;) {
    const plan = await withReplans(async (begin) => {
      const planned = await planRound(round, input)
      if (isTopicPlan(planned)) {
        input = { ...input, until: input.until ?? planned.seen }
        if (standOf(planned) !== stood) begin()
        stood = standOf(planned)
      }
      if (!hasNothingNew(planned)) landed = addLanded(landed, await fetchAndCommit(round, planned))
      return planned
    })
    if (landed === undefined) return nothingNew(round, plan, progress)
    const until = input.until ?? []
    if (!isTopicPlan(plan) || hasNothingNew(plan) || hasReached(plan, until)) return landed
    input = { ...input, accept: answersAfter(plan, input.accept ?? [], until) }
    if (workflowInfo().continueAsNewSuggested) {
      await continueAsNew<typeof landSource>({ ...without(input, 'until'), state: { until, landed } })
    }
  }
}

/** Where the ledger stood: another landing that moves it is progress, not a reason to give up. */
function standOf(plan: LandingPlan): string {
  return isTopicPlan(plan) ? JSON.stringify([plan.incarnation, plan.seen.map(({ first }) => first)]) : ''
}

function nothingNew(round: LandRound, plan: LandingPlan, progress: Progress): Promise<LandResult> {
  progress.skip('fetch', 'nothing new')
  progress.skip('commit', 'nothing new')
  return commitNothing(round, plan)
}
