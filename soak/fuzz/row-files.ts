import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Engine, Row } from '../../engine/engine.js'
import { writeRows } from '../../engine/parquet/write-rows.js'
import type { AvroSchema } from '../../iceberg/format/avro/avro-schema.js'
import { writeContainer } from '../../iceberg/format/avro/container.js'
import { crc32 } from '../../iceberg/format/crc32.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { Schema } from '../../iceberg/spec/type.js'

export const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'id', required: true, type: 'long' },
    { id: 2, name: 'text', required: false, type: 'string' },
    { id: 3, name: 'x', required: false, type: 'double' },
    {
      ...{ id: 4, name: 'list', required: false },
      type: { type: 'list', 'element-id': 5, element: 'int', 'element-required': false },
    },
  ],
}
const IDS: Schema = { ...SCHEMA, fields: SCHEMA.fields.slice(0, 1) }
const POSITIONS: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 2147483546, name: 'file_path', required: true, type: 'string' },
    { id: 2147483545, name: 'pos', required: true, type: 'long' },
  ],
}

/** Data files as DuckDB, Arrow and Avro write them, with position deletes, equality deletes and a deletion vector. */
export async function rowFiles(folder: string, engine: Engine): Promise<readonly FileScanTask[]> {
  const write = (schema: Schema, rows: readonly Row[], name: string): Promise<DataFile> => {
    const spec = { 'spec-id': 0, fields: [] }
    const dataLocation = `file://${folder}/${name}`
    return writeRows({
      ...{ io: new LocalFileIO({ durability: 'none' }), schema, spec, partition: [] },
      ...{ dataLocation, rows, newUuid: randomUUID },
    })
  }
  const [small, large, listed] = [
    await write(SCHEMA, rowsFrom(0, 40), 'arrow'),
    await writeByEngine(folder, engine),
    await write(SCHEMA, rowsFrom(500, 540), 'listed'),
  ]
  const positions = [3, 5, 8].map((pos): Row => ({ file_path: listed.filePath, pos: BigInt(pos) }))
  const byPosition = {
    ...(await write(POSITIONS, positions, 'positions')),
    content: 'position-deletes' as const,
  }
  const byKey: DataFile = {
    ...(await write(IDS, [{ id: 7n }, { id: 11n }], 'keys')),
    ...{ content: 'equality-deletes', equalityIds: [1] },
  }
  const task = (file: DataFile, deletes: readonly DataFile[] = []): FileScanTask => ({
    ...{ file, deletes, sequenceNumber: 1 },
    residual: { kind: 'true' },
  })
  return [
    task(small, [byKey]),
    task(large, [await vector(folder, large)]),
    task(listed, [byPosition]),
    task(await avroFile(folder)),
  ]
}

function rowsFrom(first: number, end: number): readonly Row[] {
  return Array.from({ length: end - first }, (_, at): Row => {
    const id = first + at
    return {
      id: BigInt(id),
      text: id % 7 === 0 ? null : `text ${id % 5}`,
      x: id / 8,
      list: id % 3 === 0 ? null : [id, id + 1],
    }
  })
}

async function writeByEngine(folder: string, engine: Engine): Promise<DataFile> {
  const session = await engine.openSession()
  try {
    const { files } = await session.write(
      `SELECT i AS id, 'text ' || i % 50 AS text, i / 8 AS x, [i::INT, 1] AS list FROM range(1000, 1300) t(i)`,
      {
        ...{ schema: SCHEMA, spec: { 'spec-id': 0, fields: [] }, orderBy: ['id'] },
        dataLocation: `file://${folder}/duckdb`,
      },
    )
    return files[0] as DataFile
  } finally {
    await session.close()
  }
}

async function avroFile(folder: string): Promise<DataFile> {
  const fields = [
    { name: 'id', type: 'long', 'field-id': 1 },
    { name: 'text', type: ['null', 'string'], default: null, 'field-id': 2 },
    { name: 'x', type: ['null', 'double'], default: null, 'field-id': 3 },
  ]
  const schema = { type: 'record', name: 'table', fields } as unknown as AvroSchema
  const ids = Array.from({ length: 60 }, (_, at) => 2000 + at)
  const bytes = writeContainer({
    ...{ schema, metadata: {}, records: ids },
    writeRecord: (sink, id) => {
      sink.long(id)
      sink.long(1)
      sink.string(`text ${id}`)
      sink.long(0)
    },
  })
  const path = join(folder, 'rows.avro')
  await writeFile(path, bytes)
  const plain = { content: 'data', fileFormat: 'avro', specId: 0, partition: [] } as const
  return {
    ...plain,
    filePath: `file://${path}`,
    recordCount: ids.length,
    fileSizeInBytes: bytes.length,
  }
}

/** Deletes rows 2, 3 and 200 of a file, by an array container. */
async function vector(folder: string, file: DataFile): Promise<DataFile> {
  const body = Buffer.concat([
    Buffer.from([0xd1, 0xd3, 0x39, 0x64]),
    Buffer.from(Uint32Array.of(1, 0, 0, 12_346, 1).buffer),
    Buffer.from(Uint16Array.of(0, 2).buffer),
    Buffer.from(Uint32Array.of(16).buffer),
    Buffer.from(Uint16Array.of(2, 3, 200).buffer),
  ])
  const frame = Buffer.alloc(body.length + 8)
  frame.writeUInt32BE(body.length, 0)
  frame.set(body, 4)
  frame.writeUInt32BE(crc32(body), body.length + 4)
  const blob = {
    ...{ type: 'deletion-vector-v1', fields: [], 'snapshot-id': -1, 'sequence-number': -1 },
    ...{ offset: 4, length: frame.length, properties: {} },
  }
  const footer = Buffer.from(JSON.stringify({ blobs: [blob] }))
  const tail = Buffer.alloc(8)
  tail.writeUInt32LE(footer.length, 0)
  const magic = Buffer.from('PFA1')
  const bytes = Buffer.concat([magic, frame, magic, footer, tail, magic])
  const path = join(folder, 'vectors.puffin')
  await writeFile(path, bytes)
  return {
    ...{ content: 'position-deletes', fileFormat: 'puffin', specId: 0, partition: [] },
    ...{ filePath: `file://${path}`, recordCount: 3, fileSizeInBytes: bytes.length },
    ...{ referencedDataFile: file.filePath, contentOffset: 4, contentSizeInBytes: frame.length },
  }
}
