import { patched } from '@temporalio/workflow'
import type {
  BuildFeaturesInput,
  BuildFeaturesResult,
  LandResult,
  LandSourceInput,
  MaintenanceReport,
  NightlyInput,
  NightlyResult,
} from '../schemas/messages.js'
import type { NightLook } from '../schemas/night-look.js'
import type { ScoreBatchInput, ScoreBatchResult } from '../schemas/model-messages.js'
import { readNightlyInput } from '../schemas/validate-input.js'
import { workflowIds } from '../schemas/workflow-names.js'
import { control } from './activity-groups.js'
import { landedNothing } from './add-landed.js'
import { buildFeatures } from './build-features.js'
import { executeInTurn } from './execute-in-turn.js'
import { landSource } from './land-source.js'
import { logicalBatch } from './logical-batch.js'
import { maintainLake } from './maintain-lake.js'
import { lookBack, tellFailure, tellLateSources, tellMissed, tellOutcome } from './night-alerts.js'
import { lookAhead } from './look-ahead.js'
import { startProgress, type Progress } from './progress.js'
import { readInput } from './read-input.js'
import { scoreBatch } from './score-batch.js'

const STEPS = ['land', 'build', 'score', 'train', 'maintain'] as const

/**
 * The whole night of a pipeline. First it looks whether there is anything to do at all: where nothing is to be landed and
 * nothing to be built it starts no child for that and stands in no line. Else each step is a child workflow of which one
 * runs at a time:
 * 1. land: `landSource`;
 * 2. build: `buildFeatures`;
 * 3. score: `scoreBatch` with every model that has a READY version; only where a batch was published;
 * 4. train: asks the trainers of the models whose `trainAfterBatches` is reached, and does not wait for them; only where a
 *    batch was published;
 * 5. maintain: `maintainLake`; only where a batch was published, unless the input says so.
 * A failed check ends the night with status `failed`, without scores and trainings.
 *
 * A night that names neither date nor batch also looks back for dates of its schedule that had no night, and for sources
 * that are late. Those, a failed batch, a failed maintenance and a night that ends with an error raise alerts.
 *
 * Query `status`. Two nights at once stand in line at each step and find each other's work. A cancel cancels the running
 * child; what earlier steps published stays.
 */
export async function nightly(input: NightlyInput): Promise<NightlyResult> {
  const given = readInput(readNightlyInput, input)
  const progress = startProgress({ pipeline: given.pipeline }, STEPS)
  const isUndated = given.batch === undefined && given.date === undefined
  const looks = patched('look-ahead')
  const look = looks ? await lookAhead(given, isUndated) : {}
  const batch = look.batch ?? (await batchOf(given))
  progress.setBatch(batch)
  const night = { ...given, batch, look }
  const about = { pipeline: given.pipeline, batch }
  try {
    const isOfToday = isUndated && (looks || patched('look-back'))
    const missed = isOfToday ? (look.missed ?? (await lookBack(about))) : []
    await tellMissed(given.pipeline, missed)
    const done = await runNight(night, progress, isOfToday)
    return missed.length === 0 ? done : { ...done, missed }
  } catch (error) {
    await tellFailure(about, error)
    throw error
  }
}

async function runNight(night: Night, progress: Progress, isOfToday: boolean): Promise<NightlyResult> {
  const { pipeline, batch, maintain, look } = night
  const land = await landStep(night, progress)
  if (isOfToday) await tellLateSources({ pipeline, batch }, look.nothing?.late)
  const build = await buildStep(night, progress)
  const published = build.status === 'published'
  const why = build.status === 'failed' ? 'a blocking check failed' : 'nothing new'
  const scores = published ? await scoreStep(night, build, progress) : []
  const trainings = published ? await trainStep(night, progress) : []
  if (!published) for (const step of ['score', 'train']) progress.skip(step, why)
  const maintenance = (maintain ?? published) ? await maintainStep(night, progress) : undefined
  if (maintenance === undefined) progress.skip('maintain', maintain === false ? 'not asked for' : why)
  await tellOutcome({ pipeline, batch }, build, maintenance)
  const broken = maintenance?.tables.some((table) => table.error !== undefined) ?? false
  progress.finish(
    broken ? 'failed' : published ? 'done' : build.status === 'failed' ? 'failed' : 'no_changes',
  )
  const done = { batch: build.batch, land, build, scores, trainings }
  return maintenance === undefined ? done : { ...done, maintenance }
}

