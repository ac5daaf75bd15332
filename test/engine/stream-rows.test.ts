import type { RecordBatch } from 'apache-arrow'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EngineSession, StreamOptions } from '../../engine/engine.js'
import { engine } from './support.js'

let session: EngineSession

beforeAll(async () => {
  session = await engine.openSession()
})
afterAll(() => session.close())

async function collect(sql: string, options?: StreamOptions) {
  const batches: RecordBatch[] = []
  for await (const batch of session.stream(sql, options)) batches.push(batch)
  return batches
}

function values(batches: readonly RecordBatch[], column: number): unknown[] {
  return batches.flatMap((batch) => [...(batch.getChildAt(column) ?? [])].map(plain))
}

/** Lists as arrays, bytes as numbers. */
function plain(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value
  if (ArrayBuffer.isView(value)) return [...(value as unknown as Iterable<unknown>)]
  return [...(value as Iterable<unknown>)].map(plain)
}

describe('values of every type, nulls between them', () => {
  const one = (sql: string) => collect(`SELECT * FROM (VALUES (${sql}), (NULL), (${sql})) t(x)`)
  const cases: [sql: string, type: string, expected: unknown][] = [
    ['true', 'Bool', true],
    ['(-7)::TINYINT', 'Int8', -7],
    ['(-300)::SMALLINT', 'Int16', -300],
    ['2147483647::INTEGER', 'Int32', 2147483647],
    ['9007199254740993::BIGINT', 'Int64', 9007199254740993n],
    ['255::UTINYINT', 'Uint8', 255],
    ['65535::USMALLINT', 'Uint16', 65535],
    ['4294967295::UINTEGER', 'Uint32', 4294967295],
    ['18446744073709551615::UBIGINT', 'Uint64', 18446744073709551615n],
    ['1.5::FLOAT', 'Float32', 1.5],
    ["'NaN'::DOUBLE", 'Float64', NaN],
    ["'-0'::DOUBLE", 'Float64', -0],
    ["''", 'Utf8', ''],
    ["'twelve bytes'", 'Utf8', 'twelve bytes'],
    ["'a text beyond twelve bytes, ünïcödé 🦆'", 'Utf8', 'a text beyond twelve bytes, ünïcödé 🦆'],
    ["'\\x00\\xFF'::BLOB", 'Binary', [0, 255]],
    [
      "'00112233-4455-6677-8899-aabbccddeeff'::UUID",
      'FixedSizeBinary[16]',
      [0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255],
    ],
    ['[1.5, NULL, 2.5]::DOUBLE[]', 'List<Float64>', [1.5, null, 2.5]],
    ['[]::FLOAT[]', 'List<Float32>', []],
    ["['a', 'a text beyond twelve bytes']", 'List<Utf8>', ['a', 'a text beyond twelve bytes']],
    ['[[1], [], NULL, [2, 3]]::INTEGER[][]', 'List<List<Int32>>', [[1], [], null, [2, 3]]],
    ['[1.5, 2.5, 3.5]::DOUBLE[3]', 'List<Float64>', [1.5, 2.5, 3.5]],
  ]
  test.each(cases)('%s', async (sql, type, expected) => {
    const batches = await one(sql)
    expect(String(batches[0]?.schema.fields[0]?.type)).toBe(type)
    expect(values(batches, 0)).toEqual([expected, null, expected])
    expect(batches[0]?.getChildAt(0)?.nullCount).toBe(1)
  })

  const raw: [sql: string, type: string, words: (number | bigint)[]][] = [
    ["DATE '1969-12-31'", 'Date32<DAY>', [-1]],
    ["TIMESTAMPTZ '1970-01-01 01:00:00.000001+01:00'", 'Timestamp<MICROSECOND, UTC>', [1n]],
    ["TIMESTAMP '1969-12-31 23:59:59.999999'", 'Timestamp<MICROSECOND>', [-1n]],
    ["TIME '00:00:00.000007'", 'Time64<MICROSECOND>', [7n]],
    ['(-1.23)::DECIMAL(4, 2)', 'Decimal[4e+2]', [4294967173, 4294967295, 4294967295, 4294967295]],
    ['(-1.23)::DECIMAL(9, 2)', 'Decimal[9e+2]', [4294967173, 4294967295, 4294967295, 4294967295]],
    ['12345678901.23::DECIMAL(18, 2)', 'Decimal[18e+2]', [1912276171, 287, 0, 0]],
    ['18446744073709551616::DECIMAL(38, 0)', 'Decimal[38e0]', [0, 0, 1, 0]],
  ]
  test.each(raw)('%s', async (sql, type, words) => {
    const [batch] = await one(sql)
    const data = batch?.getChildAt(0)?.data[0]
    expect(String(data?.type)).toBe(type)
    const zeros = words.map((word) => (typeof word === 'bigint' ? 0n : 0))
    expect([...(data?.values as Iterable<number>)]).toEqual([...words, ...zeros, ...words])
  })

  test.each(['{a: 1}', 'MAP {1: 2}', 'INTERVAL 1 DAY', '1::HUGEINT'])('%s is refused', async (sql) => {
    await expect(one(sql)).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringContaining('column "x"'),
    })
  })
})

