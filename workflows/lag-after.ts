import type { LandingPlan, TopicLandingPlan } from '../schemas/messages.js'

/** Records that still wait once this plan is committed, by partition. */
export function lagAfter(plan: TopicLandingPlan): ReadonlyMap<number, number> {
  const ends = endsOf(plan)
  return new Map(
    plan.seen.map(({ partition, first, end }) => [
      partition,
      Math.max(0, end - (ends.get(partition) ?? first)),
    ]),
  )
}

/** Offset by partition that landing goes on at once this plan is committed. */
export function endsOf(plan: TopicLandingPlan): ReadonlyMap<number, number> {
  const ends = new Map(plan.seen.map(({ partition, first }) => [partition, first]))
  for (const { partition, end } of [...plan.gaps, ...plan.ranges]) {
    ends.set(partition, Math.max(end, ends.get(partition) ?? 0))
  }
  return ends
}

export function isTopicPlan(plan: LandingPlan): plan is TopicLandingPlan {
  return plan.kind === 'topic'
}
