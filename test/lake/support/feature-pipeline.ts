import { entity, featureService, featureView, labelView, model, split } from '../../../index.js'
import { definePipeline } from '../../../lake/define/define-pipeline.js'
import type { FirnError } from '../../../schemas/error.js'
import type { FeatureDefinitions } from '../../../schemas/feature-definitions.js'
import type { ModelDefinition } from '../../../schemas/model-definitions.js'
import type { Pipeline, PipelineDefinition } from '../../../schemas/pipeline.js'

export type FeatureDefinition = Omit<PipelineDefinition, 'models'> &
  Required<FeatureDefinitions> & { readonly models: Readonly<Record<string, ModelDefinition>> }

export const ACTIVITY_SQL = `
  SELECT o.user_token, o.shop_id, o.at AS seen_at, sum(o.amount * p.factor ORDER BY o.order_id) AS spent,
    [sum(o.amount ORDER BY o.order_id), 1.0] AS picture
  FROM orders o CROSS JOIN parameters p
  GROUP BY ALL`

export const LABELS_SQL = `
  SELECT user_token, shop_id, orders.at AS observed_at, count(*) > 1 AS churned, count(*)::DOUBLE AS orders, 'a' AS kind, country
  FROM orders GROUP BY ALL`

const table = { key: ['order_id'], partition: [], write: 'insert-new' } as const

/** A definition with one of everything, right as it is; tests break it. */
export const SHOP: FeatureDefinition = {
  name: 'shop',
  sources: {
    events: { kind: 'json', topic: 'shop.events', schema: { order_id: 'string' }, identity: ['order_id'] },
  },
  tables: {
    orders: {
      sql: 'orders.sql',
      schema: {
        ...{
          order_id: 'string!',
          user_token: 'string!',
          shop_id: 'int!',
          country: 'string',
          amount: 'double',
        },
        ...{
          at: 'timestamptz!',
          known_at: 'timestamptz',
          local_time: 'timestamp',
          age: 'int',
          vip: 'boolean',
        },
      },
      ...table,
    },
    predictions: {
      schema: {
        ...{ model: 'string!', model_version: 'int!', user_token: 'string!', shop_id: 'int!' },
        ...{ prediction: 'double', features_snapshot_id: 'long', scoring_run_id: 'string' },
        ...{ scored_at: 'timestamptz', score_date: 'date!', horizon: 'int!' },
      },
      key: ['score_date', 'model', 'user_token', 'shop_id'],
      ...{ partition: ['score_date', 'model'], write: 'overwrite-partitions' },
    },
  },
  entities: {
    user: entity({ joinKeys: ['user_token'], owner: 'growth' }),
    shop: entity({ joinKeys: ['shop_id'], tags: { tier: 'gold' } }),
  },
  featureViews: {
    profile: featureView({
      ...{ table: 'orders', entities: ['user'], timestampField: 'at', createdTimestampField: 'known_at' },
      ...{ ttl: '30d', schema: { age: 'int', vip: 'boolean', country: 'string' } },
    }),
    activity: featureView({
      ...{ sql: 'activity.sql', reads: ['orders'], parameters: { factor: 2 } },
      ...{ entities: ['user', 'shop'], timestampField: 'seen_at' },
      schema: { spent: 'double', picture: 'list<double>' },
    }),
  },
  labelViews: {
    churn: labelView({
      ...{ sql: 'labels.sql', reads: ['orders'], entities: ['user', 'shop'], timestampField: 'observed_at' },
      ...{ label: 'churned', type: 'boolean', maturity: '30d', group: 'country' },
    }),
    spending: labelView({
      ...{ sql: 'labels.sql', reads: ['orders'], entities: ['user', 'shop'], timestampField: 'observed_at' },
      ...{ label: 'orders', type: 'double' },
    }),
  },
  featureServices: {
    basic: featureService({ features: ['profile:age', 'profile:country', 'activity:spent'] }),
    pictures: featureService({ features: ['activity:picture'] }),
    full: featureService({ features: ['profile:*', 'activity:spent'], fullFeatureNames: true }),
  },
  splits: {
    v1_stratified: split({
      ...{ labels: 'churn', seed: 7 },
      method: { kind: 'stratified', fractions: { train: 0.8, val: 0.1, test: 0.1 } },
    }),
    v1_by_group: split({
      ...{ labels: 'churn', seed: 7 },
      method: { kind: 'hash', by: 'group', fractions: { train: 0.7, val: 0.15, test: 0.15 } },
    }),
    v1_time: split({
      ...{ labels: 'spending', seed: 0 },
      method: { kind: 'time', valFrom: '2026-06-01T00:00:00Z', testFrom: '2026-07-01T00:00:00Z' },
    }),
  },
  models: {
    churn: model({
      ...{ task: 'binary-classification', service: 'basic', labels: 'churn', split: 'v1_stratified' },
      estimators: {
        trees: { kind: 'gbdt', trees: 100, maxDepth: 6, learningRate: 0.1, earlyStopping: { patience: 10 } },
        linear: { kind: 'logistic', preprocessing: [{ step: 'one-hot', columns: ['country'] }] },
      },
      validation: { kind: 'leave-one-group-out' },
      ...{ calibration: 'platt', classWeights: 'balanced', predictions: 'predictions' },
      constants: { horizon: 30 },
      gate: { metric: 'roc_auc' },
      search: { estimator: 'trees', space: { maxDepth: [3, 6], learningRate: [0.1, 0.3] }, trials: 3 },
    }),
    pictures: model({
      ...{ task: 'binary-classification', service: 'pictures', labels: 'churn', split: 'v1_by_group' },
      estimators: {
        net: {
          ...{ kind: 'cnn', shape: [4, 4, 1], convolutions: [{ filters: 4, size: 3 }], hidden: [8] },
          ...{ epochs: 5, batchSize: 32, learningRate: 0.01 },
        },
      },
      ...{ predictions: 'predictions', constants: { horizon: 7 } },
    }),
    spending: model({
      ...{ task: 'regression', service: 'full', labels: 'spending', split: 'v1_time' },
      estimators: { ridge: { kind: 'ridge' } },
      ...{ offset: 'activity__spent', baselineOnly: ['profile__vip'] },
      ...{ predictions: 'predictions', constants: { horizon: 7 } },
    }),
  },
}

