import { CancellationScope, type ActivityOptions } from '@temporalio/workflow'
import type {
  FetchedLanding,
  LandingPlan,
  LandResult,
  LandSourceInput,
  PartitionRange,
} from '../schemas/messages.js'
import type { control, data } from './activity-groups.js'
import { isTopicPlan } from './lag-after.js'
import type { Progress } from './progress.js'

export type PlanInput = Omit<LandSourceInput, 'state'> & {
  readonly batch: string
  /** No offsets from these ends on. */
  readonly until?: readonly PartitionRange[]
}

/** Who does it, how its steps are shown, and how each activity differs from what its group says. */
export interface LandRound {
  readonly data: Pick<typeof data, 'planLanding' | 'fetchLanding'>
  readonly control: Pick<typeof control, 'commitLanding'>
  readonly steps: Pick<Progress, 'step'>
  readonly options?: ActivityOptions
}

export function planRound({ data, steps, options }: LandRound, input: PlanInput): Promise<LandingPlan> {
  const summary = `plan landing of ${input.pipeline}`
  return steps.step(
    'plan',
    () => data.planLanding.executeWithOptions({ ...options, summary }, [input]),
    describePlan,
  )
}

/** Fetches a plan's slices side by side, on any workers, and commits them whole. */
export async function fetchAndCommit(round: LandRound, plan: LandingPlan): Promise<LandResult> {
  const fetched = await round.steps.step(
    'fetch',
    () => fetchSlices(round, plan),
    (slices) => `${sum(slices, 'records')} records, ${sum(slices, 'deadLetters')} dead letters`,
  )
  return round.steps.step(
    'commit',
    () => commit(round, plan, fetched),
    (landed) => `ledger rows up to ${landed.rowNumberEnd}`,
  )
}

/** What the ledger has where a plan found nothing new, as a result. */
export function commitNothing(round: LandRound, plan: LandingPlan): Promise<LandResult> {
  return commit(round, plan, [])
}

export function hasNothingNew(plan: LandingPlan): boolean {
  return isTopicPlan(plan)
    ? plan.ranges.length === 0 && plan.gaps.length === 0
    : plan.planLocation === undefined
}

/** Where the first slice fails the others are stopped: a new plan fetches them again, or finds their objects. */
async function fetchSlices(round: LandRound, plan: LandingPlan): Promise<readonly FetchedLanding[]> {
  const slices = isTopicPlan(plan) ? plan.slices.map((_, slice) => slice) : [0]
  const scope = new CancellationScope()
  const fetches = slices.map((slice) =>
    scope.run(() =>
      round.data.fetchLanding.executeWithOptions({ ...round.options, summary: describeSlice(plan, slice) }, [
        { plan: onlySlice(plan, slice), slice },
      ]),
    ),
  )
  try {
    return await Promise.all(fetches)
  } catch (error) {
    scope.cancel()
    await Promise.allSettled(fetches)
    throw error
  }
}

/** Without what the other slices read: of a topic with a thousand partitions all of it would be told eight times over. */
function onlySlice(plan: LandingPlan, slice: number): LandingPlan {
  if (!isTopicPlan(plan)) return plan
  const ranges = (plan.slices[slice] ?? []).flatMap((index) => plan.ranges[index] ?? [])
  const slices = plan.slices.map((_, i) => (i === slice ? ranges.map((_range, at) => at) : []))
  return { ...plan, ranges, slices, gaps: [], seen: [] }
}

function commit(
  { control, options }: LandRound,
  plan: LandingPlan,
  fetched: readonly FetchedLanding[],
): Promise<LandResult> {
  const summary = `ledger of ${plan.source}`
  return control.commitLanding.executeWithOptions({ ...options, summary }, [{ plan, fetched }])
}

function describePlan(plan: LandingPlan): string {
  if (!isTopicPlan(plan)) return `${plan.files} new files, ${plan.bytes} bytes`
  const offsets = plan.ranges.reduce((total, { first, end }) => total + end - first, 0)
  return `${offsets} of ${plan.pending} offsets in ${plan.slices.length} slices`
}

function describeSlice(plan: LandingPlan, slice: number): string {
  if (!isTopicPlan(plan)) return `${plan.source}: offsets ${plan.first} to ${plan.end}`
  const ranges = (plan.slices[slice] ?? []).flatMap((index) => plan.ranges[index] ?? [])
  const text = ranges.map(({ partition, first, end }) => `${partition}: ${first} to ${end}`).join(', ')
  return `${plan.source} ${text}`.slice(0, 190)
}

function sum(slices: readonly FetchedLanding[], key: 'records' | 'deadLetters'): number {
  return slices.reduce((total, slice) => total + slice[key], 0)
}
