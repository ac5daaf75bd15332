import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openModelRegistry, type ModelRegistry } from '../../ml/registry/model-registry.js'
import { definitionsOf } from '../../ml/views/definitions-of.js'
import { diffDefinitions, diffLines } from '../../ml/views/diff-definitions.js'
import { usedBy, type TrainedOn } from '../../ml/views/used-by.js'
import {
  SHOP,
  shopPipeline,
  shopWith,
  type Change,
  type FeatureDefinition,
} from '../lake/support/feature-pipeline.js'

const names = (definitions: readonly { readonly kind: string; readonly name: string }[]): readonly string[] =>
  definitions.map(({ kind, name }) => `${kind} ${name}`)

const changed = (...changes: readonly Change[]) =>
  shopPipeline(shopWith(...changes) as unknown as FeatureDefinition)

/** What has another fingerprint than in the shop as it is. */
function affected(pipeline: ReturnType<typeof shopPipeline>): readonly string[] {
  const before = new Map(
    definitionsOf(shopPipeline()).map((one) => [`${one.kind} ${one.name}`, one.fingerprint]),
  )
  return names(
    definitionsOf(pipeline).filter((one) => before.get(`${one.kind} ${one.name}`) !== one.fingerprint),
  )
}

describe('fingerprints of definitions', () => {
  it('are there for everything that features are said with', () => {
    expect(names(definitionsOf(shopPipeline()))).toEqual([
      ...['entity user', 'entity shop', 'feature-view profile', 'feature-view activity'],
      ...['label-view churn', 'label-view spending'],
      ...['feature-service basic', 'feature-service pictures', 'feature-service full'],
      ...['split v1_stratified', 'split v1_by_group', 'split v1_time'],
      ...['model churn', 'model pictures', 'model spending'],
    ])
  })

  it.each<readonly [string, ReturnType<typeof shopPipeline>, readonly string[]]>([
    [
      'the SQL of a view',
      shopPipeline(SHOP, { 'activity.sql': 'SELECT 1' }),
      ['feature-view activity', 'feature-service basic', 'feature-service pictures', 'feature-service full'],
    ],
    [
      'a parameter of it',
      changed(['featureViews.activity.parameters.factor', 3]),
      ['feature-view activity', 'feature-service basic', 'feature-service pictures', 'feature-service full'],
    ],
    [
      'a ttl',
      changed(['featureViews.profile.ttl', '60d']),
      ['feature-view profile', 'feature-service basic', 'feature-service full'],
    ],
    ['the maturity of labels', changed(['labelViews.churn.maturity', '60d']), ['label-view churn']],
    [
      'the order of features',
      changed(['featureServices.basic.features', ['profile:country', 'profile:age', 'activity:spent']]),
      ['feature-service basic'],
    ],
    ['a seed', changed(['splits.v1_time.seed', 5]), ['split v1_time']],
    ['a parameter of a model', changed(['models.churn.estimators.trees.trees', 5]), ['model churn']],
    [
      'the first kind of model',
      changed([
        'models.churn.estimators',
        { linear: { kind: 'logistic' }, trees: SHOP.models['churn']!.estimators['trees'] as never },
      ]),
      ['model churn'],
    ],
    [
      'an owner and a tag',
      changed(['entities.user.owner', 'x'], ['featureViews.profile.tags', { a: 'b' }]),
      [],
    ],
  ])('change with %s, and with them only what hangs on it', (_, pipeline, expected) => {
    expect(affected(pipeline)).toEqual(expected)
  })
})

describe('the history of definitions', () => {
  let folder: string
  let registry: ModelRegistry
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'firn-history-'))
    registry = openModelRegistry({ path: join(folder, 'registry.db') })
  })
  afterEach(() => {
    registry.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const record = (pipeline: ReturnType<typeof shopPipeline>, atMs: number): readonly string[] =>
    names(registry.recordDefinitions(definitionsOf(pipeline), { atMs, by: `run-${atMs}` }))

  it('adds a row each time that a meaning changed, there and back, and none otherwise', () => {
    expect(record(shopPipeline(), 1)).toHaveLength(15)
    expect(record(shopPipeline(), 2)).toEqual([])
    expect(record(changed(['splits.v1_time.seed', 5]), 3)).toEqual(['split v1_time'])
    expect(record(changed(['splits.v1_time.seed', 5], ['entities.user.owner', 'x']), 4)).toEqual([])
    expect(record(shopPipeline(), 5)).toEqual(['split v1_time'])
    const history = registry.listDefinitions({ kind: 'split', name: 'v1_time' })
    expect(history.map((one) => [one.recordedAtMs, one.recordedBy, one.definition['seed']])).toEqual([
      [1, 'run-1', 0],
      [3, 'run-3', 5],
      [5, 'run-5', 0],
    ])
    expect(registry.listDefinitions({ pipeline: 'other' })).toEqual([])
  })

  it('keeps the SQL text with its view, and lasts', () => {
    record(shopPipeline(), 1)
    registry.close()
    registry = openModelRegistry({ path: join(folder, 'registry.db') })
    const [view] = registry.listDefinitions({ name: 'activity' })
    expect(view?.definition['sqlText']).toContain('FROM orders o CROSS JOIN parameters p')
    expect(record(shopPipeline(), 2)).toEqual([])
  })

  it('is not changed by anybody', () => {
    record(shopPipeline(), 1)
    expect(existsSync(join(folder, 'registry.db'))).toBe(true)
    const db = new Database(join(folder, 'registry.db'))
    expect(() => db.exec(`UPDATE definitions SET fingerprint = 'x'`)).toThrow(/is not changed/)
    expect(() => db.exec(`DELETE FROM definitions`)).toThrow(/is not changed/)
    db.close()
  })
})

