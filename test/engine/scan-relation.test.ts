import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { createRewriter } from '../../engine/duckdb/rewriter.js'
import type { Row } from '../../engine/engine.js'
import { writeRows } from '../../engine/parquet/write-rows.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { NestedField, Schema, Type } from '../../iceberg/spec/type.js'
import { ENVELOPE_COLUMNS } from '../../schemas/lake-tables.js'
import { parseDocumentSchema, parseTableSchema } from '../../schemas/table-schema.js'
import { engine, folder, scan, target, withSession } from './support.js'

const io = new LocalFileIO()

async function write(schema: Schema, rows: readonly Row[]): Promise<DataFile> {
  const { spec, dataLocation } = target(schema, [])
  return writeRows({ io, schema, spec, partition: [], dataLocation, rows, newUuid: randomUUID })
}

async function read(schema: Schema, files: readonly DataFile[], deletes: readonly DataFile[] = []) {
  return withSession(async (session) => {
    await session.addRelation(scan('ns.t', schema, files, deletes))
    return (await session.query('SELECT * FROM ns.t')).rows
  })
}

const column = (id: number, name: string, type: Type): NestedField => ({ id, name, required: false, type })
const schemaOf = (...fields: NestedField[]): Schema => ({ type: 'struct', 'schema-id': 0, fields })

/** A delete file: its columns have the ids that the spec reserves, or those of the table. */
async function deleteFile(
  content: 'position-deletes' | 'equality-deletes',
  schema: Schema,
  rows: readonly Row[],
) {
  const file = await write(schema, rows)
  const equalityIds = schema.fields.map((field) => field.id)
  return { ...file, content, ...(content === 'equality-deletes' ? { equalityIds } : {}) }
}

const POSITIONS = schemaOf(column(2147483546, 'file_path', 'string'), column(2147483545, 'pos', 'long'))

