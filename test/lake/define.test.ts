import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { packageRoot } from '../../engine/compiled-entry.js'
import { clockOrChance } from '../../lake/define/clock-or-chance.js'
import { tableDependencies } from '../../lake/define/dependencies.js'
import { definePipeline, jsonSource, table } from '../../lake/define/define-pipeline.js'
import { definitionFingerprint } from '../../lake/define/fingerprint.js'
import { loadPipeline, loadPipelines } from '../../lake/define/load-pipeline.js'
import type { Pipeline, PipelineDefinition } from '../../schemas/pipeline.js'
import { SHOP, SHOP_SQL } from './support/feature-pipeline.js'

const events = jsonSource({
  topic: 'shop.events',
  schema: { id: 'string', body: 'struct<amount: double, at: timestamptz>' },
  identity: ['id', 'body.at'],
})

const sales = table({
  sql: 'sql/sales.sql',
  schema: { id: 'string!', amount: 'double', day: 'date' },
  key: ['id'],
  partition: ['day', 'bucket(16, id)'],
  write: 'insert-new',
  newBy: 'id',
})

const shop: PipelineDefinition = { name: 'shop', sources: { events }, tables: { sales } }

describe('definePipeline', () => {
  it('returns a definition that is right as it is', () => {
    expect(definePipeline(shop)).toBe(shop)
  })

  const withTable = (changes: object): unknown => ({ ...shop, tables: { sales: { ...sales, ...changes } } })
  const withSource = (changes: object): unknown => ({
    ...shop,
    sources: { events: { ...events, ...changes } },
  })

  it.each<readonly [string, unknown, RegExp]>([
    ['a name with ../', { ...shop, name: '../shop' }, /name: must be lower case/],
    ['a name with a quote', { ...shop, tables: { "sa'les": sales } }, /tables\.sa'les: .*/],
    ['an unknown field', { ...shop, table: {} }, /Unrecognized key: "table"/],
    ['an unknown field of a table', withTable({ keys: [] }), /tables\.sales: Unrecognized key: "keys"/],
    ['no source', { ...shop, sources: {} }, /sources: must name a source/],
    ["the lake's own namespace", { ...shop, namespace: 'raw' }, /raw is the lake's own/],
    [
      'a table named as a source',
      { ...shop, tables: { events: sales } },
      /tables\.events: the name is taken/,
    ],
    ['a table named as the audit', { ...shop, tables: { processing_metadata: sales } }, /the name is taken/],
    ['a source that hides the dead letters', { ...shop, sources: { dead_letters: events } }, /lake's own/],
    [
      'an unknown type',
      withTable({ schema: { id: 'text' } }),
      /tables\.sales\.schema: .*'text' is not a type/,
    ],
    [
      'a key that is no column',
      withTable({ key: ['idd'] }),
      /tables\.sales\.key: .*no column idd; it has id, amount, day/,
    ],
    ['a partition that is no column', withTable({ partition: ['dya'] }), /tables\.sales\.partition: .*dya/],
    ['a partition that is no expression', withTable({ partition: ['week(day)'] }), /week\(day\)/],
    ['newBy that is no column', withTable({ newBy: 'eid' }), /tables\.sales\.newBy: .*no column eid/],
    ['newBy that is no string', withTable({ newBy: 'amount' }), /must be a string, not double/],
    ['newBy of an append', withTable({ write: 'append' }), /only insert-new/],
    ['an unknown write mode', withTable({ write: 'merge' }), /tables\.sales\.write/],
    [
      'overwriting without partitions',
      withTable({ write: 'overwrite-partitions', partition: [], newBy: undefined }),
      /needs a partition/,
    ],
    ['a SQL file outside', withTable({ sql: '../sales.sql' }), /tables\.sales\.sql: .*inside the folder/],
    ['an absolute SQL file', withTable({ sql: '/etc/x.sql' }), /inside the folder/],
    [
      'an identity that the schema lacks',
      withSource({ identity: ['body.when'] }),
      /sources\.events\.identity: .*body\.when/,
    ],
    ['no identity', withSource({ identity: [] }), /sources\.events\.identity: must name/],
    [
      'a field of the envelope',
      withSource({ schema: { ...events.schema, _offset: 'long' } }),
      /_offset is a column of the envelope/,
    ],
    ['a topic that is a path', withSource({ topic: '../events' }), /sources\.events\.topic/],
    ['an absurd size', withSource({ maxDocumentBytes: 1e12 }), /at most 256 MiB/],
    ['a cron of six fields', { ...shop, schedule: { nightly: '0 0 2 * * *' } }, /five fields/],
    [
      'an unknown time zone',
      { ...shop, schedule: { nightly: '0 2 * * *', timezone: 'Mars/Olympus' } },
      /IANA/,
    ],
  ])('refuses %s and says where', (_, definition, message) => {
    expect(() => definePipeline(definition as PipelineDefinition)).toThrow(message)
  })

  it('names all that is wrong at once', () => {
    expect(() => definePipeline(withTable({ key: ['x'], partition: ['y'] }) as PipelineDefinition)).toThrow(
      /pipeline shop is not valid:\n {2}tables\.sales\.key: .*\n {2}tables\.sales\.partition: /,
    )
  })
})

describe('loading pipelines', () => {
  let folder: string
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'firn-pipelines-'))))
  afterEach(() => rmSync(folder, { recursive: true }))

  const write = (name: string, text: string): void => {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  const module = (definition: unknown): string => {
    const entry = pathToFileURL(join(packageRoot(), 'dist', 'index.js')).href
    return `import { definePipeline } from '${entry}'\nexport default definePipeline(${JSON.stringify(definition)})\n`
  }

  it('reads the definition and its SQL files, whatever their line ends', async () => {
    write('pipeline.mjs', module(shop))
    write('sql/sales.sql', 'SELECT 1\r\nAS id')
    expect(await loadPipeline(folder)).toMatchObject({
      name: 'shop',
      namespace: 'shop_features',
      directory: folder,
      sqlTexts: { 'sql/sales.sql': 'SELECT 1\nAS id' },
    })
  })

  it.each<readonly [string, () => void, RegExp]>([
    ['a folder without a pipeline', () => undefined, /has no pipeline\.js/],
    [
      'a missing SQL file',
      () => write('pipeline.mjs', module(shop)),
      /SQL file sql\/sales\.sql .* can't be read/,
    ],
    ['a module without a default', () => write('pipeline.mjs', 'export const x = 1'), /no default export/],
    ['a module that fails', () => write('pipeline.mjs', 'null.x'), /can't be loaded/],
    [
      'a wrong definition',
      () => write('pipeline.mjs', module({ ...shop, name: 'Shop' })),
      /must be lower case/,
    ],
    [
      'a SQL file that is a link out of the folder',
      () => {
        write('p/pipeline.mjs', '')
        write('pipeline.mjs', module(shop))
        mkdirSync(join(folder, 'sql'))
        symlinkSync('/etc/hostname', join(folder, 'sql/sales.sql'))
      },
      /leads out of the pipeline's folder/,
    ],
  ])('refuses %s', async (_, prepare, message) => {
    prepare()
    await expect(loadPipeline(folder)).rejects.toThrow(message)
  })

  it('finds the built-in pipelines and those of further folders, which share no names', async () => {
    const small = { ...shop, tables: {} }
    write('a/pipeline.mjs', module(small))
    write('b/pipeline.mjs', module({ ...small, name: 'other' }))
    expect([...(await loadPipelines([folder])).keys()]).toEqual(['churn', 'quantum', 'shop', 'other'])
    await expect(loadPipelines([folder, join(folder, 'a')])).rejects.toThrow(/have one name/)
    write(
      'c/pipeline.mjs',
      module({ ...small, name: 'third', sources: { events: { ...events, topic: 'x' } } }),
    )
    await expect(loadPipelines([folder])).rejects.toThrow(/declare source events differently/)
    await expect(loadPipelines(['/no/such/folder'])).rejects.toThrow(/FIRN_PIPELINES/)
  })

  it('reads the SQL of views and label views', async () => {
    write('pipeline.mjs', module(SHOP))
    for (const [path, text] of Object.entries(SHOP_SQL)) write(path, text)
    expect((await loadPipeline(folder)).sqlTexts).toEqual(SHOP_SQL)
  })

  it('refuses two models of one name, whatever their pipelines', async () => {
    for (const [at, name] of ['one', 'two'].entries()) {
      const sources = { [`events${at}`]: SHOP.sources['events'] }
      write(`${name}/pipeline.mjs`, module({ ...SHOP, name, sources }))
      for (const [path, text] of Object.entries(SHOP_SQL)) write(`${name}/${path}`, text)
    }
    await expect(loadPipelines([folder])).rejects.toThrow(/both have a model churn, .*models:\/churn\/1/)
  })
})

describe('dependencies and fingerprints', () => {
  const pipelineOf = (sql: Readonly<Record<string, string>>): Pipeline => ({
    ...shop,
    namespace: 'shop_features',
    directory: '/nowhere',
    tables: Object.fromEntries(Object.keys(sql).map((name) => [name, { ...sales, sql: `${name}.sql` }])),
    sqlTexts: Object.fromEntries(Object.entries(sql).map(([name, text]) => [`${name}.sql`, text])),
  })

  it('come from the SQL, in groups that can be built side by side', async () => {
    const { groups, reads } = await tableDependencies(
      pipelineOf({
        totals: 'WITH s AS (SELECT * FROM sales) SELECT * FROM s JOIN days USING (day);',
        sales: 'SELECT e.* FROM events e CROSS JOIN batch',
        days: 'SELECT DISTINCT day FROM sales',
        returns:
          "SELECT * FROM events -- FROM totals\nWHERE id <> 'FROM days' AND id NOT IN (SELECT id FROM returns)",
      }),
    )
    expect(groups).toEqual([['sales', 'returns'], ['days'], ['totals']])
    expect(reads.get('totals')).toEqual(['days', 'sales'])
    expect(reads.get('returns')).toEqual(['events'])
  })

  it('name circles and names that mean nothing', async () => {
    await expect(
      tableDependencies(pipelineOf({ a: 'SELECT * FROM b', b: 'SELECT * FROM c', c: 'SELECT * FROM a' })),
    ).rejects.toThrow(/circle: a → b → c → a/)
    await expect(tableDependencies(pipelineOf({ a: 'SELECT * FROM evnts' }))).rejects.toThrow(
      /"evnts", which is not there: there are events, a, batch/,
    )
    await expect(tableDependencies(pipelineOf({ a: 'SELECT * FROM raw.events' }))).rejects.toThrow(
      /write events/,
    )
  })

  it('change with what decides the rows, and with nothing else', () => {
    const before = definitionFingerprint(pipelineOf({ a: 'SELECT 1', b: 'SELECT 2' }))
    const after = definitionFingerprint(pipelineOf({ b: 'SELECT 2', a: 'SELECT 3' }))
    expect(after.tables['b']).toBe(before.tables['b'])
    expect(after.tables['a']).not.toBe(before.tables['a'])
    expect(after.pipeline).not.toBe(before.pipeline)
    expect(definitionFingerprint(pipelineOf({ b: 'SELECT 2', a: 'SELECT 1' }))).toEqual(before)
  })

  it('find clocks and chance, but not in strings, comments or names', () => {
    expect(clockOrChance('SELECT now(), Current_Date, random ( ) FROM t USING SAMPLE 5')).toEqual([
      'now()',
      'Current_Date',
      'random()',
      'USING SAMPLE',
    ])
    expect(clockOrChance(`SELECT 'now()', "random", known(x) -- uuid()\n/* today() */ FROM t`)).toEqual([])
  })
})