describe('differences of definitions', () => {
  it('name each member that changed, came or went', () => {
    const before = { ttl: '30d', schema: { a: 'int', b: 'int' }, entities: ['user'] }
    const after = { schema: { a: 'long', c: 'int' }, entities: ['user', 'shop'], owner: 'me' }
    expect(diffDefinitions(before, after)).toEqual([
      { path: 'ttl', before: '30d' },
      { path: 'schema.a', before: 'int', after: 'long' },
      { path: 'schema.b', before: 'int' },
      { path: 'schema.c', after: 'int' },
      { path: 'entities', before: ['user'], after: ['user', 'shop'] },
      { path: 'owner', after: 'me' },
    ])
    expect(diffDefinitions(before, structuredClone(before))).toEqual([])
  })

  it('name an order that changed alone', () => {
    expect(diffDefinitions({ schema: { a: 1, b: 1 } }, { schema: { b: 1, a: 1 } })).toEqual([
      { path: 'schema', before: ['a', 'b'], after: ['b', 'a'] },
    ])
  })

  it('tell lines of SQL that stayed, went and came', () => {
    expect(diffLines('SELECT a\nFROM t\nWHERE x', 'SELECT b\nFROM t\nWHERE x\nLIMIT 1')).toEqual([
      ...[
        ['-', 'SELECT a'],
        ['+', 'SELECT b'],
        [' ', 'FROM t'],
        [' ', 'WHERE x'],
        ['+', 'LIMIT 1'],
      ],
    ])
  })
})

describe('what uses a table, a view, a feature', () => {
  const pipelines = new Map([['shop', shopPipeline()]])
  const versions: readonly TrainedOn[] = [
    {
      ...{ model: 'churn', version: 3 },
      pin: {
        pipeline: 'shop',
        service: 'basic',
        labels: 'churn',
        snapshots: { 'shop_features.orders': '1' },
      },
      dataset: {
        fingerprints: { 'view profile': 'a', 'view activity': 'b', 'label view churn': 'c' },
        signature: {
          inputs: [
            { name: 'age', type: 'double', nullable: true },
            { name: 'activity__spent', type: 'double', nullable: true },
          ],
          output: { name: 'churned', type: 'double', nullable: false },
        },
      },
    },
  ]
  const version = [{ model: 'churn', version: 3 }]

  it.each<readonly [string, object]>([
    [
      'orders',
      {
        kind: 'table',
        name: 'shop_features.orders',
        featureViews: ['profile', 'activity'],
        labelViews: ['churn', 'spending'],
        services: ['basic', 'pictures', 'full'],
        models: ['churn', 'pictures', 'spending'],
        versions: version,
      },
    ],
    ['shop_features.orders', { kind: 'table', splits: ['v1_stratified', 'v1_by_group', 'v1_time'] }],
    [
      'profile',
      { kind: 'feature-view', services: ['basic', 'full'], models: ['churn', 'spending'], versions: version },
    ],
    [
      'profile:age',
      { kind: 'feature', services: ['basic', 'full'], models: ['churn', 'spending'], versions: version },
    ],
    ['profile:vip', { kind: 'feature', services: ['full'], models: ['spending'], versions: [] }],
    ['activity:spent', { kind: 'feature', services: ['basic', 'full'], versions: version }],
    [
      'churn',
      {
        kind: 'label-view',
        services: [],
        splits: ['v1_stratified', 'v1_by_group'],
        models: ['churn', 'pictures'],
        versions: version,
      },
    ],
    ['predictions', { kind: 'table', featureViews: [], models: [], versions: [] }],
  ])('%s', (reference, expected) => {
    const found = usedBy(pipelines, versions, reference)
    expect(found).toHaveLength(1)
    expect(found[0]).toMatchObject(expected)
  })

  it('is not found where there is no such thing', () => {
    for (const name of ['nothing', 'profile:nothing', 'other.orders'])
      expect(() => usedBy(pipelines, versions, name)).toThrow(
        /there is no table, view or feature .*profile, activity, churn/,
      )
  })
})
