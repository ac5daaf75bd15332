import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type { FetchedLanding, LandingPlan } from '../../schemas/messages.js'
import { fetchFiles } from './fetch-files.js'
import { fetchTopic } from './fetch-topic.js'
import type { StagedLanding } from './staged-landing.js'
import { readStagedLanding, stageLanding } from './staged-landing.js'
import { stagedLocation } from './staged-location.js'

/**
 * Reads exactly what a slice of a plan names (files: slice 0) and writes raw objects and dead letters, all still
 * invisible. Done again it gives the same objects; a slice that is staged already is returned as it is.
 */
export async function fetchLanding(
  deps: LakeDeps,
  plan: LandingPlan,
  slice = 0,
  work: RunControl = {},
): Promise<FetchedLanding> {
  const location = stagedLocation(deps.warehouse, plan, slice)
  if (location === undefined) return { stagedLocation: '', objects: 0, records: 0, deadLetters: 0, bytes: 0 }
  const staged =
    (await readStagedLanding(deps.catalog.io, location, deps.now())) ??
    (await fetchOnce(deps, plan, { slice, location }, work))
  const { objects, records, deadLetters, bytes } = staged
  return { stagedLocation: location, objects, records, deadLetters, bytes }
}

async function fetchOnce(
  deps: LakeDeps,
  plan: LandingPlan,
  { slice, location }: { readonly slice: number; readonly location: string },
  work: RunControl,
): Promise<StagedLanding> {
  const landing =
    plan.kind === 'topic' ? await fetchTopic(deps, plan, slice, work) : await fetchFiles(deps, plan, work)
  const { pipeline, batch } = plan
  const nowMs = deps.now()
  const lease = { pipeline, batch, expiresAtMs: nowMs + deps.settings.stagingLeaseMs }
  return await stageLanding(deps.catalog.io, location, landing, lease, nowMs)
}
