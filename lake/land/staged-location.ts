import { createHash } from 'node:crypto'
import { joinLocation } from '../../iceberg/io/location.js'
import type { LandingPlan } from '../../schemas/messages.js'
import { stagedFilesLocation } from './landing-plan-file.js'

/** Where a slice of a plan is staged: drawn from what it reads, so that each attempt finds the same. Undefined: nothing new. */
export function stagedLocation(warehouse: string, plan: LandingPlan, slice: number): string | undefined {
  if (plan.kind !== 'topic') {
    return plan.planLocation === undefined ? undefined : stagedFilesLocation(plan.planLocation)
  }
  const indexes = plan.slices[slice]
  if (indexes === undefined) return undefined
  const { pipeline, batch, source, incarnation } = plan
  const key = digest([incarnation, indexes.map((i) => plan.ranges[i])])
  return joinLocation(warehouse, '_staging', pipeline, batch, `landing-${source}-${key}.json`)
}

/** Names a plan in the snapshot that lands it. */
export function planName(plan: LandingPlan): string | undefined {
  if (plan.kind !== 'topic') return plan.planLocation
  if (plan.ranges.length === 0 && plan.gaps.length === 0) return undefined
  return `${plan.incarnation}-${digest([plan.ranges, plan.gaps])}`
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16)
}
