import { readdirSync, statSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { decodeValue } from '../../iceberg/spec/single-value.js'
import { applyTransform } from '../../iceberg/spec/transform.js'
import type { PrimitiveType } from '../../iceberg/spec/type.js'
import { toLocalPath } from '../../iceberg/io/location.js'
import { parseTableSchema } from '../../schemas/table-schema.js'
import { folder, scan, target, withSession } from './support.js'

async function sourceOf(files: readonly DataFile[], schema: Parameters<typeof scan>[1], sql: string) {
  return withSession(async (session) => {
    await session.addRelation(scan('t', schema, files))
    return (await session.query(sql)).rows
  })
}

describe('write', () => {
  test('keeps null, empty, special and hive-like partition values apart, by value and not by path', async () => {
    const schema = parseTableSchema({ id: 'int!', p: 'string', d: 'date' })
    const values = [null, '', 'null', '__HIVE_DEFAULT_PARTITION__', 'a/b=c d%\'"*?[x]', 'ö😀', '..']
    const written = await withSession(async (session) => {
      await session.addRelation({
        kind: 'rows',
        name: 'src',
        schema,
        rows: values.map((p, id) => ({ id, p, d: id % 2 === 0 ? null : -1 })),
      })
      return session.write('SELECT d, p, id FROM src', target(schema, ['id'], ['p', 'd']))
    })
    expect(written.rows).toBe(values.length)
    expect(new Set(written.files.map((file) => file.partition[0]))).toEqual(new Set(values))
    const rows = await sourceOf(written.files, schema, 'SELECT id, p, d FROM t ORDER BY id')
    expect(rows.map((row) => row['p'])).toEqual(values)
    for (const file of written.files) {
      expect(statSync(toLocalPath(file.filePath)).size).toBe(file.fileSizeInBytes)
      expect(file.recordCount).toBe(1)
    }
  })

  test('writes the same rows in the same order at 1, 2 and 8 threads, ordered float sums bit for bit', async () => {
    const schema = parseTableSchema({ k: 'long!', g: 'int!', s: 'double', l: 'list<double>' })
    const digest = async (threads: number): Promise<string[]> =>
      withSession(
        async (session) => {
          await session.addRelation({
            kind: 'query',
            name: 'src',
            sql: `SELECT i AS k, (i * 7919) % 100003 AS o, (i % 3)::INT AS g, sin(i) * pow(10, i % 13) AS x FROM range(130000) r(i)`,
          })
          const out = await session.write(
            `SELECT k, g, sum(x) OVER (PARTITION BY g, k // 1000 ORDER BY o, k) AS s,
               (SELECT list(v ORDER BY v) FROM (SELECT unnest([x, k]) v)) AS l FROM src`,
            target(schema, ['k'], ['g']),
          )
          expect(out.files).toHaveLength(3)
          const sums = await session.query(
            'SELECT g, sum(x ORDER BY k)::VARCHAR s FROM src GROUP BY g ORDER BY g',
          )
          await session.addRelation(scan('t', schema, out.files))
          const rows = await session.query('SELECT k, g, s::VARCHAR s, l::VARCHAR l FROM t', {
            limit: 500_000,
          })
          return [sums, rows].map((result) =>
            createHash('sha256')
              .update(result.rows.map((row) => JSON.stringify(Object.values(row).map(String))).join('\n'))
              .digest('hex'),
          )
        },
        { threads },
      )
    const one = await digest(1)
    expect(await digest(2)).toEqual(one)
    expect(await digest(8)).toEqual(one)
  })

  test('many rows of one partition become one sorted file, equal at 1, 2 and 8 threads', async () => {
    const schema = parseTableSchema({ k: 'string!', g: 'string', x: 'double' })
    const digest = async (threads: number): Promise<unknown> =>
      withSession(
        async (session) => {
          const out = await session.write(
            `SELECT 'key_' || (i * 7919) % 300007 AS k, 'one' AS g, sin(i) AS x FROM range(300000) r(i)`,
            target(schema, ['k'], ['g']),
          )
          expect(out).toMatchObject({ rows: 300_000, files: [{ partition: ['one'], recordCount: 300_000 }] })
          await session.addRelation(scan('t', schema, out.files))
          const unsorted = `SELECT count(*) n FROM (SELECT k < lag(k) OVER () AS d FROM t) WHERE d`
          expect((await session.query(unsorted)).rows).toEqual([{ n: 0n }])
          const rows = `md5(string_agg(k || x::VARCHAR, ',' ORDER BY row_no))`
          return (
            await session.query(`SELECT ${rows} h FROM (SELECT *, row_number() OVER () AS row_no FROM t)`)
          ).rows
        },
        { threads },
      )
    const one = await digest(1)
    expect(await digest(2)).toEqual(one)
    expect(await digest(8)).toEqual(one)
  })

  test.each([
    ['two values of a partition', `CASE WHEN i = 7 THEN 'two' ELSE 'one' END`, ['one', 'two']],
    [
      'a value too long for a bound',
      `'${'long'.repeat(8)}' || i % 2`,
      [`${'long'.repeat(8)}0`, `${'long'.repeat(8)}1`],
    ],
    ['a null among them', `CASE WHEN i <> 7 THEN 'one' END`, [null, 'one']],
  ])('many rows with %s are kept apart', async (_, partition, values) => {
    const schema = parseTableSchema({ k: 'long!', g: 'string' })
    const out = await withSession((session) =>
      session.write(`SELECT i AS k, ${partition} AS g FROM range(210000) r(i)`, target(schema, ['k'], ['g'])),
    )
    expect(out.rows).toBe(210_000)
    expect(out.files.map((file) => file.partition[0] ?? null).sort()).toEqual([...values].sort())
  })

  test('among many rows a null in a required column is data-invalid and leaves no file', async () => {
    const schema = parseTableSchema({ k: 'long!', x: 'double!' })
    const into = target(schema, ['k'])
    const writing = withSession((session) =>
      session.write('SELECT i AS k, CASE WHEN i <> 5 THEN 1.0 END AS x FROM range(210000) r(i)', into),
    )
    await expect(writing).rejects.toMatchObject({ kind: 'data-invalid', context: { column: 'x', rows: 1 } })
    expect(readdirSync(toLocalPath(into.dataLocation), { recursive: true })).toEqual([])
  })

  test('partition values of every transform equal applyTransform', async () => {
    const schema = parseTableSchema({
      i: 'int',
      l: 'long',
      s: 'string',
      d: 'date',
      ts: 'timestamp',
      tz: 'timestamptz',
      u: 'uuid',
      b: 'binary',
      dc: 'decimal(9, 2)',
    })
    const rows = [
      {
        i: -7,
        l: -12n,
        s: 'ééé😀x',
        d: -400,
        ts: -1n,
        tz: -90_000_000_000n,
        u: 'f79c3e09-677c-4bbd-a479-3f349cb785e7',
        b: Uint8Array.of(0, 255, 7),
        dc: '-10.65',
      },
      {
        i: 34,
        l: 9_007_199_254_740_993n,
        s: '',
        d: 20_000,
        ts: 1_700_000_000_123_456n,
        tz: 0n,
        u: '00000000-0000-0000-0000-000000000001',
        b: Uint8Array.of(),
        dc: '14.20',
      },
      { i: null, l: null, s: null, d: null, ts: null, tz: null, u: null, b: null, dc: null },
    ]
    const transforms: Record<string, readonly string[]> = {
      bucket: ['i', 'l', 's', 'd', 'ts', 'tz', 'u', 'b', 'dc'],
      truncate: ['i', 'l', 's', 'b', 'dc'],
      day: ['d', 'ts', 'tz'],
      month: ['d', 'ts', 'tz'],
      year: ['d', 'ts', 'tz'],
      hour: ['ts', 'tz'],
      '': ['i', 'l', 's', 'd', 'ts', 'tz', 'u', 'dc'],
    }
    for (const [transform, columns] of Object.entries(transforms)) {
      for (const column of columns) {
        const size = { bucket: '16, ', truncate: '3, ' }[transform] ?? ''
        const into = target(schema, ['s'], [transform === '' ? column : `${transform}(${size}${column})`])
        const { files } = await withSession(async (session) => {
          await session.addRelation({ kind: 'rows', name: 'src', schema, rows })
          return session.write('SELECT * FROM src', into)
        })
        const type = schema.fields.find((field) => field.name === column)?.type as PrimitiveType
        const expected = rows.map((row) => {
          const value = row[column as 's']
          const decimal = column === 'dc' && value !== null ? BigInt(value.replace('.', '')) : value
          return applyTransform(into.spec.fields[0]!.transform, type, decimal)
        })
        const show = (values: readonly unknown[]): string[] =>
          [
            ...new Set(
              values.map((value) =>
                value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value),
              ),
            ),
          ].sort()
        expect([column, transform, ...show(files.map((file) => file.partition[0]))]).toEqual([
          column,
          transform,
          ...show(expected),
        ])
      }
    }
  })

  test('bounds are cut upwards, -0 and NaN are handled, lists have none', async () => {
    const schema = parseTableSchema({
      s: 'string',
      x: 'double',
      n: 'double',
      z: 'float',
      l: 'list<int>',
      t: 'timestamptz',
      d: 'decimal(9,2)',
      m: 'string',
    })
    const { files } = await withSession((session) =>
      session.write(
        `SELECT unnest(['abcdefghijklmnopqrst', '${'z'.repeat(15)}\u{10FFFF}tail', NULL]) AS s, unnest([1.5, -2.5, 7]) AS x,
           unnest([1, 'nan'::DOUBLE, 2]) AS n, 0.0::FLOAT AS z, [1, NULL] AS l, TIMESTAMPTZ '1969-12-31 23:59:59.999999+00' AS t,
           unnest([-1.25, 3.5, 0])::DECIMAL(9,2) AS d, repeat('ö', 300) AS m`,
        target(schema, ['x']),
      ),
    )
    const [file] = files
    const lower = (id: number, type: PrimitiveType) => decodeValue(type, file!.lowerBounds!.get(id)!)
    const upper = (id: number, type: PrimitiveType) => decodeValue(type, file!.upperBounds!.get(id)!)
    expect(lower(1, 'string')).toBe('abcdefghijklmnop')
    expect(upper(1, 'string')).toBe(`${'z'.repeat(14)}{`)
    expect([lower(2, 'double'), upper(2, 'double')]).toEqual([-2.5, 7])
    expect(file!.lowerBounds!.has(3) || file!.upperBounds!.has(3) || file!.nanValueCounts!.has(3)).toBe(false)
    expect(Object.is(lower(4, 'float'), -0) && Object.is(upper(4, 'float'), 0)).toBe(true)
    expect([lower(6, 'timestamptz'), upper(6, 'timestamptz')]).toEqual([-1n, -1n])
    expect([lower(7, 'decimal(9, 2)'), upper(7, 'decimal(9, 2)')]).toEqual([-125n, 350n])
    expect(file!.nullValueCounts!.get(1)).toBe(1)
    expect([...file!.lowerBounds!.keys()]).not.toContain(9)
    expect(file!.columnSizes!.get(9)).toBeGreaterThan(0)
  })

  test('a null in a required column is data-invalid and leaves no file', async () => {
    const schema = parseTableSchema({ a: 'int!', l: 'list<struct<x: int!>>' })
    const into = target(schema, ['a'])
    const write = (sql: string) => withSession((session) => session.write(sql, into))
    await expect(write('SELECT unnest([1, NULL]) a, NULL l')).rejects.toMatchObject({
      kind: 'data-invalid',
      message: expect.stringMatching(/column 'a' is required but null in 1 rows/) as string,
    })
    await expect(write('SELECT 1 a, [{x: 1}, {x: NULL}] l')).rejects.toThrow(/column 'l' is required/)
    await expect(write("SELECT 'x' a, NULL l")).rejects.toMatchObject({ kind: 'data-invalid' })
    await expect(write('SELECT 1 a')).rejects.toThrow(/lacks l/)
    await expect(write('SELECT 1 a, NULL l, 2 b')).rejects.toThrow(/has b too/)
    expect((await write('SELECT 1 a, [{x: 1}, NULL] l')).files).toHaveLength(1)
    expect(readdirSync(toLocalPath(into.dataLocation))).toHaveLength(1)
  })

  test('a file larger than the target is split, in order, and no rows make no file', async () => {
    const schema = parseTableSchema({ k: 'long!', x: 'double' })
    const into = { ...target(schema, ['k']), targetFileSizeBytes: 300_000 }
    const { files } = await withSession((session) =>
      session.write('SELECT i AS k, random() AS x FROM range(200000) r(i)', into),
    )
    expect(files.length).toBeGreaterThan(3)
    for (const file of files) expect(file.fileSizeInBytes).toBeLessThan(400_000)
    const rows = await sourceOf(
      files,
      schema,
      'SELECT count(*) n, count(*) FILTER (WHERE k < before) bad FROM (SELECT k, lag(k) OVER () AS before FROM t)',
    )
    expect(rows).toEqual([{ n: 200_000n, bad: 0n }])
    const none = await withSession((session) => session.write('SELECT 1 AS k, 2 AS x WHERE false', into))
    expect(none).toEqual({ files: [], rows: 0 })
    expect(readdirSync(toLocalPath(into.dataLocation))).toHaveLength(files.length)
  })

  test('nested values, decimals and maps come back as they went in', async () => {
    const schema = parseTableSchema({
      id: 'int!',
      ll: 'list<list<double>>',
      st: 'list<struct<label: string, c: struct<re: double, im: double>>>',
      m: 'map<string, list<long>>',
      d: 'decimal(38, 10)',
      f: 'float',
      t: 'time',
      b: 'binary',
    })
    const row = {
      id: 1,
      ll: [[0.1, null], [], null],
      st: [{ label: 'XX', c: { re: 0.1 + 0.2, im: null } }, null],
      m: [{ key: 'a', value: [9_007_199_254_740_993n] }],
      d: '-1234567890123456789012345678.0000000001',
      f: 1.5,
      t: 1n,
      b: Uint8Array.of(0, 1),
    }
    const { files } = await withSession(async (session) => {
      await session.addRelation({ kind: 'rows', name: 'src', schema, rows: [row, { id: 2 }] as never })
      return session.write('SELECT * FROM src', target(schema, ['id'], ['bucket(4, d)']))
    })
    const rows = await sourceOf(files, schema, 'SELECT * FROM t ORDER BY id')
    expect(rows[0]).toEqual({ ...row, b: expect.anything() as unknown })
    expect(rows[1]?.['ll']).toBeNull()
    expect(folder).toBeTruthy()
  })
})
