import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { AvroSchema } from '../../iceberg/format/avro/avro-schema.js'
import { writeContainer } from '../../iceberg/format/avro/container.js'
import type { Sink } from '../../iceberg/format/avro/sink.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { NestedField, Schema, Type } from '../../iceberg/spec/type.js'
import { folder, scan, withSession } from './support.js'

const column = (id: number, name: string, type: Type): NestedField => ({ id, name, required: false, type })
const schemaOf = (...fields: NestedField[]): Schema => ({ type: 'struct', 'schema-id': 0, fields })

let files = 0

function avroFile<T>(
  fields: object,
  records: Iterable<T>,
  writeRecord: (sink: Sink, record: T) => void,
): DataFile {
  const path = join(folder, `data-${files++}.avro`)
  const schema = { type: 'record', name: 'table', fields } as unknown as AvroSchema
  const all = [...records]
  const bytes = writeContainer({ schema, metadata: {}, records: all, writeRecord })
  writeFileSync(path, bytes)
  const plain = { content: 'data', fileFormat: 'avro', specId: 0, partition: [] } as const
  return { ...plain, filePath: path, recordCount: all.length, fileSizeInBytes: bytes.length }
}

async function read(
  schema: Schema,
  data: readonly DataFile[],
  deletes: readonly DataFile[] = [],
  sql = 'SELECT * FROM t',
) {
  return withSession(async (session) => {
    await session.addRelation(scan('t', schema, data, deletes))
    return (await session.query(sql)).rows
  })
}

const LONGS = [{ name: 'id', type: 'long', 'field-id': 1 }]
const longFile = (ids: Iterable<number>): DataFile => avroFile(LONGS, ids, (sink, id) => sink.long(id))

