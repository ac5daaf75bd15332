import type { Row } from '../../engine/engine.js'
import { tableTarget } from '../../engine/table-target.js'
import { formatIdentifier, parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { batchTimes, isBatchId, parseBatchId } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { ScoreBatchInput, ScoreBatchResult, TrainingPin } from '../../schemas/messages.js'
import type { Publish, PublishTable, RunInfo } from '../../schemas/publish.js'
import { modelOf, type ResolvedModel } from '../datasets/model-of.js'
import { readFeatures, type EntityFeatures } from '../datasets/read-features.js'
import { runChild } from '../process/run-child.js'
import type { ModelVersion, Registry } from '../registry/registry.js'
import { readArtifact } from '../training/model-artifact.js'
import { resolvePin } from '../training/resolve-pin.js'
import { THREAD_SETTINGS } from '../training/tensorflow.js'
import { findScoring, type ScoringInfo, type ScoringKey } from './find-scoring.js'
import type { ScoreJob } from './score-child.js'

/**
 * Scores the newest entities with a READY version at a tag and publishes the predictions: the day's partition of the model
 * is replaced, tagged and recorded in one transaction. The same batch again gives its recorded result, whatever was
 * trained or built meanwhile.
 */
export async function scoreBatch(
  deps: LakeDeps,
  registry: Registry,
  publish: Publish,
  input: ScoreBatchInput & { readonly batch: string },
  run: RunInfo,
): Promise<ScoreBatchResult> {
  const model = modelOf(deps, input)
  const batch = parseBatchId(input.batch)
  const key: ScoringKey = {
    namespace: model.pipeline.namespace,
    predictions: `${model.pipeline.namespace}.${model.definition.predictions}`,
    processingName: `${input.pipeline}.score.${input.model}`,
    model: input.model,
    batch,
    tag: `score_${input.model}_${batch}`,
  }
  const recorded = await findScoring(deps, key, { ifTagged: true })
  if (recorded !== undefined) return recorded
  const version = readyVersion(registry, input)
  const pin = await resolvePin(deps, input)
  const entities = newestEntities(await readFeatures(deps, model, pin.snapshots))
  const result = { model: input.model, version: version.version, batch, featuresTag: pin.tag }
  if (entities.length === 0) return { ...result, status: 'no_changes', rows: 0, snapshotId: null }
  const scores = await score(deps, model, version, entities)
  const rows = scores.map((prediction, at) =>
    predictionRow(model, { version, pin, key, entity: entities[at]?.entity ?? '', prediction }),
  )
  const table = await writePredictions(deps, key, rows, predictionsKey(model))
  const info: ScoringInfo = { version: version.version, featuresTag: pin.tag, snapshots: pin.snapshots }
  const published = await publish({
    namespace: key.namespace,
    processingName: key.processingName,
    batch,
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
    rows: own?.rows ?? rows.length,
    snapshotId: own?.snapshotId ?? null,
  }
  return published.alreadyCommitted ? ((await findScoring(deps, key)) ?? fresh) : fresh
}

function readyVersion(registry: Registry, { pipeline, model, version }: ScoreBatchInput): ModelVersion {
  const found =
    version === undefined
      ? registry.newestReady(pipeline, model)
      : registry.getVersion({ pipeline, model, version })
  if (found !== undefined) return found
  const ready = registry.list({ pipeline, model }).filter(({ state }) => state === 'READY')
  const known = ready.map((candidate) => candidate.version).join(', ') || 'none'
  throw new FirnError(
    'not-found',
    `model "${model}" has no ${version === undefined ? 'version that is READY' : `READY version ${version}`}; READY are: ${known}. Train it, or name one of these.`,
  )
}

/**
 * Where the SQL says which batch an entity came with: those of all batches of the newest one's date, since the day's
 * partition is replaced as a whole. Else all.
 */
function newestEntities(entities: readonly EntityFeatures[]): readonly EntityFeatures[] {
  const newest = entities.reduce((max, { batch }) => (batch !== null && batch > max ? batch : max), '')
  const date = isBatchId(newest) ? newest.slice(0, 8) : newest
  return entities.filter(({ batch }) => batch === null || batch.startsWith(date))
}

async function score(
  deps: LakeDeps,
  model: ResolvedModel,
  version: ModelVersion,
  entities: readonly EntityFeatures[],
): Promise<readonly number[]> {
  const artifact = await readArtifact(deps, version.trained.artifactLocation)
  if (artifact.featuresDigest !== model.featuresDigest) {
    throw new FirnError(
      'definition-changed',
      `version ${version.version} of model "${model.name}" was trained on features that were defined differently. Train it again, or restore ${model.definition.features}.`,
    )
  }
  const rows = entities.map(({ entity, group, numeric, categorical }) => ({
    ...{ entity, group, numeric, categorical },
  }))
  const job: ScoreJob = { network: artifact.network, rows }
  return runChild<readonly number[]>('ml/scoring/score-child', job, {
    env: { ...THREAD_SETTINGS, ...artifact.environment.threads },
  })
}

function predictionsKey({ pipeline, definition }: ResolvedModel): readonly string[] {
  return pipeline.tables[definition.predictions]?.key ?? []
}

function predictionRow(
  model: ResolvedModel,
  scored: {
    readonly version: ModelVersion
    readonly pin: TrainingPin
    readonly key: ScoringKey
    readonly entity: string
    readonly prediction: number
  },
): Row {
  const { version, pin, key, entity, prediction } = scored
  const { name, definition, tables } = model
  const { timestamp, date } = batchTimes(key.batch)
  const entityColumn = predictionsKey(model).find((column) => column !== 'score_date' && column !== 'model')
  const features = tables[0] === undefined ? undefined : pin.snapshots[formatIdentifier(tables[0])]
  if (entityColumn === undefined || features === undefined) {
    throw new FirnError(
      'config',
      `model "${name}": the table ${definition.predictions} must have the entity's column in its key, and the model must read a table. Correct the pipeline.`,
    )
  }
  return {
    model: name,
    model_version: version.version,
    [entityColumn]: entity,
    first_k: definition.firstK,
    prediction,
    features_snapshot_id: BigInt(features),
    scoring_run_id: key.tag,
    scored_at: timestamp,
    score_date: date,
  }
}

/** The rows as data files of the predictions table; nothing of them is visible before the publish. */
async function writePredictions(
  deps: LakeDeps,
  key: ScoringKey,
  rows: readonly Row[],
  orderBy: readonly string[],
): Promise<PublishTable> {
  const { metadata } = await deps.catalog.loadTable(parseIdentifier(key.predictions))
  const target = tableTarget(metadata)
  const session = await deps.engine.openSession({ threads: 1 })
  try {
    await session.addRelation({ kind: 'rows', name: 'scored', schema: target.schema, rows })
    const written = await session.write('SELECT * FROM scored', {
      ...target,
      orderBy,
    })
    return {
      table: key.predictions,
      write: 'overwrite-partitions',
      ...written,
      basisSnapshotId: headOf(metadata)?.['snapshot-id'].toString() ?? null,
    }
  } finally {
    await session.close()
  }
}
