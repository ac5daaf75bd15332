import { createHash } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { IcebergError } from '../../error.js'
import { parseJson } from '../../spec/json.js'
import type { AvroSchema } from './avro-schema.js'
import { Cursor } from './cursor.js'
import { Sink } from './sink.js'

/** An Avro object container file, its blocks still packed. */
export interface AvroContainer {
  readonly schema: AvroSchema
  readonly metadata: ReadonlyMap<string, string>
  /** Calls `readRecord` once for every record of the file, in order. */
  forEachRecord(readRecord: (cursor: Cursor) => void): void
}

const MAGIC = 'Obj\x01'
const SYNC_LENGTH = 16
const BLOCK_BYTES = 256 * 1024

export function openContainer(bytes: Uint8Array): AvroContainer {
  const cursor = new Cursor(bytes)
  if (Buffer.from(cursor.readFixed(4)).toString('latin1') !== MAGIC) {
    throw new IcebergError('data-invalid', 'not an Avro file: it does not start with Obj1')
  }
  const metadata = new Map<string, string>()
  for (let count = cursor.readBlockCount(); count !== 0; count = cursor.readBlockCount()) {
    for (let index = 0; index < count; index++) metadata.set(cursor.readString(), cursor.readString())
  }
  const sync = Buffer.from(cursor.readFixed(SYNC_LENGTH))
  const start = cursor.position
  const unpack = unpackOf(metadata.get('avro.codec') ?? 'null')
  return {
    schema: parseJson(metadata.get('avro.schema') ?? '') as AvroSchema,
    metadata,
    forEachRecord(readRecord) {
      const blocks = new Cursor(bytes, start)
      while (!blocks.atEnd) {
        const count = blocks.readLong()
        const block = new Cursor(unpack(blocks.readBytes()))
        for (let index = 0; index < count; index++) readRecord(block)
        if (!block.atEnd) throw new IcebergError('data-invalid', 'an Avro block is longer than its records')
        if (!sync.equals(blocks.readFixed(SYNC_LENGTH))) {
          throw new IcebergError(
            'data-invalid',
            'an Avro block does not end with the sync marker of its file',
          )
        }
      }
    },
  }
}

/** Packs records into a container file with codec `deflate`. The same records give the same bytes. */
export function writeContainer<T>(options: {
  readonly schema: AvroSchema
  readonly metadata: Readonly<Record<string, string>>
  readonly records: Iterable<T>
  readonly writeRecord: (sink: Sink, record: T) => void
}): Uint8Array {
  const header = {
    ...options.metadata,
    'avro.schema': JSON.stringify(options.schema),
    'avro.codec': 'deflate',
  }
  const file = new Sink()
  file.fixed(Buffer.from(MAGIC, 'latin1'))
  const entries = Object.entries(header)
  file.block(entries.length, entries, ([key, value]) => {
    file.string(key)
    file.string(value)
  })
  const sync = createHash('sha256').update(JSON.stringify(header)).digest().subarray(0, SYNC_LENGTH)
  file.fixed(sync)
  const block = new Sink()
  let count = 0
  const flush = (): void => {
    if (count === 0) return
    file.long(count)
    file.bytes(deflateRawSync(block.take()))
    file.fixed(sync)
    count = 0
  }
  for (const record of options.records) {
    options.writeRecord(block, record)
    count++
    if (block.size >= BLOCK_BYTES) flush()
  }
  flush()
  return file.take()
}

function unpackOf(codec: string): (packed: Uint8Array) => Uint8Array {
  if (codec === 'null') return (packed) => packed
  if (codec === 'deflate') return (packed) => inflateRawSync(packed)
  throw new IcebergError(
    'unsupported',
    `Avro codec '${codec}' is not supported; rewrite the table's manifests with gzip`,
  )
}
