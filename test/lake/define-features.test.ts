import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDuckDBEngine } from '../../engine/duckdb/duckdb-engine.js'
import type { Engine } from '../../engine/engine.js'
import { checkPipeline } from '../../lake/define/check-pipeline.js'
import {
  ACTIVITY_SQL,
  LABELS_SQL,
  problemsOf,
  SHOP,
  shopPipeline,
  shopWith,
  type Json,
} from './support/feature-pipeline.js'

describe('definitions of features', () => {
  it('are returned as they are where nothing is wrong', () => {
    expect(problemsOf(shopWith())).toEqual([])
  })

  it.each<readonly [string, readonly (readonly [string, Json | undefined])[], RegExp]>([
    [
      'an unknown entity',
      [['featureViews.profile.entities', ['usr']]],
      /^featureViews\.profile\.entities: there is no entity usr; there are user, shop/,
    ],
    [
      'an unknown table',
      [['featureViews.profile.table', 'ordrs']],
      /^featureViews\.profile\.table: there is no table ordrs/,
    ],
    [
      'an unknown table of reads',
      [['labelViews.churn.reads', ['ordrs']]],
      /^labelViews\.churn\.reads: there is no table ordrs/,
    ],
    [
      'neither a table nor SQL',
      [['featureViews.profile.table', undefined]],
      /^featureViews\.profile\.table: name a table, or a sql file/,
    ],
    [
      'a table and SQL',
      [
        ['featureViews.profile.sql', 'a.sql'],
        ['featureViews.profile.reads', ['orders']],
      ],
      /^featureViews\.profile\.sql: .*not both/,
    ],
    [
      'SQL without reads',
      [['labelViews.churn.reads', undefined]],
      /^labelViews\.churn\.reads: name the tables/,
    ],
    [
      'a SQL file outside',
      [['labelViews.churn.sql', '../x.sql']],
      /^labelViews\.churn\.sql: must be a path inside/,
    ],
    [
      'a timestamp field that is no column',
      [['featureViews.profile.timestampField', 'when']],
      /^featureViews\.profile\.timestampField: table orders has no column when; it has order_id/,
    ],
    [
      'a time that is none',
      [['featureViews.profile.timestampField', 'age']],
      /timestampField: age is int in table orders, which is no time/,
    ],
    [
      'a created time that is no column',
      [['featureViews.profile.createdTimestampField', 'x']],
      /createdTimestampField: table orders has no column x/,
    ],
    [
      'a join key that is no column',
      [['entities.user.joinKeys', ['user_id']]],
      /^featureViews\.profile\.entities: table orders has no column user_id/,
    ],
    [
      'a join key that data sets have',
      [['entities.user.joinKeys', ['label']]],
      /^entities\.user\.joinKeys: label is a column of every data set/,
    ],
    [
      'a join key named twice',
      [['entities.user.joinKeys', ['user_token', 'user_token']]],
      /^entities\.user\.joinKeys: user_token is named twice/,
    ],
    [
      'two entities with one join key',
      [['entities.shop.joinKeys', ['user_token']]],
      /^featureViews\.activity\.entities: two of them have the join key user_token/,
    ],
    [
      'a feature that the table lacks',
      [['featureViews.profile.schema.iq', 'int']],
      /^featureViews\.profile\.schema\.iq: table orders has no such column/,
    ],
    [
      "a feature's type that is not the table's",
      [['featureViews.profile.schema.age', 'double']],
      /^featureViews\.profile\.schema\.age: table orders has it as int, not double/,
    ],
    [
      'a type that is none',
      [['featureViews.activity.schema.spent', 'money']],
      /^featureViews\.activity\.schema: .*'money' is not a type/,
    ],
    [
      'a feature that is a join key',
      [['featureViews.profile.schema.user_token', 'string']],
      /^featureViews\.profile\.schema: user_token is a join key/,
    ],
    [
      'no feature',
      [['featureViews.activity.schema', {}]],
      /^featureViews\.activity\.schema: must name a feature/,
    ],
    [
      'a ttl that is no time span',
      [['featureViews.profile.ttl', '30 days']],
      /^featureViews\.profile\.ttl: '30 days' is not a time span: write e\.g\./,
    ],
    [
      'a ttl of nothing',
      [['featureViews.profile.ttl', '0d']],
      /^featureViews\.profile\.ttl: '0d' lets no row be valid/,
    ],
    [
      'a maturity that is no time span',
      [['labelViews.churn.maturity', 'P30D']],
      /^labelViews\.churn\.maturity: 'P30D' is not a time span/,
    ],
    [
      'a label and a feature view of one name',
      [['labelViews.profile', { ...SHOP.labelViews['spending'] }]],
      /^labelViews\.profile: a feature view has this name/,
    ],
    [
      'a label of a table that has it not',
      [
        [
          'labelViews.spending',
          { table: 'orders', entities: ['user', 'shop'], timestampField: 'at', label: 'sum', type: 'double' },
        ],
      ],
      /^labelViews\.spending\.label: table orders has no column sum/,
    ],
    [
      'a label of another type',
      [
        [
          'labelViews.spending',
          {
            table: 'orders',
            entities: ['user', 'shop'],
            timestampField: 'at',
            label: 'country',
            type: 'double',
          },
        ],
      ],
      /^labelViews\.spending\.label: country is string in table orders, must be a number/,
    ],
    [
      'a reference that is none',
      [['featureServices.basic.features', ['profile']]],
      /^featureServices\.basic\.features: 'profile' is not a reference: write view:feature/,
    ],
    [
      'a reference to no view',
      [['featureServices.basic.features', ['profil:age']]],
      /^featureServices\.basic\.features: there is no feature view profil; there are profile, activity/,
    ],
    [
      'a reference to no feature',
      [['featureServices.basic.features', ['profile:size']]],
      /^featureServices\.basic\.features: there is no feature of view profile size; there are age, vip, country/,
    ],
    [
      'a feature named twice',
      [['featureServices.basic.features', ['profile:*', 'profile:age']]],
      /^featureServices\.basic\.features: profile:age is named twice/,
    ],
    [
      'columns of one name',
      [
        ['featureViews.activity.schema.age', 'int'],
        ['featureServices.basic.features', ['profile:age', 'activity:age']],
      ],
      /^featureServices\.basic\.features: profile:age and activity:age would both be the column age; set fullFeatureNames/,
    ],
    [
      'an unknown label view of a split',
      [['splits.v1_time.labels', 'x']],
      /^splits\.v1_time\.labels: there is no label view x/,
    ],
    [
      'fractions above 1',
      [['splits.v1_stratified.method.fractions.val', 0.2]],
      /^splits\.v1_stratified\.method\.fractions: 0\.8 \+ 0\.2 \+ 0\.1 is 1\.1, not 1/,
    ],
    [
      'a fraction below 0',
      [['splits.v1_stratified.method.fractions.val', -0.1]],
      /^splits\.v1_stratified\.method\.fractions\.val: must be from 0 to 1/,
    ],
    [
      'a split without train',
      [['splits.v1_stratified.method.fractions', { train: 0, val: 0.5, test: 0.5 }]],
      /^splits\.v1_stratified\.method\.fractions\.train: nothing would be trained on/,
    ],
    [
      'a group split without a group',
      [['labelViews.churn.group', undefined]],
      /^splits\.v1_by_group\.method\.by: label view churn has no group/,
    ],
    [
      'a stratified split of numbers',
      [['splits.v1_stratified.labels', 'spending']],
      /^splits\.v1_stratified\.method: label view spending has numbers, which have no classes/,
    ],
    [
      'an instant without a zone',
      [['splits.v1_time.method.valFrom', '2026-06-01']],
      /^splits\.v1_time\.method\.valFrom: '2026-06-01' is not an instant in UTC/,
    ],
    [
      'test before val',
      [['splits.v1_time.method.testFrom', '2026-05-01T00:00:00Z']],
      /^splits\.v1_time\.method\.testFrom: .* is before valFrom/,
    ],
    ['a seed that is no whole number', [['splits.v1_time.seed', 1.5]], /^splits\.v1_time\.seed: /],
  ])('name %s with its path', (_, changes, message) => {
    const problems = problemsOf(shopWith(...changes))
    expect(problems.filter((problem) => message.test(problem))).toHaveLength(1)
  })
})

