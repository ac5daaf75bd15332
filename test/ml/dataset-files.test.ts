import { open, readFile, readdir, utimes, writeFile } from 'node:fs/promises'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDuckDBEngine } from '../../engine/index.js'
import type { EngineSession } from '../../engine/index.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import { toLocalPath } from '../../iceberg/io/location.js'
import type { Type } from '../../iceberg/spec/type.js'
import { datasetColumns } from '../../ml/datasets/dataset-columns.js'
import { loadTrainingTable } from '../../ml/datasets/load-training-table.js'
import { removeDataset, sweepDatasets } from '../../ml/datasets/sweep-datasets.js'
import { writeDataset, type WriteDatasetOptions } from '../../ml/datasets/write-dataset.js'
import type { ModelTask } from '../../schemas/model-definitions.js'

const folder = mkdtempSync(join(tmpdir(), 'firn-datasets-'))
const warehouse = `file://${join(folder, 'warehouse')}`
const engine = createDuckDBEngine({ tempDirectory: join(folder, 'temp') })
let uuids = 0
const deps = { catalog: { io: new LocalFileIO() }, warehouse, newUuid: () => `u${uuids++}` } as never
const list = (element: Type): Type => ({ type: 'list', 'element-id': 0, 'element-required': false, element })
let session: EngineSession

beforeAll(async () => {
  session = await engine.openSession()
})
afterAll(() => session.close())

const FEATURES = datasetColumns('double', [
  { name: 'amount', type: 'double' },
  { name: 'clicks', type: 'long' },
  { name: 'paid', type: 'boolean' },
  { name: 'price', type: 'decimal(9, 2)' },
  { name: 'country', type: 'string' },
  { name: 'image', type: list('float') },
])

/** 1,000 rows in disorder; rows 0 mod 10 are test, 1 mod 10 val. */
const ROWS = `
  SELECT '["' || lpad((i * 7 % 1000)::VARCHAR, 4, '0') || '"]' AS entity,
    TIMESTAMPTZ '2026-01-01' + INTERVAL (i * 7 % 1000) MINUTE AS event_timestamp,
    'g' || (i % 3) AS "group", CASE i % 10 WHEN 0 THEN 'test' WHEN 1 THEN 'val' ELSE 'train' END AS split,
    NULL AS batch, (i % 4 = 0)::DOUBLE AS label,
    CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN 'NaN'::DOUBLE WHEN 2 THEN 'inf'::DOUBLE ELSE i / 8 END AS "f:amount",
    i AS "f:clicks", CASE WHEN i % 6 <> 0 THEN i % 2 = 0 END AS "f:paid", i / 100 AS "f:price",
    CASE WHEN i % 9 <> 0 THEN 'land ' || (i % 4) END AS "f:country", [i, i + 0.5] AS "f:image"
  FROM range(1000) t(i)`

const write = (sql = ROWS, options: Partial<WriteDatasetOptions> = {}) =>
  writeDataset(deps, { session, sql, columns: FEATURES, task: 'binary-classification', ...options })

const filesThere = () => readdir(join(folder, 'warehouse', '_scratch', 'datasets'))

