import type { OnChange } from '../../schemas/definition-change.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { LandResult } from '../../schemas/messages.js'
import { planBuild } from '../features/plan-build.js'
import { commitLanding } from '../land/commit-landing.js'
import { planLanding } from '../land/plan-landing.js'
import { planName } from '../land/staged-location.js'

/**
 * What the ledger has where nothing is to be landed and nothing to be built; undefined where a night has work, or its batch
 * is known already. What it plans in vain the landing takes up again. Errors: as `planLanding` and `planBuild`.
 */
export async function nothingNew(
  deps: LakeDeps,
  night: {
    readonly pipeline: string
    readonly batch: string
    readonly from?: string
    readonly onChange?: OnChange
  },
): Promise<LandResult | undefined> {
  const { onChange, ...landing } = night
  const plan = await planLanding(deps, landing)
  if (planName(plan) !== undefined) return undefined
  const { pipeline, batch } = night
  const build = await planBuild(deps, { pipeline, batch, ...(onChange === undefined ? {} : { onChange }) })
  return build.kind === 'nothing-new' ? await commitLanding(deps, plan, []) : undefined
}