export const SHOP_SQL: Readonly<Record<string, string>> = {
  'orders.sql': `
    SELECT _record_id AS order_id, 'u' AS user_token, 1::INT AS shop_id, 'de' AS country, 1.0::DOUBLE AS amount,
      _timestamp AS at, _timestamp AS known_at, _timestamp::TIMESTAMP AS local_time, 1::INT AS age, true AS vip
    FROM events`,
  'activity.sql': ACTIVITY_SQL,
  'labels.sql': LABELS_SQL,
}

/** The definition as a pipeline, its SQL texts changed where `sql` says so. */
export function shopPipeline(
  definition: FeatureDefinition = SHOP,
  sql: Readonly<Record<string, string>> = {},
): Pipeline {
  return {
    ...(definition as unknown as PipelineDefinition),
    namespace: 'shop_features',
    directory: '/nowhere',
    sqlTexts: { ...SHOP_SQL, ...sql },
  }
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** A path, and what to put there; undefined takes it away. */
export type Change = readonly [path: string, value: Json | undefined]

/** The shop with some values changed. */
export function shopWith(...changes: readonly Change[]): PipelineDefinition {
  const copy = structuredClone(SHOP) as unknown as Record<string, unknown>
  for (const [path, value] of changes) {
    const names = path.split('.')
    const last = names.pop() ?? ''
    let at = copy
    for (const name of names) at = (at[name] ??= {}) as Record<string, unknown>
    if (value === undefined) Reflect.deleteProperty(at, last)
    else at[last] = value
  }
  return copy as unknown as PipelineDefinition
}

/** What definePipeline says is wrong. */
export function problemsOf(definition: PipelineDefinition): readonly string[] {
  try {
    definePipeline(definition)
    return []
  } catch (error) {
    return (error as FirnError).context['problems'] as readonly string[]
  }
}
