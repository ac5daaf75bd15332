import type { Row } from '../../../engine/engine.js'
import { parseIdentifier } from '../../../iceberg/catalog/catalog.js'
import { joinLocation } from '../../../iceberg/io/location.js'
import { headOf } from '../../../iceberg/spec/refs.js'
import { currentSchema } from '../../../iceberg/spec/schema.js'
import { defaultSpec } from '../../../iceberg/spec/specs.js'
import { commitTransaction } from '../../../iceberg/write/transaction.js'
import { publish } from '../../../lake/publish/publish.js'
import { ensureSplitTables, ensureTables } from '../../../lake/tables/ensure-tables.js'
import { buildDataset } from '../../../ml/datasets/build-dataset.js'
import { extendSplit } from '../../../ml/splits/extend-split.js'
import { pinTraining } from '../../../ml/training/pin-training.js'
import { instantOf, parseBatchId } from '../../../schemas/batch.js'
import type { LabelViewDefinition } from '../../../schemas/feature-definitions.js'
import type { LakeDeps } from '../../../schemas/lake-deps.js'
import type { ModelDefinition } from '../../../schemas/model-definitions.js'
import type { TrainingPin, TrainingRequest, TrainModelInput } from '../../../schemas/model-messages.js'
import type { Pipeline } from '../../../schemas/pipeline.js'
import { testLake, type TestLake } from '../../lake/support/lake.js'

/** Runs with one informative number, one informative category and noise; three groups; a cost that follows them. */
export function toyRows(count: number, batch: string): Row[] {
  const ran_at = BigInt(instantOf(parseBatchId(batch)).getTime()) * 1000n
  return Array.from({ length: count }, (_, i) => {
    const signal = Math.sin(i * 1.7)
    const method = signal + Math.cos(i * 3.1) > 0 ? 'fast' : 'slow'
    return {
      ...{ run_id: `${batch}-${String(i).padStart(4, '0')}`, kind: `g${i % 3}`, batch, ran_at },
      ...{ signal, noise: i % 7 === 0 ? null : Math.cos(i * 5.3), method: i % 11 === 0 ? null : method },
      ok: i % 13 === 0 ? null : signal + 0.7 * Math.cos(i * 5.3) + 0.2 * Math.sin(i * 9.7) > 0,
      cost: i % 13 === 0 ? null : 3 + 2 * signal + 0.1 * Math.sin(i * 9.7),
    }
  })
}

export const VIEW_SQL = 'SELECT run_id, ran_at, signal, noise, method FROM runs'

const MODEL: ModelDefinition = {
  ...{ task: 'binary-classification', service: 'basic', labels: 'ok' },
  validation: { kind: 'leave-one-group-out' },
  estimators: {
    logistic: { kind: 'logistic' },
    dense: { kind: 'dense', hidden: [4], epochs: 8, batchSize: 32, learningRate: 0.1, l2: 0.001 },
    trees: { kind: 'gbdt', trees: 60, maxDepth: 3, learningRate: 0.2 },
  },
  ...{ predictions: 'predictions', constants: { first_k: 10 } },
}

export const TOY: Pipeline = {
  name: 'toy',
  namespace: 'toy_features',
  directory: '/nowhere',
  sources: {},
  tables: {
    runs: {
      schema: {
        ...{ run_id: 'string!', kind: 'string', batch: 'string!', ran_at: 'timestamptz!', signal: 'double' },
        ...{ noise: 'double', method: 'string', ok: 'boolean', cost: 'double' },
      },
      ...{ key: ['run_id'], partition: [], write: 'append' },
    },
    predictions: {
      schema: {
        ...{ model: 'string!', model_version: 'int!', run_id: 'string!', first_k: 'int' },
        ...{ prediction: 'double', features_snapshot_id: 'long', scoring_run_id: 'string' },
        ...{ scored_at: 'timestamptz', score_date: 'date!' },
      },
      key: ['score_date', 'model', 'run_id'],
      ...{ partition: ['score_date', 'model'], write: 'overwrite-partitions' },
    },
  },
  entities: { run: { joinKeys: ['run_id'] } },
  featureViews: {
    measured: {
      ...{ sql: 'measured.sql', reads: ['runs'], entities: ['run'], timestampField: 'ran_at' },
      schema: { signal: 'double', noise: 'double', method: 'string' },
    },
  },
  labelViews: {
    ok: labels('ok', 'boolean'),
    cost: labels('cost', 'double'),
  },
  featureServices: {
    basic: { features: ['measured:*'] },
    lean: { features: ['measured:signal', 'measured:method'] },
  },
  splits: {
    v1_hash: {
      ...{ labels: 'ok', seed: 5 },
      method: { kind: 'hash', by: 'entity', fractions: { train: 0.6, val: 0.2, test: 0.2 } },
    },
  },
  models: {
    success: MODEL,
    split_success: { ...MODEL, split: 'v1_hash' },
    cost: {
      ...MODEL,
      ...{ task: 'regression', labels: 'cost' },
      estimators: {
        ridge: { kind: 'ridge' },
        trees: { kind: 'gbdt', trees: 60, maxDepth: 3, learningRate: 0.2 },
      },
    },
  },
  sqlTexts: { 'measured.sql': VIEW_SQL },
}