describe('batches', () => {
  test('the same rows are the same batches, whatever the threads and chunks', async () => {
    const text = `CASE WHEN i % 7 = 0 THEN NULL WHEN i % 3 = 0 THEN 'short' ELSE repeat('x', (i % 50)::INT) || i END`
    const list = `CASE WHEN i % 5 = 0 THEN NULL ELSE list_transform(range(i % 4), n -> n * 1.5::DOUBLE) END`
    const bool = `CASE WHEN i % 11 = 0 THEN NULL ELSE i % 2 = 0 END`
    const check = async (rows: number, keep: number, batchRows: number) => {
      const sql = `SELECT i, ${text} AS t, ${list} AS l, ${bool} AS b FROM range(${rows}) r(i) WHERE i % ${keep} <> 0`
      const expected = (await session.query(sql, { limit: 100_000 })).rows
      const batches = await collect(sql, { batchRows })
      expect(batches.slice(0, -1).every((batch) => batch.numRows === batchRows)).toBe(true)
      for (const [column, name] of ['i', 't', 'l', 'b'].entries()) {
        expect(values(batches, column)).toEqual(expected.map((row) => row[name]))
      }
    }
    await fc.assert(
      fc.asyncProperty(
        fc.nat(9000),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 5000 }),
        check,
      ),
      { numRuns: 12 },
    )
  })

  test('batches whose memory is used again hold the same rows until the next one is asked for', async () => {
    const sql = `SELECT i, CASE WHEN i % 3 > 0 THEN 'text ' || i END AS t, [i, i + 1] AS l, i % 2 = 0 AS b FROM range(9000) t(i)`
    const expected = await collect(sql, { batchRows: 700 })
    let at = 0
    for await (const batch of session.stream(sql, { batchRows: 700, reuse: true })) {
      const before = expected[at++]
      for (const column of [0, 1, 2, 3]) {
        expect(values([batch], column)).toEqual(values(before === undefined ? [] : [before], column))
      }
    }
    expect(at).toBe(13)
  })

  test('nothing of a batch is lost to the garbage collector, however often it runs', async () => {
    let [rows, sum, length] = [0, 0n, 0]
    const sql = `SELECT i, 'a text beyond twelve bytes ' || i AS t FROM range(1_000_000) t(i)`
    for await (const batch of session.stream(sql, { reuse: true })) {
      rows += batch.numRows
      for (const value of batch.getChildAt(0)?.data[0]?.values as BigInt64Array) sum += value
      length += (batch.getChildAt(1)?.data[0]?.values as Uint8Array).length
    }
    expect([rows, sum, length]).toEqual([1_000_000, 499_999_500_000n, 27_000_000 + 5_888_890])
  })

  test('wide rows end a batch before its rows do, at a multiple of 256', async () => {
    const batches = await collect(`SELECT repeat('x', 1000) AS t FROM range(2000)`, { batchBytes: 500_000 })
    expect(batches.map((batch) => batch.numRows)).toEqual([512, 512, 512, 464])
  })

  test('what lies below a null is zero', async () => {
    const [batch] = await collect(`SELECT CASE WHEN i <> 1 THEN i END AS x FROM (VALUES (5), (1), (7)) t(i)`)
    expect([...(batch?.getChildAt(0)?.data[0]?.values as Int32Array)]).toEqual([5, 0, 7])
  })

  test('rows behind the last null have their values', async () => {
    const [batch] = await collect(`SELECT CASE WHEN i <> 1 THEN i END AS x FROM range(5000) t(i)`)
    const column = batch?.getChildAt(0)
    expect([column?.nullCount, column?.get(1), column?.get(4999)]).toEqual([1, null, 4999n])
    expect(column?.data[0]?.nullBitmap.length).toBe(625)
  })

  test('no rows are no batches', async () => {
    expect(await collect('SELECT 1 AS x WHERE false')).toEqual([])
  })
})

describe('a stream and its session', () => {
  const MANY = 'SELECT i, i * 1.5 AS x FROM range(50_000_000) t(i)'

  test('other calls run while somebody reads, and a reader may stop', async () => {
    for (let time = 0; time < 3; time++) {
      for await (const batch of session.stream(MANY)) {
        expect(batch.numRows).toBe(16_384)
        expect((await session.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
        break
      }
    }
    expect((await session.query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }])
  })

  test('two streams at once do not disturb each other', async () => {
    await session.addRelation({ kind: 'query', name: 'shared', sql: 'SELECT i FROM range(100000) t(i)' })
    const sum = async (): Promise<bigint> => {
      let total = 0n
      for await (const batch of session.stream('SELECT * FROM shared')) {
        for (const value of batch.getChildAt(0) ?? []) total += value as bigint
      }
      return total
    }
    expect(await Promise.all([sum(), sum()])).toEqual([4999950000n, 4999950000n])
  })

  test('an aborted one ends with cancelled', async () => {
    const controller = new AbortController()
    const own = await engine.openSession({ signal: controller.signal })
    const read = async (): Promise<void> => {
      for await (const batch of own.stream(MANY)) {
        expect(batch.numRows).toBeGreaterThan(0)
        controller.abort()
      }
    }
    await expect(read()).rejects.toMatchObject({ kind: 'cancelled' })
    await own.close()
  })

  test('closing the session ends it', async () => {
    const own = await engine.openSession()
    const batches = own.stream(MANY)[Symbol.asyncIterator]()
    await batches.next()
    await own.close()
    await expect(batches.next()).rejects.toMatchObject({ message: expect.stringContaining('closed') })
  })

  test('an error in the midst of the rows is told', async () => {
    const sql = `SELECT CASE WHEN i = 400000 THEN error('row 400000') ELSE i::VARCHAR END AS x FROM range(500000) t(i)`
    await expect(collect(sql)).rejects.toThrow('row 400000')
    await expect(collect('SELECT nothing')).rejects.toMatchObject({ kind: 'sql-invalid' })
    await expect(collect('CREATE TABLE t (i INT)')).rejects.toMatchObject({ kind: 'sql-invalid' })
  })
})