describe('scan relations', () => {
  test('columns are found by id: renamed, swapped, promoted, added, dropped and re-added', async () => {
    const old = schemaOf(
      column(1, 'a', 'int'),
      column(2, 'b', 'string'),
      column(3, 'gone', 'double'),
      column(4, 'day', 'float'),
    )
    const now = schemaOf(
      column(2, 'a', 'string'),
      column(1, 'b', 'long'),
      column(9, 'gone', 'double'),
      column(4, 'day', 'double'),
      column(10, 'c', 'list<int>' as never),
    )
    const fixed = {
      ...now,
      fields: now.fields.map((field) =>
        field.id === 10
          ? {
              ...field,
              type: { type: 'list', 'element-id': 11, 'element-required': false, element: 'int' } as const,
            }
          : field,
      ),
    }
    const first = await write(old, [{ a: 1, b: 'x', gone: 1.5, day: 0.5 }])
    const second = await write(fixed, [{ a: 'y', b: 2n, gone: 2.5, day: 1, c: [1] }])
    expect(await read(fixed, [first, second, first])).toEqual([
      { a: 'x', b: 1n, gone: null, day: 0.5, c: null },
      { a: 'y', b: 2n, gone: 2.5, day: 1, c: [1] },
      { a: 'x', b: 1n, gone: null, day: 0.5, c: null },
    ])
    expect(await read(fixed, [])).toEqual([])
  })

  test('fields inside structs, lists and maps are found by id too', async () => {
    const nested = (first: readonly NestedField[]): Schema =>
      schemaOf(
        column(1, 's', { type: 'struct', fields: first }),
        column(2, 'l', {
          type: 'list',
          'element-id': 20,
          'element-required': false,
          element: { type: 'struct', fields: first.map((f) => ({ ...f, id: f.id + 10 })) },
        }),
        column(3, 'm', {
          type: 'map',
          'key-id': 30,
          key: 'string',
          'value-id': 31,
          'value-required': false,
          value: { type: 'struct', fields: first.map((f) => ({ ...f, id: f.id + 40 })) },
        }),
      )
    const old = nested([column(5, 'x', 'int'), column(6, 'y', 'string')])
    const now = nested([column(6, 'x', 'string'), column(7, 'z', 'double'), column(5, 'w', 'long')])
    const value = { x: 1, y: 'a' }
    const file = await write(old, [{ s: value, l: [value, null], m: [{ key: 'k', value }] }, {}])
    const expected = { x: 'a', z: null, w: 1n }
    expect(await read(now, [file])).toEqual([
      { s: expected, l: [expected, null], m: [{ key: 'k', value: expected }] },
      { s: null, l: null, m: null },
    ])
  })

  test('a file without field ids is refused rather than read by name', async () => {
    const path = join(folder, 'no-ids.parquet')
    const schema = schemaOf(column(1, 'a', 'int'))
    const file = await write(schema, [{ a: 1 }])
    const { DuckDBInstance } = await import('@duckdb/node-api')
    const connection = await (await DuckDBInstance.create()).connect()
    await connection.run(`COPY (SELECT 1 AS a) TO '${path}' (FORMAT parquet)`)
    const other = { ...file, filePath: path, fileSizeInBytes: statSync(path).size }
    await expect(read(schema, [other])).rejects.toMatchObject({ kind: 'unsupported' })
  })

  test('position deletes remove rows of the file they name only', async () => {
    const schema = schemaOf(column(1, 'a', 'int'))
    const first = await write(schema, [{ a: 1 }, { a: 2 }, { a: 3 }])
    const second = await write(schema, [{ a: 4 }, { a: 5 }])
    const deletes = await deleteFile('position-deletes', POSITIONS, [
      { file_path: first.filePath, pos: 0n },
      { file_path: first.filePath, pos: 2n },
      { file_path: second.filePath, pos: 1n },
    ])
    // Deletes are joins, which keep no order.
    const live = (await read(schema, [first, second], [deletes])).map((row) => Number(row['a']))
    expect(live.toSorted()).toEqual([2, 4])
    const { spec, dataLocation } = target(schema, [])
    const tasks = [first, second].map((file, index) => ({
      file,
      sequenceNumber: 1,
      deletes: index === 0 ? [deletes] : [],
      residual: { kind: 'true' } as const,
    }))
    const files = await createRewriter(engine).rewrite({
      tasks,
      schema,
      spec,
      dataLocation,
      targetFileSizeBytes: 1e9,
    })
    expect(files).toHaveLength(1)
    expect((await read(schema, files)).map((row) => row['a'])).toEqual([2, 4, 5])
  })

  test('equality deletes compare by id, null equals null, over renamed and promoted columns', async () => {
    const old = schemaOf(column(1, 'k', 'int'), column(2, 'v', 'string'))
    const now = schemaOf(column(2, 'v', 'string'), column(1, 'key', 'long'))
    const file = await write(old, [
      { k: 1, v: 'a' },
      { k: null, v: 'b' },
      { k: 3, v: null },
      { k: 4, v: 'd' },
    ])
    const byKey = await deleteFile('equality-deletes', schemaOf(column(1, 'k', 'int')), [
      { k: 1 },
      { k: null },
    ])
    const byBoth = await deleteFile('equality-deletes', old, [
      { k: 3, v: null },
      { k: 4, v: 'other' },
    ])
    expect(await read(now, [file], [byKey, byBoth])).toEqual([{ v: 'd', key: 4n }])
  })

  test('deletion vectors are refused by name', async () => {
    const schema = schemaOf(column(1, 'a', 'int'))
    const file = await write(schema, [{ a: 1 }])
    const vector = { ...file, content: 'position-deletes', fileFormat: 'puffin' } as const
    await expect(read(schema, [file], [vector])).rejects.toThrow(/deletion vector/)
  })
})