function labels(label: string, type: 'boolean' | 'double'): LabelViewDefinition {
  return {
    ...{ table: 'runs', entities: ['run'] as const, timestampField: 'ran_at', label, type },
    ...{ group: 'kind', batch: 'batch' },
  }
}

/** The toy pipeline with parts of it replaced. */
export function toyWith(change: Partial<Pipeline>): ReadonlyMap<string, Pipeline> {
  return new Map([['toy', { ...TOY, ...change }]])
}

export async function toyLake(pipeline: Pipeline = TOY): Promise<TestLake> {
  const lake = testLake([pipeline])
  await ensureTables(lake.deps, pipeline)
  await ensureSplitTables(lake.deps)
  return lake
}

export const RUN = { workflowId: 'w', runId: '00000000-0000-0000-0000-000000000000', startedAtMs: 0 }

/** A pin with its split, as the workflow makes it. */
export async function pinned(deps: LakeDeps, input: TrainModelInput): Promise<TrainingPin> {
  const pin = await pinTraining(deps, input)
  if (pin.split === undefined) return pin
  const { pipeline, split, tag, snapshots, asOf } = pin
  const extension = { pipeline, split, pin: { tag, snapshots, asOf } }
  const { snapshotId } = await extendSplit(deps, (request) => publish(deps, request), extension, RUN)
  return { ...pin, snapshots: { ...snapshots, 'ml_datasets.splits': snapshotId! } }
}

/** What the activity that trains is asked. */
export async function trainingRequest(
  deps: LakeDeps,
  input: TrainModelInput,
  runId = 'a'.repeat(32),
): Promise<TrainingRequest> {
  const pin = await pinned(deps, input)
  return { pin, dataset: await buildDataset(deps, pin), runId, run: RUN, tell: [] }
}

/** The label view `ok` of other rows. */
export function okFrom(sql: string): Partial<Pipeline> {
  const { entities, timestampField, label, type, group, batch } = labels('ok', 'boolean')
  const view = { entities, timestampField, label, type, ...{ group: group!, batch: batch! } }
  return {
    labelViews: { ok: { ...view, sql: 'rows.sql', reads: ['runs'] } },
    sqlTexts: { ...TOY.sqlTexts, 'rows.sql': sql },
  }
}

/** Adds rows to `runs` in one commit with a tag. */
export async function addRuns(
  { deps }: Pick<TestLake, 'deps'>,
  rows: readonly Row[],
  tag: string,
): Promise<string> {
  const identifier = parseIdentifier('toy_features.runs')
  const { metadata } = await deps.catalog.loadTable(identifier)
  const schema = currentSchema(metadata)
  const session = await deps.engine.openSession({ threads: 1 })
  try {
    await session.addRelation({ kind: 'rows', name: 'fresh', schema, rows })
    const { files } = await session.write('SELECT * FROM fresh', {
      ...{ schema, spec: defaultSpec(metadata), orderBy: ['run_id'] },
      dataLocation: joinLocation(metadata.location, 'data'),
    })
    await commitTransaction({
      ...{ catalog: deps.catalog, now: deps.now, newUuid: deps.newUuid },
      changes: [
        {
          ...{ identifier, snapshotId: deps.newSnapshotId() },
          ...{ change: { kind: 'append', files }, tags: [{ name: tag }] },
        },
      ],
    })
  } finally {
    await session.close()
  }
  const committed = await deps.catalog.loadTable(identifier)
  return String(headOf(committed.metadata)?.['snapshot-id'])
}