describe('writing', () => {
  test('one pass gives the file, its digests and what is in it', async () => {
    const written = await write()
    expect(written).toMatchObject({
      location: `${warehouse}/_scratch/datasets/${written.orderedDigest}.arrow`,
      rows: 1000,
      splits: {
        test: { rows: 100, classes: { '0': 50, '1': 50 } },
        train: { rows: 800, classes: { '0': 600, '1': 200 } },
        val: { rows: 100, classes: { '0': 100 } },
      },
    })
    const table = tableFromIPC(await readFile(toLocalPath(written.location)))
    expect(table.numRows).toBe(1000)
    expect(table.getChild('entity')?.get(999)).toBe('["0999"]')
  })

  test('the same rows in another order are the same file, byte for byte', async () => {
    const first = await write()
    const bytes = await readFile(toLocalPath(first.location))
    const second = await write(`SELECT * FROM (${ROWS}) ORDER BY hash(entity)`)
    expect(second).toEqual(first)
    expect((await readFile(toLocalPath(second.location))).equals(bytes)).toBe(true)
    expect(await filesThere()).toEqual([`${first.orderedDigest}.arrow`])
  })

  test('blocks of another size are another layout of the same data set', async () => {
    const [large, small] = [await write(), await write(ROWS, { blockRows: 64 })]
    expect(small).toEqual(large)
  })

  test('another feature leaves rows and test rows as they were, another label of one test row does not', async () => {
    const one = await write()
    const two = await write(
      `SELECT * REPLACE (i2 AS "f:clicks") FROM (SELECT *, "f:clicks" + 1 AS i2 FROM (${ROWS}))`,
    )
    expect(two.digest).not.toBe(one.digest)
    expect([two.rowsDigest, two.testDigest]).toEqual([one.rowsDigest, one.testDigest])
    const other = await write(`SELECT * REPLACE (1 - label AS label) FROM (${ROWS})`)
    expect(other.rowsDigest).not.toBe(one.rowsDigest)
    expect(other.testDigest).not.toBe(one.testDigest)
    const relabelled = (split: string) =>
      write(`SELECT * REPLACE (CASE WHEN entity = (SELECT min(entity) FROM (${ROWS}) WHERE split = '${split}')
        THEN 1 - label ELSE label END AS label) FROM (${ROWS})`)
    expect((await relabelled('test')).testDigest).not.toBe(one.testDigest)
    expect((await relabelled('train')).testDigest).toBe(one.testDigest)
  })

  test('the test rows of a data set without a split are all of them', async () => {
    const none = await write(`SELECT * REPLACE (NULL AS split) FROM (${ROWS})`)
    const tests = await write(`SELECT * REPLACE ('test' AS split) FROM (${ROWS})`)
    expect(none.testDigest).toBe(tests.testDigest)
    expect(none.splits).toMatchObject({ all: { rows: 1000 } })
  })

  test('minus zero is written as zero, so that rows that sort alike are alike', async () => {
    const zeros = (a: string, b: string, options: Partial<WriteDatasetOptions> = {}) =>
      write(
        `SELECT * REPLACE ('x' AS entity, TIMESTAMPTZ '2026-01-01' AS event_timestamp, 'g' AS "group",
        'train' AS split, 1.0 AS label, CASE WHEN "f:clicks" = 1 THEN ${a} ELSE ${b} END AS "f:amount", 5 AS "f:clicks",
        true AS "f:paid", 1 AS "f:price", 'c' AS "f:country", ['-0'::FLOAT] AS "f:image") FROM (${ROWS}) WHERE "f:clicks" < 3`,
        options,
      )
    const plus = await zeros(`0::DOUBLE`, `0::DOUBLE`)
    expect(await zeros(`'-0'::DOUBLE`, `0::DOUBLE`)).toEqual(plus)
    // Columns that the rows are not sorted by too: a sort takes the sign off.
    expect(await zeros(`'-0'::DOUBLE`, `0::DOUBLE`, { orderBy: ['entity'] })).toEqual(plus)
    const table = tableFromIPC(await readFile(toLocalPath(plus.location)))
    expect([...(table.getChild('f:image')?.get(0) ?? [])]).toEqual([0])
  })

  test('nothing stays where the query fails', async () => {
    const before = await filesThere()
    await expect(write(`SELECT * REPLACE (error('no') AS label) FROM (${ROWS})`)).rejects.toThrow('no')
    expect(await filesThere()).toEqual(before)
  })

  test('a data set may be empty', async () => {
    const written = await write(`SELECT * FROM (${ROWS}) WHERE false`)
    expect(written).toMatchObject({ rows: 0, splits: {} })
    const table = await load(written, 'binary-classification')
    expect(table.rows).toBe(0)
    expect(table.columns.map((column) => column.name)).toContain('amount')
  })
})

const load = (
  { location, orderedDigest }: { readonly location: string; readonly orderedDigest: string },
  task: ModelTask,
  options: { readonly labels?: 'optional'; readonly onWarning?: (text: string) => void } = {},
) => loadTrainingTable(toLocalPath(location), { orderedDigest, task, ...options })

