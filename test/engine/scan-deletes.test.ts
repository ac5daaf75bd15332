import { randomUUID } from 'node:crypto'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Row, ScanRelation } from '../../engine/engine.js'
import { writeRows } from '../../engine/parquet/write-rows.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { NestedField, Schema, Type } from '../../iceberg/spec/type.js'
import { deletionVector } from '../support/deletion-vector.js'
import { folder, target, withSession } from './support.js'

const io = new LocalFileIO()
const column = (id: number, name: string, type: Type, more: object = {}): NestedField => ({
  ...{ id, name, required: false, type },
  ...more,
})
const schemaOf = (...fields: NestedField[]): Schema => ({ type: 'struct', 'schema-id': 0, fields })
const struct = (...fields: NestedField[]): Type => ({ type: 'struct', fields })

async function write(schema: Schema, rows: readonly Row[]): Promise<DataFile> {
  const { spec, dataLocation } = target(schema, [])
  return writeRows({ io, schema, spec, partition: [], dataLocation, rows, newUuid: randomUUID })
}

async function equalityDelete(
  schema: Schema,
  ids: readonly number[],
  rows: readonly Row[],
): Promise<DataFile> {
  return { ...(await write(schema, rows)), content: 'equality-deletes', equalityIds: ids }
}

const task = (file: DataFile, deletes: readonly DataFile[] = [], sequenceNumber = 1): FileScanTask => ({
  ...{ file, deletes, sequenceNumber },
  residual: { kind: 'true' },
})

async function read(
  schema: Schema,
  tasks: readonly FileScanTask[],
  more: Partial<ScanRelation> = {},
  sql = 'SELECT * FROM t',
): Promise<readonly Row[]> {
  return withSession(async (session) => {
    await session.addRelation({ kind: 'scan', name: 't', schema, tasks, ...more })
    return (await session.query(sql)).rows
  })
}

const metadataWith = (more: object): TableMetadata =>
  ({ 'current-schema-id': 0, schemas: [], 'partition-specs': [], properties: {}, ...more }) as never

const ID = schemaOf(column(1, 'id', 'long'))
const rowsOf = (ids: readonly number[]): readonly Row[] => ids.map((id) => ({ id: BigInt(id) }))
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

describe('deletion vectors in scans', () => {
  test('many in one Puffin file delete from their own data files only', async () => {
    const files = await Promise.all(
      [0, 100, 200].map((first) => write(ID, rowsOf(range(10).map((n) => first + n)))),
    )
    const blobs = [[0, 1], [9], [3, 4, 5]].map((positions) => Buffer.from(deletionVector(positions)))
    const path = join(folder, 'vectors.puffin')
    writeFileSync(path, Buffer.concat([Buffer.from('PFA1'), ...blobs]))
    const vector = (index: number): DataFile => ({
      ...files[index]!,
      ...{ content: 'position-deletes', fileFormat: 'puffin', filePath: `file://${path}` },
      referencedDataFile: files[index]!.filePath,
      recordCount: [2, 1, 3][index]!,
      contentOffset: 4 + blobs.slice(0, index).reduce((sum, blob) => sum + blob.length, 0),
      contentSizeInBytes: blobs[index]!.length,
      fileSizeInBytes: statSync(path).size,
    })
    const tasks = files.map((file, index) => task(file, [vector(index)]))
    const ids = (await read(ID, tasks)).map((row) => Number(row['id']))
    expect(ids.toSorted((a, b) => a - b)).toEqual([
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      9,
      ...range(9).map((n) => 100 + n),
      200,
      201,
      202,
      206,
      207,
      208,
      209,
    ])
    const positions = await read(
      ID,
      tasks,
      { places: [4, 9, 2] },
      'SELECT _firn_place AS place FROM t WHERE id = 206',
    )
    expect(positions).toEqual([{ place: 2n * 2n ** 40n + 6n }])
    for (const wrong of [
      { recordCount: 4 },
      { contentOffset: 5 },
      { contentOffset: 1e6 },
      { contentSizeInBytes: 3 },
    ]) {
      await expect(read(ID, [task(files[0]!, [{ ...vector(0), ...wrong }])])).rejects.toMatchObject({
        kind: 'data-invalid',
      })
    }
  })
})

