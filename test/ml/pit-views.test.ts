import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Row } from '../../engine/engine.js'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { joinLocation } from '../../iceberg/io/location.js'
import { currentSchema } from '../../iceberg/spec/schema.js'
import { defaultSpec } from '../../iceberg/spec/specs.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { ensureTables } from '../../lake/tables/ensure-tables.js'
import type { HistoricalFeaturesRequest } from '../../ml/pit/get-historical-features.js'
import { getHistoricalFeatures } from '../../ml/pit/get-historical-features.js'
import { addRows, pinnedTables } from '../../ml/views/add-rows.js'
import { resolveFeatures, resolveLabels, resolveService } from '../../ml/views/resolve-features.js'
import { FirnError } from '../../schemas/error.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import type { TestLake } from '../lake/support/lake.js'
import { testLake } from '../lake/support/lake.js'

const SHOP: Pipeline = {
  ...{ name: 'shop', namespace: 'shop_features', directory: '/shop', sources: {} },
  tables: {
    orders: {
      schema: { user_id: 'string', item_id: 'long', ordered_at: 'timestamptz', amount: 'double' },
      ...{ key: ['user_id', 'ordered_at'], partition: [], write: 'append' },
    },
    visits: {
      schema: { user_id: 'string', visited_at: 'timestamptz', pages: 'int', device: 'string' },
      ...{ key: ['user_id', 'visited_at'], partition: [], write: 'append' },
    },
  },
  entities: { user: { joinKeys: ['user_id'] }, purchase: { joinKeys: ['user_id', 'item_id'] } },
  featureViews: {
    visit: {
      ...{ table: 'visits', entities: ['user'], timestampField: 'visited_at', ttl: '30d' },
      schema: { pages: 'int', device: 'string' },
    },
    spending: {
      ...{ sql: 'spending.sql', reads: ['orders'], parameters: { share: 0.25, least: 2, unit: "o'clock" } },
      ...{ entities: ['user'], timestampField: 'ordered_at' },
      schema: { spent: 'double', unit: 'string' },
    },
    item: {
      ...{
        table: 'orders',
        entities: ['purchase'],
        timestampField: 'ordered_at',
        schema: { amount: 'double' },
      },
    },
    peeping: {
      ...{ sql: 'peeping.sql', reads: ['visits'], entities: ['user'], timestampField: 'ordered_at' },
      schema: { amount: 'double' },
    },
    reading: {
      ...{ sql: 'reading.sql', reads: ['visits'], entities: ['user'], timestampField: 'visited_at' },
      schema: { pages: 'int' },
    },
  },
  labelViews: {
    returned: {
      ...{ table: 'visits', entities: ['user'], timestampField: 'visited_at', label: 'pages' },
      ...{ type: 'double', maturity: '12h', group: 'device' },
    },
  },
  featureServices: {
    all: { features: ['visit:*', 'spending:spent'], description: 'any' },
    named: { features: ['visit:pages', 'item:amount'], fullFeatureNames: true },
    broken: { features: ['visit:colour'] },
  },
  sqlTexts: {
    'spending.sql': `SELECT o.user_id, o.ordered_at, o.amount * p.share AS spent, p.unit
      FROM orders o CROSS JOIN parameters p WHERE o.amount >= p.least;\n`,
    'peeping.sql': 'SELECT user_id, ordered_at, amount FROM orders',
    'reading.sql': `SELECT 'u1' AS user_id, now() AS visited_at, 1 AS pages FROM read_csv('/etc/passwd')`,
  },
}

const at = (text: string): bigint => BigInt(Date.parse(text)) * 1000n
const kindOf = (action: () => unknown): [string, string] => {
  try {
    action()
  } catch (error) {
    if (error instanceof FirnError) return [error.kind, error.message]
    throw error
  }
  return ['none', '']
}

