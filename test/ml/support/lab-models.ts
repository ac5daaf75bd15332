import type { Pipeline } from '../../../schemas/pipeline.js'
import { labPipeline } from '../../lake/support/batches.js'

/** The lab pipeline with a model: will a run be long, judged by its total? */
export const labModels: Pipeline = {
  ...labPipeline,
  tables: {
    ...labPipeline.tables,
    predictions: {
      schema: {
        ...{ model: 'string!', model_version: 'int!', run_id: 'string!', prediction: 'double' },
        ...{
          features_snapshot_id: 'long',
          scoring_run_id: 'string',
          scored_at: 'timestamptz',
          score_date: 'date!',
        },
      },
      key: ['score_date', 'model', 'run_id'],
      ...{ partition: ['score_date', 'model'], write: 'overwrite-partitions' },
    },
  },
  entities: { run: { joinKeys: ['run_id'] } },
  featureViews: {
    totals: {
      ...{ sql: 'totals.sql', reads: ['results', 'summaries'], entities: ['run'], timestampField: 'at' },
      schema: { total: 'double' },
    },
  },
  labelViews: {
    long: {
      ...{ sql: 'long.sql', reads: ['results'], entities: ['run'], timestampField: 'at' },
      ...{ label: 'is_long', type: 'boolean', group: 'grp', batch: 'processing_batch_id' },
    },
  },
  featureServices: { basic: { features: ['totals:*'] } },
  splits: {
    v1: {
      ...{ labels: 'long', seed: 3 },
      method: { kind: 'hash', by: 'entity', fractions: { train: 0.6, val: 0.2, test: 0.2 } },
    },
  },
  models: {
    long: {
      ...{ task: 'binary-classification', service: 'basic', labels: 'long', split: 'v1' },
      estimators: { logistic: { kind: 'logistic' } },
      predictions: 'predictions',
    },
  },
  sqlTexts: {
    ...labPipeline.sqlTexts,
    'totals.sql': `
      SELECT r.run_id, CAST(r.processing_date AS TIMESTAMPTZ) AS at, s.total
      FROM results r JOIN summaries s USING (run_id)`,
    'long.sql': `
      SELECT run_id, CAST(processing_date AS TIMESTAMPTZ) AS at, size > 2 AS is_long, grp, processing_batch_id FROM results`,
  },
}