describe('loading', () => {
  test('columns are as models take them', async () => {
    const table = await load(await write(ROWS, { blockRows: 300 }), 'binary-classification')
    const oracle = (await session.query(`${ROWS} ORDER BY entity`, { limit: 2000 })).rows
    expect(table.rows).toBe(1000)
    expect(table.entities).toEqual(oracle.map((row) => row['entity']))
    expect([...table.times]).toEqual(oracle.map((row) => row['event_timestamp']))
    expect(table.groups).toEqual(oracle.map((row) => row['group']))
    expect(table.splits).toEqual(oracle.map((row) => row['split']))
    expect([...table.labels]).toEqual(oracle.map((row) => row['label']))
    expect(table.classes).toBeUndefined()
    const clicks = oracle.map((row) => Number(row['f:clicks']))
    const number = (of: (i: number) => number) => Float64Array.from(clicks, of)
    expect(table.columns).toEqual([
      { kind: 'number', name: 'amount', values: number((i) => (i % 5 < 3 ? NaN : i / 8)) },
      { kind: 'number', name: 'clicks', values: number((i) => i) },
      { kind: 'number', name: 'paid', values: number((i) => (i % 6 === 0 ? NaN : Number(i % 2 === 0))) },
      { kind: 'number', name: 'price', values: number((i) => i / 100) },
      {
        kind: 'category',
        name: 'country',
        values: clicks.map((i) => (i % 9 === 0 ? null : `land ${i % 4}`)),
      },
      {
        kind: 'tensor',
        name: 'image',
        size: 2,
        values: Float32Array.from(clicks.flatMap((i) => [i, i + 0.5])),
      },
    ])
  })

  test('one changed byte of the rows is found, and said', async () => {
    const written = await write()
    const path = toLocalPath(written.location)
    const bytes = await readFile(path)
    const at = bytes.indexOf('["0500"]')
    await writeFile(path, bytes.fill('9', at + 2, at + 3))
    await expect(load(written, 'binary-classification')).rejects.toMatchObject({
      kind: 'contract-broken',
      message: expect.stringContaining('was changed'),
    })
    await write()
    await expect(load(written, 'binary-classification')).resolves.toMatchObject({ rows: 1000 })
  })

  test('a file that is cut off, is another, or is gone says so', async () => {
    const written = await write()
    const path = toLocalPath(written.location)
    const bytes = await readFile(path)
    for (const length of [0, 5, 100, bytes.length >> 1, bytes.length - 1]) {
      const file = await open(path, 'r+')
      await file.truncate(length)
      await file.close()
      await expect(load(written, 'binary-classification')).rejects.toMatchObject({ kind: 'contract-broken' })
      await writeFile(path, bytes)
    }
    await removeDataset(deps, written.location)
    await expect(load(written, 'binary-classification')).rejects.toMatchObject({ kind: 'not-found' })
  })

  const labelled = (label: string) => write(`SELECT * REPLACE (${label} AS label) FROM (${ROWS})`)
  const texts = datasetColumns('string', [{ name: 'clicks', type: 'long' }])

  test.each([
    ['binary-classification', 'null where "f:clicks" = 7', 'CASE WHEN "f:clicks" <> 7 THEN 1 END'],
    ['binary-classification', '2', '2'],
    ['regression', 'NaN', "'NaN'::DOUBLE"],
    ['regression', 'infinite', "'inf'::DOUBLE"],
  ] as const)('a label that is no label fails: %s, %s', async (task, _, label) => {
    await expect(load(await labelled(label), task)).rejects.toMatchObject({
      kind: 'training-failed',
      message: expect.stringMatching(/^row \d+ of the data set has the label .+ needs/),
    })
  })

  test('classes are sorted, and rows to be scored need no label', async () => {
    const sql = `SELECT * REPLACE (['b', 'ä', 'a'][1 + "f:clicks" % 3] AS label) FROM (${ROWS})`
    const written = await write(sql, { columns: texts, task: 'multiclass-classification' })
    const table = await load(written, 'multiclass-classification')
    expect(table.classes).toEqual(['a', 'b', 'ä'])
    expect(written.splits['val']?.classes).toEqual({ a: 33, b: 33, ä: 34 })
    const clicks = [...(table.columns[0] as { values: Float64Array }).values]
    expect([...table.labels]).toEqual(clicks.map((i) => [1, 2, 0][i % 3]))
    const none = await write(`SELECT * REPLACE (NULL AS label) FROM (${ROWS})`)
    const scored = await load(none, 'binary-classification', { labels: 'optional' })
    expect(scored.labels.every(Number.isNaN)).toBe(true)
    expect(scored.splits).toBeUndefined()
  })

  test('rows without a split among rows with one fail', async () => {
    const some = await write(`SELECT * REPLACE (nullif(split, 'val') AS split) FROM (${ROWS})`)
    await expect(load(some, 'binary-classification')).rejects.toMatchObject({
      kind: 'training-failed',
      message: expect.stringContaining('100 of 1000 rows have no split'),
    })
  })

  test.each([
    ['null', 'CASE WHEN "f:clicks" <> 500 THEN [1.0] END'],
    ['longer', 'CASE WHEN "f:clicks" <> 500 THEN [1.0] ELSE [1.0, 2.0] END'],
    ['with a gap', 'CASE WHEN "f:clicks" <> 500 THEN [1.0] ELSE [NULL] END'],
  ])('a tensor that is %s fails', async (_, image) => {
    const written = await write(`SELECT * REPLACE (${image} AS "f:image") FROM (${ROWS})`)
    await expect(load(written, 'binary-classification')).rejects.toMatchObject({
      kind: 'training-failed',
      message: expect.stringContaining('feature "image", row 500'),
    })
  })

  test('a long that loses digits is told of', async () => {
    const written = await write(`SELECT * REPLACE (9007199254740993 AS "f:clicks") FROM (${ROWS})`)
    const warnings: string[] = []
    await load(written, 'binary-classification', { onWarning: (text) => warnings.push(text) })
    expect(warnings).toEqual([expect.stringContaining('feature "clicks": 1000 of 1000 values are beyond')])
  })
})

test('scratch that is older than any training is swept, what was built again stays', async () => {
  const [old, young] = [await write(), await write(ROWS.replace('i % 4', 'i % 5'))]
  const then = new Date(Date.now() - 10 * 86_400_000)
  await utimes(toLocalPath(old.location), then, then)
  await utimes(toLocalPath(young.location), then, then)
  await write(ROWS.replace('i % 4', 'i % 5'))
  const dated = { ...(deps as object), now: () => Date.now() } as never
  const before = await filesThere()
  const swept = await sweepDatasets(dated, { olderThanMs: 7 * 86_400_000 })
  expect(swept.removed).toBe(1)
  expect(swept.bytes).toBeGreaterThan(10_000)
  expect(await filesThere()).toEqual(before.filter((name) => name !== `${old.orderedDigest}.arrow`))
})
