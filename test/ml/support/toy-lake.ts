import type { Row } from '../../../engine/engine.js'
import { parseIdentifier } from '../../../iceberg/catalog/catalog.js'
import { joinLocation } from '../../../iceberg/io/location.js'
import { headOf } from '../../../iceberg/spec/refs.js'
import { currentSchema } from '../../../iceberg/spec/schema.js'
import { defaultSpec } from '../../../iceberg/spec/specs.js'
import { commitTransaction } from '../../../iceberg/write/transaction.js'
import { ensureTables } from '../../../lake/tables/ensure-tables.js'
import type { Dataset } from '../../../ml/datasets/dataset.js'
import type { Pipeline } from '../../../schemas/pipeline.js'
import { testLake, type TestLake } from '../../lake/support/lake.js'

/** Runs with one informative number, one informative category and noise; three groups. */
export function toyRows(count: number, batch: string): Row[] {
  return Array.from({ length: count }, (_, i) => {
    const signal = Math.sin(i * 1.7)
    const method = signal + Math.cos(i * 3.1) > 0 ? 'fast' : 'slow'
    return {
      ...{ run_id: `${batch}-${String(i).padStart(4, '0')}`, kind: `g${i % 3}`, batch },
      ...{ signal, noise: i % 7 === 0 ? null : Math.cos(i * 5.3), method: i % 11 === 0 ? null : method },
      ok: i % 13 === 0 ? null : signal + 0.3 * Math.sin(i * 9.7) > 0,
    }
  })
}

export const FEATURES_SQL = `
  SELECT r.run_id AS entity, r.kind AS "group", r.ok AS label, r.signal, r.noise, r.method, r.batch
  FROM runs r`

export const TOY: Pipeline = {
  name: 'toy',
  namespace: 'toy_features',
  directory: '/nowhere',
  sources: {},
  tables: {
    runs: {
      schema: {
        ...{ run_id: 'string!', kind: 'string', batch: 'string!', signal: 'double' },
        ...{ noise: 'double', method: 'string', ok: 'boolean' },
      },
      ...{ key: ['run_id'], partition: [], write: 'append' },
    },
    predictions: {
      schema: {
        ...{
          model: 'string!',
          model_version: 'int!',
          run_id: 'string!',
          first_k: 'int',
          prediction: 'double',
        },
        ...{ features_snapshot_id: 'long', scoring_run_id: 'string', scored_at: 'timestamptz' },
        score_date: 'date!',
      },
      key: ['score_date', 'model', 'run_id'],
      ...{ partition: ['score_date', 'model'], write: 'overwrite-partitions' },
    },
  },
  models: {
    success: {
      ...{ task: 'binary-classification', features: 'success.sql', reads: ['runs'], firstK: 10 },
      ...{ numeric: ['signal', 'noise'], categorical: ['method'], predictions: 'predictions' },
      network: { hidden: [4], epochs: 8, batchSize: 32, learningRate: 0.1, l2: 0.001 },
    },
  },
  sqlTexts: { 'success.sql': FEATURES_SQL },
}

export function toyDataset(count: number): Dataset {
  return {
    ...{ numeric: ['signal', 'noise'], categorical: ['method'] },
    rows: toyRows(count, 'b').flatMap((row) =>
      row['ok'] === null
        ? []
        : [
            {
              ...{ entity: row['run_id'] as string, group: row['kind'] as string, label: row['ok'] ? 1 : 0 },
              numeric: [row['signal'] as number, row['noise'] as number | null],
              categorical: [row['method'] as string | null],
            },
          ],
    ),
  }
}

export async function toyLake(pipeline: Pipeline = TOY): Promise<TestLake> {
  const lake = testLake([pipeline])
  await ensureTables(lake.deps, pipeline)
  return lake
}

/** Adds rows to `runs` in one commit with a tag. */
export async function addRuns({ deps }: TestLake, rows: readonly Row[], tag: string): Promise<string> {
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
