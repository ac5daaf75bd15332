import { describe, expect, test } from 'vitest'
import { createRewriter } from '../../engine/duckdb/rewriter.js'
import type { Row } from '../../engine/engine.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { SortField } from '../../iceberg/spec/partition-spec.js'
import type { NestedField, Schema, Type } from '../../iceberg/spec/type.js'
import { engine, scan, target, withSession } from './support.js'

const rewriter = createRewriter(engine)

function column(id: number, name: string, type: Type): NestedField {
  return { id, name, required: false, type }
}

function schemaOf(...fields: readonly NestedField[]): Schema {
  return { type: 'struct', 'schema-id': 0, fields }
}

const ROWS = schemaOf(column(1, 'k', 'int'), column(2, 'v', 'string'))
const KEYS = schemaOf(column(1, 'k', 'int'))
const POSITIONS = schemaOf(column(2147483546, 'file_path', 'string'), column(2147483545, 'pos', 'long'))

async function write(schema: Schema, rows: readonly Row[]): Promise<DataFile> {
  return withSession(async (session) => {
    await session.addRelation({ kind: 'rows', name: 'r', schema, rows })
    const { files } = await session.write('SELECT * FROM r', target(schema, []))
    const [file] = files
    if (file === undefined) throw new Error('nothing was written')
    return file
  })
}

async function writeDeletes(
  content: DataFile['content'],
  schema: Schema,
  rows: readonly Row[],
): Promise<DataFile> {
  const file = await write(schema, rows)
  const ids = schema.fields.map((field) => field.id)
  return { ...file, content, ...(content === 'equality-deletes' && { equalityIds: ids }) }
}

async function read(schema: Schema, files: readonly DataFile[]): Promise<readonly Row[]> {
  return withSession(async (session) => {
    await session.addRelation(scan('r', schema, files))
    return (await session.query('SELECT * FROM r')).rows
  })
}

function task(file: DataFile, sequenceNumber: number, deletes: readonly DataFile[] = []): FileScanTask {
  return { file, sequenceNumber, deletes, residual: { kind: 'true' } }
}

function request(tasks: readonly FileScanTask[], schema = ROWS, sortBy: readonly SortField[] = []) {
  const { spec, dataLocation } = target(schema, [])
  return { tasks, schema, spec, dataLocation, targetFileSizeBytes: 1e9, sortBy }
}

describe('a rewrite', () => {
  test('lets each equality delete reach older files of its own partition only, null equal to null', async () => {
    const rows = [
      { k: 1, v: 'a' },
      { k: 2, v: 'b' },
      { k: null, v: 'c' },
    ]
    const [old, newer, elsewhere] = [
      await write(ROWS, rows),
      await write(ROWS, rows),
      await write(ROWS, rows),
    ]
    const one = await writeDeletes('equality-deletes', KEYS, [{ k: 1 }, { k: null }])
    const two = await writeDeletes('equality-deletes', KEYS, [{ k: 2 }])
    const both = await writeDeletes('equality-deletes', ROWS, [
      { k: 1, v: 'a' },
      { k: 2, v: 'other' },
    ])
    const positions = await writeDeletes('position-deletes', POSITIONS, [
      { file_path: elsewhere.filePath, pos: 1n },
    ])
    const files = await rewriter.rewrite(
      request([
        task(old, 1, [one, two]),
        task(newer, 3, [two]),
        task({ ...elsewhere, specId: 7, partition: ['x'] }, 2, [both, positions]),
      ]),
    )
    const key = (row: Row) => JSON.stringify([row['k'], row['v']])
    expect((await read(ROWS, files)).map(key).sort()).toEqual(['[1,"a"]', '[null,"c"]', '[null,"c"]'].sort())
  })

  test('takes many equality deletes upon many files at once', async () => {
    const tasks: FileScanTask[] = []
    const deletes: DataFile[] = []
    // File i has keys i..i+9; its successor's delete takes the even ones of them away.
    for (let at = 0; at < 60; at += 1) {
      const keys = Array.from({ length: 10 }, (_, index) => at * 10 + index)
      tasks.push(
        task(
          await write(
            ROWS,
            keys.map((k) => ({ k, v: `v${k}` })),
          ),
          at,
        ),
      )
      const even = keys.filter((k) => k % 2 === 0).map((k) => ({ k }))
      deletes.push(await writeDeletes('equality-deletes', KEYS, even))
    }
    const reached = tasks.map((one, at) => ({ ...one, deletes: deletes.slice(at) }))
    const files = await rewriter.rewrite(request(reached))
    const rows = await read(ROWS, files)
    expect(rows).toHaveLength(300)
    expect(rows.every((row) => Number(row['k']) % 2 === 1)).toBe(true)
  })

  test('sorts by the given fields, nulls where they are to be', async () => {
    const first = await write(
      ROWS,
      [3, 11, null, 25].map((k) => ({ k, v: k === null ? 'b' : 'a' })),
    )
    const second = await write(
      ROWS,
      [2, 1, 19].map((k) => ({ k, v: 'c' })),
    )
    const sortBy: readonly SortField[] = [
      { 'source-id': 1, transform: 'truncate[10]', direction: 'desc', 'null-order': 'nulls-last' },
      { 'source-id': 1, transform: 'identity', direction: 'asc', 'null-order': 'nulls-last' },
    ]
    const files = await rewriter.rewrite({
      ...request([task(first, 1), task(second, 1)], ROWS, sortBy),
      sortOrderId: 4,
    })
    expect(files.map((file) => file.sortOrderId)).toEqual([4])
    expect((await read(ROWS, files)).map((row) => row['k'])).toEqual([25, 11, 19, 1, 2, 3, null])
  })

  test('of delete files keeps what names live files, each position once and sorted', async () => {
    const pairs = (...all: readonly (readonly [string, bigint])[]) =>
      all.map(([file_path, pos]) => ({ file_path, pos }))
    const one = await writeDeletes('position-deletes', POSITIONS, pairs(['b', 3n], ['a', 1n], ['gone', 1n]))
    const two = await writeDeletes('position-deletes', POSITIONS, pairs(['a', 1n], ['a', 0n]))
    const common = { deletes: [one, two], specId: 5, partition: ['x'], dataFiles: ['a', 'b'] }
    const { dataLocation } = target(POSITIONS, [])
    const [merged, ...more] = await rewriter.rewriteDeletes({ ...common, dataLocation, perDataFile: false })
    expect(more).toEqual([])
    expect(merged).toMatchObject({ content: 'position-deletes', specId: 5, partition: ['x'], recordCount: 3 })
    expect(merged?.referencedDataFile).toBeUndefined()
    const asData = { ...merged!, content: 'data', specId: 0, partition: [] } as const
    expect((await read(POSITIONS, [asData])).map((row) => [row['file_path'], row['pos']])).toEqual([
      ['a', 0n],
      ['a', 1n],
      ['b', 3n],
    ])
    const each = await rewriter.rewriteDeletes({ ...common, dataLocation, perDataFile: true })
    expect(each.map((file) => [file.referencedDataFile, file.recordCount])).toEqual([
      ['a', 2],
      ['b', 1],
    ])
    expect(Buffer.from(each[0]?.upperBounds?.get(2147483546) ?? []).toString()).toBe('a')
  })
})