describe('equality deletes in scans', () => {
  test('reach older files only, whatever columns are shown, and each key from its newest delete', async () => {
    const files = await Promise.all(range(4).map(() => write(ID, rowsOf([1, 2, 3]))))
    const deletes = [
      await equalityDelete(ID, [1], rowsOf([1])),
      await equalityDelete(ID, [1], rowsOf([2, 1])),
      await equalityDelete(ID, [1], rowsOf([3])),
    ]
    // Data n has sequence number 2n, delete n number 2n + 1.
    const tasks = files.map((file, n) => task(file, deletes.slice(n), 2 * n))
    const shown = schemaOf(
      column(1, 'renamed', 'long'),
      column(2, 'other', 'string', { 'initial-default': 'x' }),
    )
    const rows = await read(shown, tasks, {}, 'SELECT other, renamed FROM t')
    expect(rows.map((row) => Number(row['renamed'])).toSorted()).toEqual([1, 1, 2, 2, 3])
    // The same tasks in an order of their own, and one that its sequence number alone would not tell.
    const odd = [task(files[0]!, [], 0), task(files[1]!, [deletes[2]!], 0), task(files[2]!, [deletes[0]!], 9)]
    const ids = (await read(ID, odd)).map((row) => Number(row['id'])).sort()
    expect(ids).toEqual([1, 1, 2, 2, 2, 3, 3])
  })

  test('use columns that are not shown, were dropped, promoted, added later, or lie in a struct', async () => {
    const old = schemaOf(
      column(1, 'k', 'int'),
      column(2, 'gone', 'string'),
      column(3, 's', struct(column(4, 'x', 'int'))),
    )
    const now = schemaOf(
      column(1, 'key', 'long'),
      column(3, 's', struct(column(4, 'y', 'long'))),
      column(5, 'new', 'int'),
    )
    const data = await write(old, [
      { k: 1, gone: 'a', s: { x: 1 } },
      { k: 2, gone: null, s: { x: 2 } },
      { k: 3, gone: 'c', s: null },
      { k: 4, gone: 'd', s: { x: 4 } },
    ])
    const metadata = metadataWith({
      schemas: [
        { ...old, 'schema-id': 0 },
        { ...now, 'schema-id': 1 },
      ],
      'current-schema-id': 1,
    })
    const byDropped = await equalityDelete(schemaOf(column(2, 'gone', 'string')), [2], [{ gone: null }])
    const byNested = await equalityDelete(
      schemaOf(column(3, 's', struct(column(4, 'x', 'int')))),
      [4],
      [{ s: { x: 4 } }],
    )
    const byNew = await equalityDelete(
      schemaOf(column(1, 'k', 'long'), column(5, 'new', 'int')),
      [1, 5],
      [
        { k: 1n, new: null },
        { k: 3n, new: 3 },
      ],
    )
    expect(await read(now, [task(data, [byDropped, byNested, byNew])], { metadata })).toEqual([
      { key: 3n, s: null, new: null },
    ])
    await expect(read(now, [task(data, [byDropped])])).rejects.toThrow(/deletes by column 2/)
  })

  test('of hundreds of files cost one join for each set of columns', async () => {
    const files = await Promise.all(range(100).map((n) => write(ID, rowsOf(range(5).map((i) => n * 5 + i)))))
    const deletes = await Promise.all(range(500).map((n) => equalityDelete(ID, [1], rowsOf([n]))))
    // Delete n came after data file n / 5, so it reaches that one and all before it: the one that holds its key.
    const tasks = files.map((file, n) => task(file, deletes.slice(n * 5, 490), n))
    const plan = await read(ID, tasks, {}, 'EXPLAIN SELECT count(*) FROM t')
    expect(JSON.stringify(plan).match(/ANTI/g)).toHaveLength(1)
    expect(await read(ID, tasks, {}, 'SELECT count(*) AS n, min(id) AS least FROM t')).toEqual([
      { n: 10n, least: 490n },
    ])
  })
})

