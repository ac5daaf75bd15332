import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDuckDBEngine } from '../../engine/duckdb/duckdb-engine.js'
import type { Engine } from '../../engine/engine.js'
import { checkPipeline } from '../../lake/define/check-pipeline.js'
import { definePipeline } from '../../lake/define/define-pipeline.js'
import { tableDependencies } from '../../lake/define/dependencies.js'
import { definitionFingerprint } from '../../lake/define/fingerprint.js'
import { parseDuration } from '../../schemas/duration.js'
import { pipelineGraph } from '../../lake/features/pipeline-graph.js'
import { planRefresh, watermarkAt } from '../../lake/windows/plan-refresh.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { shopPipeline } from './support/window-model.js'

const { per_user: perUser } = shopPipeline.tables
const definition = { name: 'shop', sources: shopPipeline.sources, tables: { per_user: perUser! } }
const withTable = (changes: object) => ({ ...definition, tables: { per_user: { ...perUser!, ...changes } } })
const withSource = (changes: object) => ({
  ...definition,
  sources: { clicks: { ...shopPipeline.sources['clicks']!, ...changes } },
})

describe('the definition of a window table', () => {
  it('is fine as the pages show it', () => {
    expect(() => definePipeline(definition)).not.toThrow()
    const bucketed = { partition: ['day(window_end)', 'bucket(16, user)'] }
    expect(() => definePipeline(withTable(bucketed))).not.toThrow()
    expect(() =>
      definePipeline(withSource({ contract: 'freeze', eventTime: 'price', startAt: 'latest' })),
    ).not.toThrow()
  })

  it.each<readonly [string, object, RegExp]>([
    [
      'no size that is a span',
      withTable({ window: { size: '5 minutes' } }),
      /per_user\.window\.size: '5 minutes' .*30s, 5m/,
    ],
    ['windows without length', withTable({ window: { size: '0m' } }), /not between 1s and 31d/],
    ['windows of months', withTable({ window: { size: '60d' } }), /not between 1s and 31d/],
    [
      'a lateness that is no span',
      withTable({ window: { size: '5m', lateness: 'soon' } }),
      /window\.lateness: 'soon'/,
    ],
    ['an unknown way of writing', withTable({ window: { size: '5m', mode: 'replace' } }), /window\.mode/],
    ['an unknown setting', withTable({ window: { size: '5m', slide: '1m' } }), /Unrecognized key: "slide"/],
    ['no SQL', withTable({ sql: undefined }), /rows come from SQL/],
    [
      'no window_end',
      withTable({ schema: { user: 'string!' }, key: ['user'], partition: ['user'] }),
      /needs window_end: 'timestamptz!'/,
    ],
    [
      'a window_end that may be null',
      withTable({ schema: { ...perUser!.schema, window_end: 'timestamptz' } }),
      /not 'timestamptz'/,
    ],
    ['a key without it', withTable({ key: ['user'] }), /per_user\.key: .*add window_end/],
    ['a partition that is not of it', withTable({ partition: ['user'] }), /partitioned by its windows/],
    ['another write mode', withTable({ write: 'append' }), /say overwrite-partitions, not append/],
    [
      'an event time that is no field',
      withSource({ eventTime: 'at' }),
      /sources\.clicks\.eventTime: the schema has no field at/,
    ],
    [
      'an event time that is no time',
      withSource({ schema: { user: 'string', price: 'double' }, eventTime: 'price' }),
      /price is double, which holds no time/,
    ],
    [
      'a field that hides a column of windows',
      withSource({ schema: { user: 'string', _window_end: 'string' } }),
      /column of the envelope/,
    ],
    ['an unknown contract', withSource({ contract: 'strict' }), /sources\.clicks\.contract/],
    ['an unknown start', withSource({ startAt: 'now' }), /sources\.clicks\.startAt/],
  ])('with %s is refused', (_, wrong, message) => {
    expect(() => definePipeline(wrong as typeof definition)).toThrow(message)
  })

  it('changes its fingerprint, and none of a table without windows', () => {
    const other = {
      ...shopPipeline,
      tables: { ...shopPipeline.tables, per_user: { ...perUser!, window: { size: '1m' } } },
    }
    const [before, after] = [definitionFingerprint(shopPipeline), definitionFingerprint(other)]
    expect(after.tables['per_user']).not.toBe(before.tables['per_user'])
    expect(after.tables['visits']).toBe(before.tables['visits'])
  })
})