describe('raw relations', () => {
  test('documents are read with declared types, doubles exactly, offsets within the range', async () => {
    const document = parseDocumentSchema({
      id: 'int',
      'note?': 'string',
      body: 'struct<x: list<list<double>>, n?: long>',
    })
    const payloads = [
      '{"id":1,"body":{"x":[[0.1234567890123456789,1e-300],[]],"n":9007199254740993},"unknown":{"a":1}}',
      '{ "id" : 2, "note":"ä\\n\\"", "body":{"x":[]}}',
      '{"id":3,"body":{"x":[[-0.0]]}}',
    ]
    const lines = payloads.map((payload, index) =>
      JSON.stringify({
        record_id: `r${index}`,
        topic: 't',
        path: null,
        partition: 0,
        offset: 10 + index,
        key: null,
        timestamp: '2026-07-01T00:00:00.001Z',
        payload,
      }),
    )
    mkdirSync(join(folder, 'raw'), { recursive: true })
    const location = `file://${folder}/raw/0-10-13.jsonl.gz`
    writeFileSync(join(folder, 'raw/0-10-13.jsonl.gz'), gzipSync(lines.join('\n') + '\n'))
    const envelope = parseTableSchema(ENVELOPE_COLUMNS)
    const rows = await withSession(async (session) => {
      await session.addRelation({
        kind: 'raw',
        name: 'docs',
        schema: document,
        envelope,
        objects: [{ location, first: 10, end: 12 }],
      })
      await session.addRelation({ kind: 'raw', name: 'none', schema: document, envelope, objects: [] })
      expect((await session.query('SELECT * FROM none')).columns.map((c) => c.name)).toContain('_record_id')
      return (await session.query('SELECT * FROM docs')).rows
    })
    expect(rows).toHaveLength(2)
    expect(rows[0]).toMatchObject({
      id: 1,
      note: null,
      body: { x: [[0.12345678901234568, 1e-300], []], n: 9_007_199_254_740_993n },
      _record_id: 'r0',
      _offset: 10n,
      _timestamp: 1_782_864_000_001_000n,
    })
    expect(rows[1]).toMatchObject({ id: 2, note: 'ä\n"', body: { x: [], n: null } })
  })
})

describe('sessions', () => {
  test('too many rows, other statements and broken SQL are told apart', async () => {
    await withSession(async (session) => {
      await expect(session.query('SELECT * FROM range(11)', { limit: 10 })).rejects.toMatchObject({
        kind: 'too-many-rows',
      })
      expect((await session.query('SELECT * FROM range(10)', { limit: 10 })).rows).toHaveLength(10)
      await expect(session.query('CREATE TABLE x AS SELECT 1')).rejects.toMatchObject({ kind: 'sql-invalid' })
      await expect(session.query('SELECT 1; DROP TABLE x')).rejects.toMatchObject({ kind: 'sql-invalid' })
      await expect(session.query('SELECT nothing')).rejects.toMatchObject({ kind: 'sql-invalid' })
      await expect(session.query("SELECT 'x'::INT")).rejects.toMatchObject({ kind: 'data-invalid' })
      expect(
        (await session.query("SELECT sum(i) s, now()::DATE > DATE '2020-01-01' n FROM range(3) r(i)")).rows,
      ).toEqual([{ s: 3n, n: true }])
    })
  })

  test('an abort stops the running query as cancelled', async () => {
    const controller = new AbortController()
    const session = await engine.openSession({ signal: controller.signal })
    setTimeout(() => controller.abort(), 50)
    await expect(
      session.query(
        'SELECT count(*) FROM range(10000000) a, range(100000) b WHERE (a.range * b.range) % 7 = 3',
      ),
    ).rejects.toMatchObject({ kind: 'cancelled' })
    await expect(session.query('SELECT 1')).rejects.toMatchObject({ kind: 'cancelled' })
    await session.close()
  })

  test('sessions do not see each other and may run at once', async () => {
    const run = (value: number) =>
      withSession(async (session) => {
        await session.addRelation({ kind: 'query', name: 'q.same', sql: `SELECT ${value} AS v` })
        return (await session.query('SELECT v FROM q.same')).rows[0]?.['v']
      })
    expect(await Promise.all([1, 2, 3].map(run))).toEqual([1, 2, 3])
  })

  test('times are in UTC whatever the process says', async () => {
    const { rows } = await withSession((session) =>
      session.query(
        "SELECT TIMESTAMPTZ '2026-03-29 02:30:00+00' AS t, TIMESTAMP '2026-03-29 02:30:00'::TIMESTAMPTZ = t AS same",
      ),
    )
    expect(rows).toEqual([{ t: 1_774_751_400_000_000n, same: true }])
  })
})