type Night = NightlyInput & { readonly batch: string; readonly look: NightLook }

async function batchOf({ pipeline, batch, date }: NightlyInput): Promise<string> {
  if (batch !== undefined) return batch
  return date === undefined ? logicalBatch() : control.resolveBatch({ pipeline, date })
}

async function landStep({ pipeline, from, batch, look }: Night, progress: Progress): Promise<LandResult> {
  if (look.nothing !== undefined) {
    progress.done('land', 'nothing new')
    return look.nothing.land
  }
  const child: LandSourceInput = { pipeline, batch, ...(from === undefined ? {} : { from }) }
  return await progress.step(
    'land',
    () => runChild(progress, 'land', landSource, workflowIds.land(pipeline), child),
    (landed) =>
      landedNothing(landed) ? 'nothing new' : `${landed.records} records, ${landed.deadLetters} dead letters`,
  )
}

async function buildStep(night: Night, progress: Progress): Promise<BuildFeaturesResult> {
  const { pipeline, batch, onChange, look } = night
  if (look.nothing !== undefined) {
    progress.done('build', 'no_changes')
    return { status: 'no_changes', batch }
  }
  const child: BuildFeaturesInput = { pipeline, batch, ...(onChange === undefined ? {} : { onChange }) }
  return await progress.step(
    'build',
    () => runChild(progress, 'build', buildFeatures, workflowIds.build(pipeline), child),
    (built) => built.publish?.tag ?? built.status,
  )
}

function scoreStep(
  { pipeline, models }: Night,
  build: BuildFeaturesResult,
  progress: Progress,
): Promise<readonly ScoreBatchResult[]> {
  const at = build.publish === undefined ? {} : { at: build.publish.tag }
  return progress.step(
    'score',
    async () => {
      const scores: ScoreBatchResult[] = []
      for (const model of models ?? (await control.listReadyModels({ pipeline }))) {
        const child: ScoreBatchInput = { pipeline, model, batch: build.batch, ...at }
        scores.push(await runChild(progress, 'score', scoreBatch, workflowIds.score(pipeline, model), child))
      }
      return scores
    },
    (scores) =>
      scores.length === 0
        ? 'no model is READY yet'
        : scores.map((score) => `${score.model} v${score.version}: ${score.rows} rows`).join(', '),
  )
}

function trainStep({ pipeline }: Night, progress: Progress): Promise<readonly string[]> {
  return progress.step(
    'train',
    async () => {
      const due = await control.listDueTrainings({ pipeline })
      for (const model of due) await control.requestTraining({ pipeline, model })
      return due
    },
    (due) => (due.length === 0 ? 'none is due' : `asked for: ${due.join(', ')}`),
  )
}

function maintainStep({ pipeline }: Night, progress: Progress): Promise<MaintenanceReport> {
  return progress.step(
    'maintain',
    () => runChild(progress, 'maintain', maintainLake, workflowIds.maintain(), { pipeline, due: true }),
    (report) => `${report.tables.length} tables`,
  )
}

function runChild<Input, Result>(
  progress: Progress,
  step: string,
  child: (input: Input) => Promise<Result>,
  workflowId: string,
  input: Input & { readonly pipeline?: string },
): Promise<Result> {
  progress.tell(step, { workflowId })
  return executeInTurn(child, {
    workflowId,
    input,
    summary: `${step} ${input.pipeline ?? ''}`.trim(),
    onWait: () => progress.tell(step, { note: 'waiting for the one that runs' }),
  })
}