describe('firn check of views', () => {
  let engine: Engine
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'firn-check-'))
    engine = createDuckDBEngine({ tempDirectory: folder })
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('finds nothing wrong with views that are right', async () => {
    expect(await checkPipeline(shopPipeline(), engine)).toEqual([])
  })

  const activity = (text: string, by: string): Record<string, string> => ({
    'activity.sql': ACTIVITY_SQL.replace(text, by),
  })
  const labels = (text: string, by: string): Record<string, string> => ({
    'labels.sql': LABELS_SQL.replace(text, by),
  })
  it.each<readonly [string, Record<string, string>, string, RegExp]>([
    [
      'a table that is read and not said',
      activity('FROM orders o', 'FROM orders o SEMI JOIN predictions USING (user_token)'),
      'featureViews.activity',
      /it reads predictions, which is not among its `reads`: orders/,
    ],
    [
      'a table that is said and not read',
      { 'activity.sql': 'SELECT factor AS spent FROM parameters' },
      'featureViews.activity',
      /does not read orders/,
    ],
    ['SQL that does not bind', activity('o.amount *', 'o.amont *'), 'featureViews.activity', /amont/],
    [
      'a feature that the SELECT lacks',
      activity('AS spent', 'AS spend'),
      'featureViews.activity',
      /the SELECT lacks the feature spent/,
    ],
    [
      "a feature's wrong type",
      activity('sum(o.amount * p.factor ORDER BY o.order_id)', 'max(o.order_id)'),
      'featureViews.activity',
      /feature spent is VARCHAR in the SELECT, declared is double/,
    ],
    [
      'a join key that the SELECT lacks',
      activity('o.shop_id,', '1 AS shopid,'),
      'featureViews.activity',
      /the SELECT lacks the join key shop_id/,
    ],
    [
      'a join key of another type',
      activity('o.shop_id,', "'1' AS shop_id,"),
      'labelViews.churn',
      /join key shop_id is VARCHAR in featureViews\.activity, an integer in labelViews\.churn/,
    ],
    [
      'a time that the SELECT lacks',
      activity('AS seen_at', 'AS saw'),
      'featureViews.activity',
      /lacks seen_at, its timestampField/,
    ],
    [
      'a time that is text',
      activity('o.at AS', 'o.country AS'),
      'featureViews.activity',
      /seen_at is VARCHAR, which is no time/,
    ],
    [
      'a float sum without an order',
      activity('sum(o.amount * p.factor ORDER BY o.order_id)', 'sum(o.amount * p.factor)'),
      'featureViews.activity',
      /sum\(o\.amount \* p\.factor\) differs from run to run/,
    ],
    [
      'a clock',
      activity('o.at AS', 'now() AS'),
      'featureViews.activity',
      /now\(\) differs from run to run: use the tables, or `parameters`/,
    ],
    [
      'a file of its own',
      activity('FROM orders o', "FROM orders o SEMI JOIN read_parquet('/x') USING (user_token)"),
      'featureViews.activity',
      /read_parquet\(\) reads past the lake/,
    ],
    [
      'a label that the SELECT lacks',
      labels('AS churned', 'AS gone'),
      'labelViews.churn',
      /lacks the label churned/,
    ],
    [
      "a label's wrong type",
      labels('count(*) > 1', "'yes'"),
      'labelViews.churn',
      /label churned is VARCHAR in the SELECT, declared is boolean/,
    ],
    ['a group that the SELECT lacks', labels(', country', ''), 'labelViews.churn', /lacks the group country/],
  ])('names %s', async (_, sql, where, message) => {
    const problems = await checkPipeline(shopPipeline(SHOP, sql), engine)
    expect(
      problems.filter((problem) => problem.where === where && message.test(problem.message)),
    ).toHaveLength(1)
  })
})
