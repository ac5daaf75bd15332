import { createHash } from 'node:crypto'
import { FirnError } from '../../schemas/error.js'
import { isBatchId, parseBatchId } from '../../schemas/batch.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type { ScoreBatchInput, ScoreBatchResult } from '../../schemas/model-messages.js'
import type { Publish, RunInfo } from '../../schemas/publish.js'
import { columnsOf, featureFingerprints } from '../datasets/build-dataset.js'
import { joinObservations } from '../datasets/join-observations.js'
import { writeDataset } from '../datasets/write-dataset.js'
import { findModel, type FoundModel } from '../models/find-model.js'
import { runChild } from '../process/run-child.js'
import type { ModelRegistry } from '../registry/model-registry.js'
import { resolveModel } from '../registry/resolve-model-uri.js'
import type { ModelVersion } from '../registry/version-store.js'
import { readStoredModel } from '../training/model-artifact.js'
import { pinTables, type PinnedTag } from '../training/pin-training.js'
import { resolveLabels, resolveService } from '../views/resolve-features.js'
import type { ResolvedFeatures, ResolvedLabels } from '../views/resolved-view.js'
import { findScoring, type ScoringInfo, type ScoringKey } from './find-scoring.js'
import { holdFeatures } from './hold-features.js'
import { writePredictions } from './write-predictions.js'
import type { ScoreJob, ScoreJobResult } from './score-child.js'

/**
 * Scores the newest entities with a version of a model at a tag and publishes the predictions: the day's partition of the
 * model is replaced, tagged and recorded in one transaction. The same batch again gives its recorded result, whatever was
 * trained or built meanwhile. Errors: FirnError `definition-changed` where the features are not those of the training.
 */
export async function scoreBatch(
  deps: LakeDeps,
  registry: ModelRegistry,
  publish: Publish,
  scoring: { readonly input: ScoreBatchInput & { readonly batch: string }; readonly run: RunInfo },
  control: RunControl = {},
): Promise<ScoreBatchResult> {
  const { input, run } = scoring
  const model = findModel(deps.pipelines, input)
  const key = scoringKey(model, input)
  const recorded = await findScoring(deps, key, { ifTagged: true })
  if (recorded !== undefined) return logRun(registry, { key, model, run, at: deps.now() }, recorded)
  const version = versionOf(registry, input)
  const features = resolveService(model.pipeline, version.pin.service)
  const labels = resolveLabels(model.pipeline, version.pin.labels)
  refuseOtherFeatures(version, features)
  const pin = await pinTables(deps, [...features.tables, ...labels.tables], {
    ...(input.at === undefined ? {} : { at: input.at }),
    reader: `model "${input.model}"`,
  })
  const scored = await score(deps, { version, features, labels, pin }, control)
  const result = { model: input.model, version: version.version, batch: key.batch, featuresTag: pin.tag }
  if (scored === undefined) return { ...result, status: 'no_changes', rows: 0, snapshotId: null }
  await holdFeatures(deps, { model: input.model, batch: key.batch, tag: pin.tag, snapshots: pin.snapshots })
  const table = await writePredictions(deps, { model, version, pin, key, labels, scored })
  const info: ScoringInfo = {
    ...{ version: version.version, featuresTag: pin.tag, snapshots: pin.snapshots, metrics: scored.metrics },
  }
  const published = await publish({
    namespace: key.namespace,
    processingName: key.processingName,
    batch: key.batch,
    tables: [table],
    tag: key.tag,
    tagTables: [],
    // A scoring has no range of input of its own: its batch alone is the marker.
    inputFrom: 0,
    inputTo: 0,
    duplicates: 0,
    fingerprint: version.trained.weightsDigest,
    sourceDataInfo: JSON.stringify(info),
    checks: [],
    run,
  })
  const own = published.tables.find(({ table: name }) => name === key.predictions)
  const fresh: ScoreBatchResult = {
    ...result,
    status: 'published',
    rows: own?.rows ?? table.rows,
    snapshotId: own?.snapshotId ?? null,
    metrics: scored.metrics,
  }
  const done = published.alreadyCommitted ? ((await findScoring(deps, key)) ?? fresh) : fresh
  return logRun(registry, { key, model, run, at: deps.now() }, done)
}