test('Avro files are read by field id, all types of the spec (Appendix A)', async () => {
  const of = (id: number, type: unknown) => ({
    name: `f ${id}`,
    type: ['null', type],
    default: null,
    'field-id': id,
  })
  const logical = (type: string, logicalType: string, more: object = {}) => ({ type, logicalType, ...more })
  const fields = [
    ...[
      of(1, 'boolean'),
      of(2, 'int'),
      of(3, 'long'),
      of(4, 'float'),
      of(5, 'double'),
      of(6, 'string'),
      of(7, 'bytes'),
    ],
    ...[of(8, logical('int', 'date')), of(9, logical('long', 'time-micros'))],
    of(10, logical('long', 'timestamp-micros', { 'adjust-to-utc': false })),
    of(11, logical('long', 'timestamp-micros', { 'adjust-to-utc': true })),
    of(12, logical('long', 'timestamp-nanos', { 'adjust-to-utc': false })),
    of(13, logical('fixed', 'uuid', { name: 'uuid_fixed', size: 16 })),
    of(14, { type: 'fixed', name: 'f3', size: 3 }),
    of(15, logical('fixed', 'decimal', { name: 'dec', size: 9, precision: 20, scale: 4 })),
    of(16, { type: 'array', items: ['null', 'int'], 'element-id': 30 }),
    of(17, { type: 'map', values: 'long', 'key-id': 31, 'value-id': 32 }),
    of(18, {
      ...{ type: 'array', logicalType: 'map' },
      items: {
        type: 'record',
        name: 'k_v',
        fields: [
          { name: 'key', type: 'int', 'field-id': 33 },
          { name: 'value', type: 'string', 'field-id': 34 },
        ],
      },
    }),
    of(19, {
      type: 'record',
      name: 'r19',
      fields: [
        { name: 'a', type: 'int', 'field-id': 35 },
        { name: 'A', type: 'string', 'field-id': 36 },
      ],
    }),
  ]
  const file = avroFile(fields, [true, false], (sink, full) => {
    if (!full) {
      fields.forEach(() => sink.byte(0))
      return
    }
    const next = (): Sink => {
      sink.byte(2)
      return sink
    }
    next().boolean(true)
    next().long(-5)
    next().long(-(2n ** 63n))
    next().float(1.5)
    next().double(-0.25)
    next().string('ö😀')
    next().bytes(Uint8Array.of(0, 255))
    next().long(-141_427)
    next().long(86_399_999_999)
    next().long(-1)
    next().long(-1)
    next().long(-1)
    next().fixed(Buffer.from('f79c3e09677c4bbda4793f349cb785e7', 'hex'))
    next().fixed(Uint8Array.of(1, 2, 3))
    next().fixed(Buffer.from('ffffffffffffffcfc7', 'hex'))
    next().block(2, [7, null], (item) => sink.optional(item) && sink.long(item))
    next().block(1, ['k'], (key) => {
      sink.string(key)
      sink.long(2n ** 60n)
    })
    next().block(1, [3], (key) => {
      sink.long(key)
      sink.string('three')
    })
    next().long(4)
    sink.string('twin')
  })
  const schema = schemaOf(
    ...[
      column(1, 'a', 'boolean'),
      column(2, 'b', 'long'),
      column(3, 'c', 'long'),
      column(4, 'd', 'double'),
      column(5, 'e', 'double'),
    ],
    ...[
      column(6, 'f', 'string'),
      column(7, 'g', 'binary'),
      column(8, 'h', 'date'),
      column(9, 'i', 'time'),
      column(10, 'j', 'timestamp'),
    ],
    ...[
      column(11, 'k', 'timestamptz'),
      column(12, 'l', 'timestamp_ns'),
      column(13, 'm', 'uuid'),
      column(14, 'n', 'fixed[3]'),
    ],
    column(15, 'o', 'decimal(38, 4)'),
    column(16, 'p', { type: 'list', 'element-id': 30, 'element-required': false, element: 'long' }),
    column(17, 'q', {
      type: 'map',
      'key-id': 31,
      key: 'string',
      'value-id': 32,
      'value-required': true,
      value: 'long',
    }),
    column(18, 'r', {
      type: 'map',
      'key-id': 33,
      key: 'int',
      'value-id': 34,
      'value-required': true,
      value: 'string',
    }),
    column(19, 's', {
      type: 'struct',
      fields: [column(36, 'renamed', 'string'), column(35, 'x', 'long'), column(37, 'new', 'int')],
    }),
    column(40, 'missing', 'string'),
  )
  const [full, empty] = await read(schema, [file])
  expect(full).toEqual({
    ...{
      a: true,
      b: -5n,
      c: -(2n ** 63n),
      d: 1.5,
      e: -0.25,
      f: 'ö😀',
      g: Buffer.from([0, 255]),
      h: -141_427,
    },
    ...{
      i: 86_399_999_999n,
      j: -1n,
      k: -1n,
      l: -1n,
      m: 'f79c3e09-677c-4bbd-a479-3f349cb785e7',
      n: Buffer.from([1, 2, 3]),
    },
    ...{ o: '-1.2345', p: [7n, null], q: [{ key: 'k', value: 2n ** 60n }], r: [{ key: 3, value: 'three' }] },
    ...{ s: { renamed: 'twin', x: 4n, new: null }, missing: null },
  })
  expect(Object.values(empty ?? {}).every((value) => value === null)).toBe(true)
})

test('position and equality deletes may be Avro files too, of Avro and over many batches', async () => {
  const schema = schemaOf(column(1, 'id', 'long'))
  const data = longFile(Array.from({ length: 10_000 }, (_, id) => id))
  const positions = avroFile(
    [
      { name: 'file_path', type: 'string', 'field-id': 2147483546 },
      { name: 'pos', type: 'long', 'field-id': 2147483545 },
    ],
    [0, 4095, 9999],
    (sink, pos) => {
      sink.string(data.filePath)
      sink.long(pos)
    },
  )
  const deletes = [
    { ...positions, content: 'position-deletes' as const },
    { ...longFile([1, 5000]), content: 'equality-deletes' as const, equalityIds: [1] },
  ]
  const sql = 'SELECT count(*) AS n, min(id) AS least, max(id) AS most, sum(id) AS total FROM t'
  const total = BigInt((9999 * 10_000) / 2 - 4095 - 9999 - 1 - 5000)
  expect(await read(schema, [data], deletes, sql)).toEqual([{ n: 9995n, least: 2n, most: 9998n, total }])
})

test('damaged Avro files are data-invalid', async () => {
  const schema = schemaOf(column(1, 'id', 'long'))
  const whole = longFile([1, 2, 3])
  const { readFileSync } = await import('node:fs')
  const bytes = readFileSync(whole.filePath)
  for (const damaged of [
    bytes.subarray(0, -5),
    bytes.subarray(0, 20),
    Buffer.from('no Avro'),
    Buffer.alloc(0),
  ]) {
    writeFileSync(whole.filePath, damaged)
    await expect(read(schema, [whole])).rejects.toMatchObject({ kind: 'data-invalid' })
  }
})
