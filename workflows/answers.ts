import type { LandingAnswer, PartitionRange, TopicLandingPlan } from '../schemas/messages.js'
import { endsOf } from './lag-after.js'

/**
 * Answers that hold on after a plan was landed, or found nothing new: what nobody asked about is not accepted later either.
 * Those that the plan was not told of are still due. `all-bad` holds up to `until`, since what waited when it was given is
 * landed in many plans.
 */
export function answersAfter(
  plan: TopicLandingPlan,
  accept: readonly LandingAnswer[],
  until: readonly PartitionRange[],
): readonly LandingAnswer[] {
  const isOver = hasReached(plan, until)
  return accept.filter(
    (answer) => plan.accept?.includes(answer) !== true || (answer === 'all-bad' && !isOver),
  )
}

/** Whether landing has come to these ends once the plan is committed. */
export function hasReached(plan: TopicLandingPlan, until: readonly PartitionRange[]): boolean {
  const ends = endsOf(plan)
  return until.every(({ partition, end }) => (ends.get(partition) ?? end) >= end)
}
