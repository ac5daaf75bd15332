import type { LandingAnswer, PartitionRange, TopicLandingPlan } from '../schemas/messages.js'
import { endsOf } from './lag-after.js'

/**
 * Answers that hold on after a plan was landed: what it was asked about once is not accepted for ever. `all-bad` holds up to
 * `until`, since what waited when it was given is landed in many plans.
 */
export function answersAfter(
  plan: TopicLandingPlan,
  accept: readonly LandingAnswer[],
  until: readonly PartitionRange[],
): readonly LandingAnswer[] {
  const reached = hasReached(plan, until)
  return accept.filter((answer) => {
    if (answer === 'all-bad') return !reached
    if (answer === 'lost-offsets') return plan.gaps.every(({ reason }) => reason !== 'retention')
    return answer !== `incarnation:${plan.incarnation}`
  })
}

/** Whether landing has come to these ends once the plan is committed. */
export function hasReached(plan: TopicLandingPlan, until: readonly PartitionRange[]): boolean {
  const ends = endsOf(plan)
  return until.every(({ partition, end }) => (ends.get(partition) ?? end) >= end)
}
