import { randomUUID } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { MemoryCatalog } from '../../iceberg/catalog/memory.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { currentSchema, fieldByName } from '../../iceberg/spec/schema.js'
import { ensureLandingTables, ensureTables, type TablesDeps } from '../../lake/tables/ensure-tables.js'
import type { Pipeline, TableSchema } from '../../schemas/pipeline.js'

const SALES: TableSchema = { id: 'string!', amount: 'double', day: 'date', tags: 'list<string>' }

function shop(schema: TableSchema = SALES, partition: readonly string[] = ['day']): Pipeline {
  return {
    name: 'shop',
    namespace: 'shop_features',
    directory: '/nowhere',
    sources: { events: { kind: 'json', topic: 'e', schema: { id: 'string' }, identity: ['id'] } },
    tables: { sales: { schema, key: ['id'], partition, write: 'insert-new' } },
    sqlTexts: {},
  }
}

const identifier = { namespace: 'shop_features', name: 'sales' }
let deps: TablesDeps
beforeEach(() => {
  let clock = 0
  const warehouse = 'memory://warehouse'
  const catalog = new MemoryCatalog({
    ...{ name: 'firn', warehouse, io: new MemoryFileIO(), now: () => ++clock, newUuid: randomUUID },
  })
  deps = { catalog, warehouse }
})

describe('the tables of a pipeline', () => {
  it('are made once, beside those of the lake, and no raw object lies in a table', async () => {
    await ensureTables(deps, shop())
    const [first] = await deps.catalog.loadTables([identifier])
    await ensureTables(deps, shop())
    expect((await deps.catalog.loadTable(identifier)).metadataLocation).toBe(first!.metadataLocation)
    expect(await deps.catalog.listNamespaces()).toEqual(['audit', 'raw', 'shop_features'])
    const names = (await deps.catalog.listTables('shop_features')).map((table) => table.name)
    expect(names.sort()).toEqual(['events_ids', 'processing_metadata', 'sales'])
    expect(first!.metadata).toMatchObject({
      'format-version': 2,
      properties: { 'write.parquet.compression-codec': 'zstd' },
      'partition-specs': [{ fields: [{ name: 'day', transform: 'identity' }] }],
    })
    const { ledger, deadLetters } = await ensureLandingTables(deps, 'events')
    expect([ledger, deadLetters].map((table) => table.metadata.location)).toEqual([
      'memory://warehouse/ledger/events',
      'memory://warehouse/ledger/dead_letters',
    ])
  })

  it('are made by several processes at once', async () => {
    const all = await Promise.all([1, 2, 3].map(() => ensureTables(deps, shop())))
    expect(new Set(all.map((tables) => tables[0]!.metadata['table-uuid'])).size).toBe(1)
  })

  it('get optional columns that are new, with ids never used before', async () => {
    await ensureTables(deps, shop())
    const before = await deps.catalog.loadTable(identifier)
    const wider = { ...SALES, place: 'struct<lat: double, lon: double>', note: 'string' }
    await Promise.all([ensureTables(deps, shop(wider)), ensureTables(deps, shop(wider))])
    const { metadata } = await deps.catalog.loadTable(identifier)
    const schema = currentSchema(metadata)
    expect(metadata.schemas).toHaveLength(2)
    expect(schema.fields.slice(0, 4)).toEqual(currentSchema(before.metadata).fields)
    expect(['place', 'note', 'place.lat', 'place.lon'].map((name) => fieldByName(schema, name)!.id)).toEqual([
      6, 7, 8, 9,
    ])
    expect(metadata['last-column-id']).toBe(9)
  })

  it.each<readonly [string, Pipeline, RegExp]>([
    [
      'a column that is gone',
      shop({ id: 'string!', day: 'date' }, ['day']),
      /column amount is no longer defined/,
    ],
    ['another type', shop({ ...SALES, amount: 'float' }), /column amount is double, defined is float/],
    [
      'another element type',
      shop({ ...SALES, tags: 'list<int>' }),
      /tags is list<string>, defined is list<int>/,
    ],
    [
      'a column that became required',
      shop({ ...SALES, amount: 'double!' }),
      /amount is double, defined is double!/,
    ],
    ['a new required column', shop({ ...SALES, who: 'string!' }), /new column who is required/],
    [
      'another partition',
      shop(SALES, ['bucket(4, id)']),
      /partitioned by \(day\), defined is \(bucket\[4\] of id\)/,
    ],
  ])('are not altered for %s', async (_, changed, message) => {
    await ensureTables(deps, shop())
    const failure = await ensureTables(deps, changed).catch((error: unknown) => error)
    expect(failure).toMatchObject({ kind: 'definition-changed' })
    expect(String(failure)).toMatch(message)
    expect((await deps.catalog.loadTable(identifier)).metadata.schemas).toHaveLength(1)
  })
})