function scoringKey(model: FoundModel, input: ScoreBatchInput & { readonly batch: string }): ScoringKey {
  const { namespace } = model.pipeline
  const batch = parseBatchId(input.batch)
  return {
    namespace,
    predictions: `${namespace}.${model.definition.predictions}`,
    processingName: `${model.pipeline.name}.score.${input.model}`,
    model: input.model,
    batch,
    tag: `score_${input.model}_${batch}`,
  }
}

/** The version or alias asked for; else the champion, and where none is yet the newest READY one. */
function versionOf(registry: ModelRegistry, { model, version, alias }: ScoreBatchInput): ModelVersion {
  if (version !== undefined) return resolveModel(registry, { model, version })
  if (alias !== undefined) return resolveModel(registry, { model, alias })
  const hasChampion = registry.aliases(model).some((known) => known.alias === 'champion')
  return resolveModel(registry, hasChampion ? { model, alias: 'champion' } : { model, latest: true })
}

function refuseOtherFeatures(version: ModelVersion, features: ResolvedFeatures): void {
  const now = featureFingerprints(version.pin.service, features)
  const changed = Object.keys(now).filter((name) => version.dataset.fingerprints[name] !== now[name])
  if (changed.length === 0) return
  throw new FirnError(
    'definition-changed',
    `version ${version.version} of model "${version.model}" was trained on features that were defined differently: ${changed.join(', ')}. Train it again, or restore their definitions.`,
  )
}

interface Scoring {
  readonly version: ModelVersion
  readonly features: ResolvedFeatures
  readonly labels: ResolvedLabels
  readonly pin: PinnedTag
}

/** Undefined where there is nobody to score. */
async function score(
  deps: LakeDeps,
  { version, features, labels, pin }: Scoring,
  control: RunControl,
): Promise<ScoreJobResult | undefined> {
  const session = await deps.engine.openSession()
  try {
    const relation = await joinObservations(deps, {
      ...{ session, features, labels, snapshots: pin.snapshots, asOf: pin.asOf, which: 'all' },
    })
    const { rows: newest } = await session.query(`SELECT max(batch) AS batch FROM ${relation}`)
    const written = await writeDataset(deps, {
      session,
      sql: `SELECT * FROM ${relation}${newestDay(newest[0]?.['batch'])}`,
      columns: columnsOf(features, labels),
      task: version.pin.settings.task,
    })
    if (written.rows === 0) return undefined
    const { stored } = await readStoredModel(deps, version.trained.artifactLocation)
    const path = (await session.openFiles([written.location])).get(written.location) ?? ''
    const job: ScoreJob = {
      ...{ path, orderedDigest: written.orderedDigest, task: version.pin.settings.task, stored },
    }
    return await runChild<ScoreJobResult>('ml/scoring/score-child', job, {
      env: version.trained.environment.threads,
      ...control,
    })
  } finally {
    await session.close()
  }
}

/**
 * Where the label view says which batch an entity came with: those of all batches of the newest one's date, since the
 * day's partition is replaced as a whole. Else all.
 */
function newestDay(newest: unknown): string {
  if (typeof newest !== 'string') return ''
  const date = isBatchId(newest) ? newest.slice(0, 8) : newest
  return ` WHERE batch IS NULL OR starts_with(batch, '${date.replaceAll("'", "''")}')`
}

/**
 * A scoring is a run as well, under an id drawn from what it published: of attempts that crash or meet, there is one run,
 * and it says what was published.
 */
function logRun(
  registry: ModelRegistry,
  of: { readonly key: ScoringKey; readonly model: FoundModel; readonly run: RunInfo; readonly at: number },
  result: ScoreBatchResult,
): ScoreBatchResult {
  const { key, model, run, at: timestampMs } = of
  const { version, featuresTag, snapshotId, metrics = {} } = result
  const runId = createHash('sha256')
    .update(JSON.stringify([key.tag, snapshotId]))
    .digest('hex')
    .slice(0, 32)
  registry.startRun({
    ...{ runId, experiment: model.pipeline.name, model: model.name },
    name: `score ${model.name} ${key.batch}`,
    params: { model_version: String(version), at: featuresTag, batch: key.batch },
    tags: { 'firn.kind': 'score', 'firn.workflow_id': run.workflowId, 'firn.workflow_run_id': run.runId },
    startedAtMs: run.startedAtMs,
  })
  registry.logMetrics(
    runId,
    Object.entries(metrics).map(([name, value]) => ({ key: name, value, step: 0, timestampMs })),
  )
  registry.finishRun(runId, 'FINISHED', timestampMs)
  return result
}