describe('columns that a file lacks', () => {
  test('take their default, of any type, nested ones too', async () => {
    const file = await write(
      schemaOf(column(1, 'id', 'long'), column(2, 's', struct(column(3, 'a', 'int')))),
      [
        { id: 1n, s: { a: 1 } },
        { id: 2n, s: null },
      ],
    )
    const added = (id: number, type: Type, json: unknown): NestedField =>
      column(id, `c${id}`, type, { 'initial-default': json })
    const schema = schemaOf(
      column(2, 's', struct(column(3, 'a', 'long'), added(4, 'string', 'it\'s "x"'))),
      ...[
        added(10, 'long', 9007199254740993n),
        added(11, 'decimal(38, 3)', '-0.125'),
        added(12, 'date', '1582-10-15'),
      ],
      ...[
        added(13, 'timestamptz', '1969-12-31T23:59:59.999999+00:00'),
        added(14, 'timestamp_ns', '2000-01-01T00:00:00.000000001'),
      ],
      ...[
        added(15, 'uuid', 'f79c3e09-677c-4bbd-a479-3f349cb785e7'),
        added(16, 'binary', '00ff'),
        added(17, 'time', '01:02:03.000004'),
      ],
      ...[added(18, 'double', -0.5), added(19, 'boolean', false), added(20, 'fixed[2]', '0102')],
      added(21, { type: 'list', 'element-id': 22, 'element-required': false, element: 'int' }, [1, null]),
      added(23, struct(added(24, 'int', 5), column(25, 'n', 'int')), {}),
    )
    const [first, second] = await read(schema, [task(file)])
    expect(first).toEqual({
      s: { a: 1n, c4: 'it\'s "x"' },
      c10: 9007199254740993n,
      c11: '-0.125',
      c12: -141427,
      c13: -1n,
      c14: 946_684_800_000_000_001n,
      c15: 'f79c3e09-677c-4bbd-a479-3f349cb785e7',
      c16: Buffer.from([0, 255]),
      c17: 3_723_000_004n,
      c18: -0.5,
      c19: false,
      c20: Buffer.from([1, 2]),
      c21: [1, null],
      c23: { c24: 5, n: null },
    })
    expect(second?.['s']).toBeNull()
    await expect(read(schemaOf(added(30, 'int', 'x')), [task(file)])).rejects.toMatchObject({
      kind: 'data-invalid',
    })
  })

  test('take the value of their identity partition before it', async () => {
    const file = await write(ID, rowsOf([1]))
    const schema = schemaOf(
      ...ID.fields,
      column(2, 'kind', 'string', { 'initial-default': 'd' }),
      column(3, 'n', 'long'),
    )
    const field = (id: number, transform: string) => ({
      'source-id': id,
      'field-id': 1000 + id,
      name: `p${id}`,
      transform,
    })
    const metadata = metadataWith({
      'partition-specs': [{ 'spec-id': 7, fields: [field(2, 'identity'), field(3, 'identity')] }],
    })
    const tasks = [
      ["a'b", 1n],
      ['', null],
      [null, 2],
    ].map((partition) => task({ ...file, filePath: file.filePath, specId: 7, partition }))
    const copies = await Promise.all(
      tasks.map(async (one) =>
        task({ ...(await write(ID, rowsOf([1]))), specId: 7, partition: one.file.partition }),
      ),
    )
    const sorted = 'SELECT * FROM t ORDER BY kind DESC NULLS LAST'
    expect(await read(schema, copies, { metadata }, sorted)).toEqual([
      { id: 1n, kind: "a'b", n: 1n },
      { id: 1n, kind: '', n: null },
      { id: 1n, kind: null, n: 2n },
    ])
    const byKind = await equalityDelete(schemaOf(column(2, 'kind', 'string')), [2], [{ kind: '' }])
    const left = await read(
      schema,
      copies.map((one) => ({ ...one, deletes: [byKind] })),
      { metadata },
      'SELECT kind FROM t',
    )
    expect(left.map((row) => row['kind'])).toEqual(["a'b", null])
  })
})