describe('features of a pipeline', () => {
  test('are named view:feature or view:*, in the order they are asked for, from several entities', () => {
    const resolved = resolveFeatures(SHOP, ['item:amount', 'visit:*'])
    expect(resolved.features.map(({ view, feature, column, type }) => [view, feature, column, type])).toEqual(
      [
        ['item', 'amount', 'amount', 'double'],
        ['visit', 'pages', 'pages', 'int'],
        ['visit', 'device', 'device', 'string'],
      ],
    )
    expect(resolved.views.map(({ name, joinKeys, ttlMs }) => [name, joinKeys, ttlMs])).toEqual([
      ['item', ['user_id', 'item_id'], undefined],
      ['visit', ['user_id'], 30 * 86_400_000],
    ])
    expect(resolved.tables.map(({ namespace, name }) => `${namespace}.${name}`)).toEqual([
      'shop_features.orders',
      'shop_features.visits',
    ])
    expect(resolveService(SHOP, 'named').features.map(({ column }) => column)).toEqual([
      'visit__pages',
      'item__amount',
    ])
    expect(resolveLabels(SHOP, 'returned')).toMatchObject({ maturityMs: 43_200_000, joinKeys: ['user_id'] })
  })

  test('say what there is where something is not', () => {
    const without: Pipeline = { ...SHOP, entities: {} }
    const cases: readonly (readonly [() => unknown, string, RegExp])[] = [
      [
        () => resolveFeatures(SHOP, ['visits:pages']),
        'not-found',
        /no feature view "visits"; there are: item, /,
      ],
      [() => resolveFeatures(SHOP, ['constructor:x']), 'not-found', /no feature view "constructor"/],
      [() => resolveFeatures(SHOP, ['visit:page']), 'not-found', /no feature "page"; it has pages, device/],
      [() => resolveService(SHOP, 'some'), 'not-found', /service "some"; there are: all, broken, named/],
      [() => resolveService(SHOP, 'broken'), 'not-found', /service "broken": .* no feature "colour"/],
      [() => resolveLabels(SHOP, 'x'), 'not-found', /no label view "x"; there are: returned/],
      [() => resolveFeatures(SHOP, ['pages']), 'config', /"pages" is no feature. Write view:feature/],
      [() => resolveFeatures(SHOP, ['a:b:c']), 'config', /"a:b:c" is no feature/],
      [() => resolveFeatures(SHOP, []), 'config', /no features are asked for/],
      [() => resolveFeatures(SHOP, ['visit:pages', 'visit:*']), 'config', /visit:pages is asked for twice/],
      [
        () => resolveFeatures(SHOP, ['item:amount', 'peeping:amount']),
        'config',
        /item:amount and peeping:amount would both be the column amount.*fullFeatureNames/,
      ],
      [() => resolveFeatures(without, ['visit:pages']), 'config', /no entity "user"; there are: none/],
      [
        () => resolveFeatures({ ...SHOP, sqlTexts: {} }, ['spending:spent']),
        'config',
        /no SQL file spending.sql in \/shop/,
      ],
      [
        () => resolveFeatures({ ...SHOP, tables: {} }, ['visit:pages']),
        'config',
        /reads the table visits, which/,
      ],
    ]
    for (const [action, kind, message] of cases) {
      const [found, text] = kindOf(action)
      expect([found, text]).toEqual([kind, expect.stringMatching(message)])
    }
    const full = resolveFeatures(SHOP, ['item:amount', 'peeping:amount'], { fullFeatureNames: true })
    expect(full.features.map(({ column }) => column)).toEqual(['item__amount', 'peeping__amount'])
  })

  test('have a fingerprint of what they mean, not of how they are described', () => {
    const of = (pipeline: Pipeline): string => resolveService(pipeline, 'all').fingerprint
    const withView = (name: string, change: object): Pipeline => ({
      ...SHOP,
      featureViews: { ...SHOP.featureViews, [name]: { ...SHOP.featureViews![name]!, ...change } },
    })
    const same = of(SHOP)
    expect(same).toMatch(/^[0-9a-f]{64}$/)
    expect(of(withView('visit', { description: 'new', owner: 'me', tags: { a: 'b' } }))).toBe(same)
    expect(of(withView('item', { ttl: '1d' }))).toBe(same)
    const others = [
      withView('visit', { ttl: '31d' }),
      withView('visit', { timestampField: 'other' }),
      withView('visit', { createdTimestampField: 'created' }),
      withView('visit', { schema: { device: 'string', pages: 'int' } }),
      withView('visit', { schema: { pages: 'long', device: 'string' } }),
      withView('visit', { table: 'orders' }),
      withView('visit', { entities: ['purchase'] }),
      withView('spending', { parameters: { share: 0.5 } }),
      { ...SHOP, sqlTexts: { ...SHOP.sqlTexts, 'spending.sql': 'SELECT 1' } },
      { ...SHOP, namespace: 'other' },
      { ...SHOP, featureServices: { all: { features: ['spending:spent', 'visit:*'] } } } satisfies Pipeline,
      {
        ...SHOP,
        featureServices: { all: { ...SHOP.featureServices!['all']!, fullFeatureNames: true } },
      } satisfies Pipeline,
    ].map(of)
    expect(new Set([same, ...others]).size).toBe(others.length + 1)
    expect(resolveLabels(SHOP, 'returned').fingerprint).not.toBe(
      resolveLabels(
        { ...SHOP, labelViews: { returned: { ...SHOP.labelViews!['returned']!, maturity: '13h' } } },
        'returned',
      ).fingerprint,
    )
  })
})