describe('the SQL of window tables', () => {
  let engine: Engine
  const folder = mkdtempSync(join(tmpdir(), 'firn-windows-'))
  beforeAll(() => (engine = createDuckDBEngine({ tempDirectory: folder })))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const withSql = (
    sql: string,
    more: Pipeline['tables'] = {},
    texts: Readonly<Record<string, string>> = {},
  ): Pipeline => ({
    ...shopPipeline,
    tables: { ...shopPipeline.tables, ...more },
    sqlTexts: { ...shopPipeline.sqlTexts, 'per_user.sql': sql, ...texts },
  })
  const batchTable = { schema: { n: 'long' }, key: ['n'], partition: [], write: 'append' } as const

  it('is no part of a batch', async () => {
    const totals = { ...batchTable, sql: 'totals.sql' }
    const pipeline = withSql(
      shopPipeline.sqlTexts['per_user.sql']!,
      { totals },
      { 'totals.sql': 'SELECT count(*) AS n FROM clicks' },
    )
    const graph = await pipelineGraph(pipeline)
    expect(graph.order).toEqual(['totals'])
    expect([...graph.windows]).toEqual([
      ['per_user', 'clicks'],
      ['visits', 'clicks'],
    ])
    expect(await checkPipeline(pipeline, engine)).toEqual([])
  })

  it.each([
    [
      'batch',
      'SELECT "user", _window_end AS window_end, 1::BIGINT AS clicks, 1::BIGINT AS spent FROM clicks CROSS JOIN batch',
    ],
    ['another table', 'SELECT "user", window_end, clicks, spent FROM visits'],
    [
      'itself',
      'SELECT c."user", c._window_end AS window_end, 1 AS clicks, 1 AS spent FROM clicks c JOIN per_user USING ("user")',
    ],
  ])('may not read %s', async (_, sql) => {
    await expect(tableDependencies(withSql(sql))).rejects.toThrow(
      /window table per_user .* must come from one source alone/,
    )
    expect(await checkPipeline(withSql(sql), engine)).not.toEqual([])
  })

  it('is not read by a table of the batch', async () => {
    const totals = { ...batchTable, sql: 'totals.sql' }
    const pipeline = withSql(
      shopPipeline.sqlTexts['per_user.sql']!,
      { totals },
      { 'totals.sql': 'SELECT count(*) AS n FROM visits' },
    )
    await expect(tableDependencies(pipeline)).rejects.toThrow(
      /totals of pipeline shop reads the window table visits.*Read the source/s,
    )
  })

  it('is checked against its source with the columns of windows', async () => {
    const [problem] = await checkPipeline(
      withSql('SELECT "user", _window_ends AS window_end, 1 AS clicks, 1 AS spent FROM clicks'),
      engine,
    )
    expect(problem?.message).toMatch(/_window_ends/)
    const [type] = await checkPipeline(
      withSql('SELECT "user", _window_end AS window_end, now()::VARCHAR AS clicks, 1 AS spent FROM clicks'),
      engine,
    )
    expect(type?.message).toMatch(/now\(\) differs from run to run/)
  })
})

describe('a refresh is planned', () => {
  const marker = { batch: 'b', windows: 0, rows: 0, late: 0 }
  const known = (rowEnd: number) => ({ kind: 'known', marker: { ...marker, rowEnd } }) as const
  const plan = (changes: Partial<Parameters<typeof planRefresh>[0]>) =>
    planRefresh({
      tables: [{ name: 'a', position: known(5) }],
      steps: [],
      ledgerEnd: 9,
      nowMs: 1000,
      ...changes,
    })

  it('from where each table is to the end of the ledger', () => {
    const tables = [
      { name: 'a', position: known(5) },
      { name: 'b', position: { kind: 'lost' } as const },
      { name: 'c', position: known(9) },
    ]
    expect(plan({ tables })).toEqual({
      rowEnd: 9,
      tables: [
        { name: 'a', rowFrom: 5 },
        { name: 'b', rowFrom: 0 },
      ],
    })
    expect(plan({ ledgerEnd: 5 })).toBeUndefined()
    expect(plan({ ledgerEnd: 3 })).toBeUndefined()
  })

  it('with a watermark that never falls, nor runs ahead of the clock', () => {
    const steps = [{ rowEnd: 5, watermarkMs: 500 }]
    expect(plan({ steps, watermarkMs: 400 })?.watermarkMs).toBe(500)
    expect(plan({ steps, watermarkMs: 600 })?.watermarkMs).toBe(600)
    expect(plan({ steps, watermarkMs: 99_999 })?.watermarkMs).toBe(1000)
    expect(plan({ watermarkMs: 0 })?.watermarkMs).toBe(0)
  })

  it('with the watermark that a history which was rolled back has left for these rows', () => {
    const steps = [
      { rowEnd: 5, watermarkMs: 500 },
      { rowEnd: 12, watermarkMs: 900 },
    ]
    expect(plan({ steps, watermarkMs: 800 })?.watermarkMs).toBe(500)
    expect([4, 5, 11, 12].map((row) => watermarkAt(steps, row))).toEqual([undefined, 500, 500, 900])
  })
})

it.each([
  ['30s', 30_000],
  ['5m', 300_000],
  ['1h', 3_600_000],
  ['2d', 172_800_000],
  ['5', undefined],
  ['-5m', undefined],
  ['1w', undefined],
  ['', undefined],
])('%j is a span of %s ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
})