describe('files that others wrote', () => {
  test('rows of NaN stay, though the bounds of the file leave NaN out', async () => {
    const schema = schemaOf(column(1, 'id', 'long'), column(2, 'x', 'double'), column(3, 'f', 'float'))
    const file = await write(
      schema,
      range(20).map((n) => ({ id: BigInt(n), x: n % 7 ? n : NaN, f: n % 7 ? n : NaN })),
    )
    for (const where of ['x > 1e9', "f = 'NaN'", 'NOT (f < 1000)']) {
      const rows = await read(schema, [task(file)], {}, `SELECT id FROM t WHERE ${where}`)
      expect(rows, where).toEqual(rowsOf([0, 7, 14]))
    }
  })

  test('columns whose names differ in case only are told apart, in a table they are refused', async () => {
    const file = await write(
      schemaOf(column(1, 'a', 'int'), column(2, 'A', 'int'), column(3, 'A_1', 'int')),
      [{ a: 1, A: 2, A_1: 3 }],
    )
    expect(await read(schemaOf(column(2, 'b', 'int'), column(3, 'c', 'int')), [task(file)])).toEqual([
      { b: 2, c: 3 },
    ])
    const twins = schemaOf(column(1, 'a', 'int'), column(2, 'A', 'int'))
    await expect(read(twins, [task(file)])).rejects.toMatchObject({ kind: 'unsupported' })
  })

  test('a column called file_row_number does not get in the way of positions', async () => {
    const schema = schemaOf(column(1, 'file_row_number', 'int'))
    const files = [
      await write(schema, [{ file_row_number: 7 }, { file_row_number: 8 }]),
      await write(schema, [{ file_row_number: 9 }]),
    ]
    const rows = await read(
      schema,
      files.map((file) => task(file)),
      { places: [5, 3] },
    )
    expect(rows.map((row) => [row['file_row_number'], row['_firn_place']])).toEqual([
      [7, 5n * 2n ** 40n],
      [8, 5n * 2n ** 40n + 1n],
      [9, 3n * 2n ** 40n],
    ])
  })

  test('without field ids are read by the name mapping of their table', async () => {
    const path = join(folder, 'mapped.parquet')
    const { DuckDBInstance } = await import('@duckdb/node-api')
    const connection = await (await DuckDBInstance.create()).connect()
    await connection.run(
      `COPY (SELECT 1 AS old, {'x': 2, 'left out': 3} AS s, [{'y': 4}] AS l, MAP {'k': {'z': 5}} AS m, 6 AS other) TO '${path}' (FORMAT parquet)`,
    )
    const file = {
      ...(await write(ID, [])),
      filePath: path,
      recordCount: 1,
      fileSizeInBytes: statSync(path).size,
    }
    const schema = schemaOf(
      column(1, 'new', 'long'),
      column(2, 's', struct(column(3, 'a', 'int'))),
      column(4, 'l', {
        type: 'list',
        'element-id': 5,
        'element-required': false,
        element: struct(column(6, 'b', 'int')),
      }),
      column(7, 'm', {
        type: 'map',
        'key-id': 8,
        key: 'string',
        'value-id': 9,
        'value-required': false,
        value: struct(column(10, 'c', 'int')),
      }),
      column(11, 'other', 'int'),
    )
    const mapping = [
      { 'field-id': 1, names: ['new', 'old'] },
      { 'field-id': 2, names: ['s'], fields: [{ 'field-id': 3, names: ['x'] }] },
      {
        'field-id': 4,
        names: ['l'],
        fields: [{ 'field-id': 5, names: ['element'], fields: [{ 'field-id': 6, names: ['y'] }] }],
      },
      {
        'field-id': 7,
        names: ['m'],
        fields: [
          { 'field-id': 8, names: ['key'] },
          { 'field-id': 9, names: ['value'], fields: [{ 'field-id': 10, names: ['z'] }] },
        ],
      },
    ]
    const metadata = metadataWith({ properties: { 'schema.name-mapping.default': JSON.stringify(mapping) } })
    expect(await read(schema, [task(file)], { metadata })).toEqual([
      { new: 1n, s: { a: 2 }, l: [{ b: 4 }], m: [{ key: 'k', value: { c: 5 } }], other: null },
    ])
    await expect(read(schema, [task(file)])).rejects.toThrow(/name mapping/)
  })

  test('ORC is refused by name', async () => {
    const file = { ...(await write(ID, [])), fileFormat: 'orc' } as const
    await expect(read(ID, [task(file)])).rejects.toThrow(/ORC/)
  })
})