describe('rows of views', () => {
  let lake: TestLake
  beforeAll(async () => {
    lake = testLake([SHOP])
    await ensureTables(lake.deps, SHOP)
    await add('orders', 'first', [
      { user_id: 'u1', item_id: 7n, ordered_at: at('2026-01-01T00:00:00Z'), amount: 8 },
      { user_id: 'u2', item_id: 7n, ordered_at: at('2026-01-01T00:00:00Z'), amount: 1 },
    ])
    await add('visits', 'first', [
      { user_id: 'u1', visited_at: at('2026-01-02T00:00:00Z'), pages: 3, device: 'phone' },
    ])
    await add('visits', 'second', [
      { user_id: 'u1', visited_at: at('2026-01-03T00:00:00Z'), pages: 4, device: 'desk' },
    ])
    await add('orders', 'second', [])
  })
  afterAll(() => lake.close())

  async function add(table: string, tag: string, rows: readonly Row[]): Promise<void> {
    const { deps } = lake
    const identifier = parseIdentifier(`shop_features.${table}`)
    const { metadata } = await deps.catalog.loadTable(identifier)
    const schema = currentSchema(metadata)
    const session = await deps.engine.openSession({ threads: 1 })
    try {
      await session.addRelation({ kind: 'rows', name: 'fresh', schema, rows })
      const { files } = await session.write('SELECT * FROM fresh', {
        ...{ schema, spec: defaultSpec(metadata), orderBy: ['user_id'] },
        dataLocation: joinLocation(metadata.location, 'data'),
      })
      const change = { change: { kind: 'append', files }, tags: [{ name: tag }] } as const
      await commitTransaction({
        ...{ catalog: deps.catalog, now: deps.now, newUuid: deps.newUuid },
        changes: [{ identifier, snapshotId: deps.newSnapshotId(), ...change }],
      })
    } finally {
      await session.close()
    }
  }

  const ASKED = {
    pipeline: 'shop',
    entityRows: {
      schema: { user_id: 'string', event_timestamp: 'timestamptz', label: 'int' },
      rows: [
        { user_id: 'u2', event_timestamp: at('2026-01-05T00:00:00Z'), label: 1 },
        { user_id: 'u1', event_timestamp: at('2026-01-05T00:00:00Z'), label: 0 },
      ],
    },
    features: { service: 'all' },
  } satisfies HistoricalFeaturesRequest

  async function rowsOf(request: HistoricalFeaturesRequest): Promise<readonly Row[]> {
    const features = await getHistoricalFeatures(lake.deps, request)
    try {
      return await features.toRows()
    } finally {
      await features.close()
    }
  }

  test('are joined as of the heads, or of one tag in all tables', async () => {
    const [u2, u1] = ASKED.entityRows.rows
    const nothing = { pages: null, device: null, spent: null }
    expect(await rowsOf(ASKED)).toEqual([
      { ...u2, ...nothing },
      { ...u1, pages: 4, device: 'desk', spent: 2 },
    ])
    expect(await rowsOf({ ...ASKED, at: 'first' })).toEqual([
      { ...u2, ...nothing },
      { ...u1, pages: 3, device: 'phone', spent: 2 },
    ])
    await expect(rowsOf({ ...ASKED, at: 'third' })).rejects.toThrow(
      /table shop_features\.\w+: no tag or branch 'third'; the table has .*second/,
    )
  })

  test('can be asked for by SQL over the same snapshots, and streamed', async () => {
    const sql = `SELECT user_id, visited_at AS seen, pages AS asked_for FROM visits ORDER BY seen;`
    const request: HistoricalFeaturesRequest = {
      ...{ pipeline: 'shop', entityRows: { sql }, timestampField: 'seen', at: 'first' },
      ...{ features: ['visit:pages', 'spending:*'], fullFeatureNames: true },
    }
    const features = await getHistoricalFeatures(lake.deps, request)
    try {
      const rows = await features.toRows()
      expect(rows).toEqual([
        {
          ...{ user_id: 'u1', seen: at('2026-01-02T00:00:00Z'), asked_for: 3 },
          ...{ visit__pages: 3, spending__spent: 2, spending__unit: "o'clock" },
        },
      ])
      expect(Object.keys(features.snapshots).sort()).toEqual(['shop_features.orders', 'shop_features.visits'])
      let streamed = 0
      for await (const batch of features.toBatches()) streamed += batch.numRows
      expect(streamed).toBe(1)
    } finally {
      await features.close()
    }
    const elsewhere = { ...request, entityRows: { sql: 'SELECT * FROM other.table' } }
    await expect(rowsOf(elsewhere)).rejects.toThrow(/SQL of entity_rows reads other.table, but/)
  })

  test('of SQL see what it says it reads and nothing else of the session, nor files', async () => {
    await expect(rowsOf({ ...ASKED, features: ['item:amount', 'peeping:amount'], fullFeatureNames: true }))
      .rejects // prettier-ignore
      .toThrow(/SQL of views.peeping reads orders, but says that it reads visits/)
    await expect(rowsOf({ ...ASKED, features: ['reading:pages'] })).rejects.toThrow(/calls read_csv/)
  })

  test('are those of the pinned snapshots; a table that is not pinned, or at two snapshots, is refused', async () => {
    const { visits } = Object.fromEntries(
      (await lake.deps.catalog.loadTables([parseIdentifier('shop_features.visits')])).map((table) => [
        table.identifier.name,
        table.metadata.refs,
      ]),
    )
    const pin = (tag: string) =>
      pinnedTables(lake.deps, { 'shop_features.visits': String(visits?.[tag]?.['snapshot-id']) })
    const [first, second] = [await pin('first'), await pin('second')]
    const [view] = resolveFeatures(SHOP, ['visit:*']).views
    const [other] = resolveFeatures(SHOP, ['item:*']).views
    const session = await lake.deps.engine.openSession()
    try {
      await addRows(session, { name: 'one', rows: view!.rows, tables: first })
      await addRows(session, { name: 'two', rows: view!.rows, tables: first })
      expect((await session.query('SELECT pages FROM one UNION ALL SELECT pages FROM two')).rows).toEqual([
        { pages: 3 },
        { pages: 3 },
      ])
      await expect(addRows(session, { name: 'three', rows: view!.rows, tables: second })).rejects.toThrow(
        /is in this session at snapshot \d+ and can't be at \d+ as well/,
      )
      await expect(addRows(session, { name: 'four', rows: other!.rows, tables: first })).rejects.toThrow(
        /table shop_features.orders is read now, but is not pinned; pinned are: shop_features.visits/,
      )
    } finally {
      await session.close()
    }
  })
})
