import { randomUUID } from 'node:crypto'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Row } from '../../engine/engine.js'
import { writeRows } from '../../engine/parquet/write-rows.js'
import type { AvroSchema } from '../../iceberg/format/avro/avro-schema.js'
import { writeContainer } from '../../iceberg/format/avro/container.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import { toLocalPath } from '../../iceberg/io/location.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { folder, scan, target, withSession } from './support.js'

const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'id', required: false, type: 'long' },
    { id: 2, name: 'text', required: false, type: 'string' },
  ],
}

function write(ids: readonly number[], schema = SCHEMA): Promise<DataFile> {
  const { spec, dataLocation } = target(schema, [])
  const rows = ids.map((id): Row => ({ id: BigInt(id), text: 't' }))
  return writeRows({
    ...{ io: new LocalFileIO(), schema, spec, partition: [], dataLocation, rows },
    newUuid: randomUUID,
  })
}

function read(file: DataFile): Promise<readonly Row[]> {
  return withSession(async (session) => {
    await session.addRelation(scan('t', SCHEMA, [file]))
    return (await session.query('SELECT * FROM t')).rows
  })
}

test('a file that was cut off is refused with what it has and what it should', async () => {
  const file = await write([1, 2, 3])
  truncateSync(toLocalPath(file.filePath), 100)
  const says = `has 100 bytes and its manifest says ${file.fileSizeInBytes}; restore the file`
  await expect(read(file)).rejects.toMatchObject({
    kind: 'data-invalid',
    message: expect.stringContaining(says),
  })
})

test('a file that another took the place of is refused: by its rows or by its columns', async () => {
  const [two, three] = [await write([1, 2]), await write([1, 2, 3])]
  const replaced = { ...two, filePath: three.filePath, fileSizeInBytes: three.fileSizeInBytes }
  await expect(read(replaced)).rejects.toThrow(/it has 3 rows and its manifest says 2/)
  const narrow = await write([1, 2], { ...SCHEMA, fields: SCHEMA.fields.slice(0, 1) })
  const lacks = { ...two, filePath: narrow.filePath, fileSizeInBytes: narrow.fileSizeInBytes }
  await expect(read(lacks)).rejects.toThrow(
    /counts 2 values of the column with field id 2, which the file lacks/,
  )
})

test('an Avro file that ends between two blocks is refused', async () => {
  const fields = [{ name: 'id', type: 'long', 'field-id': 1 }]
  const schema = { type: 'record', name: 'table', fields } as unknown as AvroSchema
  const whole = writeContainer({
    ...{ schema, metadata: {}, records: [1, 2, 3] },
    writeRecord: (sink, id) => sink.long(id),
  })
  const empty = writeContainer({ schema, metadata: {}, records: [], writeRecord: () => undefined })
  const path = join(folder, 'cut.avro')
  writeFileSync(path, whole.subarray(0, empty.length))
  const plain = { content: 'data', fileFormat: 'avro', specId: 0, partition: [], recordCount: 3 } as const
  const file = { ...plain, filePath: path, fileSizeInBytes: whole.length }
  await expect(read(file)).rejects.toThrow(/bytes and its manifest says/)
  await expect(read({ ...file, fileSizeInBytes: readFileSync(path).length })).rejects.toThrow(
    /it has 0 rows and its manifest says 3/,
  )
})
