import { addSlices, SLICE_ROWS } from '../../engine/add-slices.js'
import type { Row, RowValue } from '../../engine/engine.js'
import { tableTarget } from '../../engine/table-target.js'
import { formatIdentifier, parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { headOf } from '../../iceberg/spec/refs.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { batchTimes } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { PublishTable } from '../../schemas/publish.js'
import type { FoundModel } from '../models/find-model.js'
import type { ModelVersion } from '../registry/version-store.js'
import type { PinnedTag } from '../training/pin-training.js'
import type { ResolvedLabels } from '../views/resolved-view.js'
import type { ScoringKey } from './find-scoring.js'
import type { ScoreJobResult } from './score-child.js'

export interface Predictions {
  readonly model: FoundModel
  readonly version: ModelVersion
  readonly pin: PinnedTag
  readonly key: ScoringKey
  readonly labels: ResolvedLabels
  readonly scored: ScoreJobResult
}

/**
 * Predictions as data files of the model's table; nothing of them is visible before the publish. Columns: the join keys,
 * `prediction`, the model's constants and where each came from, as far as the table has them; of many classes
 * `prediction` is the likeliest one's probability and `predicted_class` its name.
 */
export async function writePredictions(deps: LakeDeps, of: Predictions): Promise<PublishTable> {
  const { model, key } = of
  const { metadata } = await deps.catalog.loadTable(parseIdentifier(key.predictions))
  const target = tableTarget(metadata)
  const rowOf = predictionRow(of, target.schema)
  const session = await deps.engine.openSession({ threads: 1 })
  try {
    await addSlices(session, { name: 'scored', schema: target.schema }, slices(of.scored, rowOf))
    const orderBy = model.pipeline.tables[model.definition.predictions]?.key ?? []
    const written = await session.write('SELECT * FROM scored', { ...target, orderBy })
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

/** Makes the row of the one scored at an index. */
function predictionRow(of: Predictions, schema: Schema): (at: number) => Row {
  const { model, version, pin, key, labels, scored } = of
  const { timestamp, date } = batchTimes(key.batch)
  const [features] = labels.tables
  const same: Row = {
    ...model.definition.constants,
    model: model.name,
    model_version: version.version,
    features_snapshot_id: BigInt((features && pin.snapshots[formatIdentifier(features)]) ?? 0),
    scoring_run_id: key.tag,
    scored_at: timestamp,
    score_date: date,
  }
  const names = schema.fields.map((field) => field.name)
  const missing = labels.joinKeys.filter((joinKey) => !names.includes(joinKey))
  if (missing.length > 0) {
    throw new FirnError(
      'config',
      `model "${model.name}": the table ${model.definition.predictions} has no column ${missing.join(', ')}, which says whom a prediction is about. Add it, required and in its key.`,
    )
  }
  return (at) => {
    const entity = scored.entities[at] ?? ''
    const row: Row = { ...same, ...joinKeysOf(entity, labels, schema), ...predictionOf(scored, at) }
    return Object.fromEntries(names.map((name) => [name, row[name] ?? null]))
  }
}

function* slices({ entities }: ScoreJobResult, rowOf: (at: number) => Row): Generator<readonly Row[]> {
  for (let start = 0; start < entities.length; start += SLICE_ROWS) {
    const length = Math.min(SLICE_ROWS, entities.length - start)
    yield Array.from({ length }, (_, at) => rowOf(start + at))
  }
}

function predictionOf({ predictions, classes, entities }: ScoreJobResult, at: number): Row {
  const width = predictions.length / entities.length
  if (width === 1) return { prediction: predictions[at] ?? null }
  const own = [...predictions.subarray(at * width, (at + 1) * width)]
  const likeliest = own.reduce((best, value, index) => (value > (own[best] ?? -1) ? index : best), 0)
  return { prediction: own[likeliest] ?? null, predicted_class: classes[likeliest] ?? null }
}

/** The keys' values again, from the one text that says them all. */
function joinKeysOf(entity: string, labels: ResolvedLabels, schema: Schema): Row {
  const texts = JSON.parse(entity) as readonly (string | null)[]
  return Object.fromEntries(
    labels.joinKeys.map((joinKey, at): [string, RowValue] => {
      const type = schema.fields.find((field) => field.name === joinKey)?.type
      const text = texts[at] ?? null
      if (text === null) return [joinKey, null]
      if (type === 'long') return [joinKey, BigInt(text)]
      if (type === 'int') return [joinKey, Number(text)]
      return [joinKey, text]
    }),
  )
}
