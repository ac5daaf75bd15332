import { log } from '@temporalio/activity'
import { lateSources } from '../lake/alerts/late-sources.js'
import { nothingNew } from '../lake/nights/nothing-new.js'
import { instantOf, parseBatchId } from '../schemas/batch.js'
import { findPipeline } from '../schemas/find-pipeline.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type { LookAtNightInput, NightLook } from '../schemas/night-look.js'
import type { MissedNight } from '../schemas/night-messages.js'
import type { Pipeline } from '../schemas/pipeline.js'
import { batchOfDate } from '../schemas/scheduled-instant.js'
import { findMissedNights, type NightsClient } from './find-missed-nights.js'

/** What a night would find out step by step, in one go; what can't be found out is left out. */
export async function lookAtNight(
  deps: LakeDeps,
  client: NightsClient,
  input: LookAtNightInput,
  signal: AbortSignal,
): Promise<NightLook> {
  const orWithout = async <T extends object>(part: string, look: () => Promise<T>): Promise<Partial<T>> => {
    try {
      return await look()
    } catch (error) {
      if (signal.aborted) throw error
      log.warn(`the look at ${part} failed; the night does it by itself`, { error })
      return {}
    }
  }
  const { batch } = await orWithout('the date', () => Promise.resolve({ batch: batchOf(deps, input) }))
  if (batch === undefined) return {}
  const pipeline = findPipeline(deps.pipelines, input.pipeline)
  const [missed, nothing] = await Promise.all([
    input.looksBack ? orWithout('the dates before', () => missedBefore(deps, client, pipeline, batch)) : {},
    orWithout('what is new', () => lookForNothing(deps, pipeline, { ...input, batch })),
  ])
  return { batch, ...missed, ...nothing }
}

function batchOf({ pipelines }: LakeDeps, { pipeline, day }: LookAtNightInput): string {
  const { schedule } = findPipeline(pipelines, pipeline)
  return 'batch' in day ? day.batch : batchOfDate(day.date, schedule)
}

async function missedBefore(
  deps: LakeDeps,
  client: NightsClient,
  pipeline: Pipeline,
  batch: string,
): Promise<{ readonly missed: readonly MissedNight[] }> {
  const beforeMs = instantOf(parseBatchId(batch)).getTime()
  const { missed } = await findMissedNights(deps, client, pipeline, { nowMs: deps.now(), beforeMs })
  return { missed }
}

async function lookForNothing(
  deps: LakeDeps,
  pipeline: Pipeline,
  { batch, from, onChange, looksBack }: LookAtNightInput & { readonly batch: string },
): Promise<Pick<NightLook, 'nothing'>> {
  const more = { ...(from === undefined ? {} : { from }), ...(onChange === undefined ? {} : { onChange }) }
  const land = await nothingNew(deps, { pipeline: pipeline.name, batch, ...more })
  if (land === undefined) return {}
  const late = looksBack ? await lateSources(deps, pipeline) : []
  return { nothing: { land, late } }
}
