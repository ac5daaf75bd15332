import { createHash } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { IcebergError } from '../../error.js'
import { parseJson } from '../../spec/json.js'
import type { AvroSchema } from './avro-schema.js'
import { blockUnpacker } from './codec.js'
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
export const SYNC_LENGTH = 16
const BLOCK_BYTES = 256 * 1024

export function openContainer(bytes: Uint8Array): AvroContainer {
  const header = readHeader(bytes)
  return {
    ...header,
    forEachRecord(readRecord) {
      const blocks = new Cursor(bytes, header.length)
      while (!blocks.atEnd) {
        const count = blocks.readLong()
        forEachInBlock(header, count, blocks.readBytes(), readRecord)
        checkSync(header, blocks.readFixed(SYNC_LENGTH))
      }
    },
  }
}

/** What a container file starts with. */
export interface AvroHeader {
  readonly schema: AvroSchema
  readonly metadata: ReadonlyMap<string, string>
  readonly sync: Buffer
  readonly unpack: (packed: Uint8Array) => Uint8Array
  /** Bytes before the first block. */
  readonly length: number
}

/** Reads the header that `bytes` start with. Throws `data-invalid`, also where they end within it. */
export function readHeader(bytes: Uint8Array): AvroHeader {
  const cursor = new Cursor(bytes)
  if (Buffer.from(cursor.readFixed(4)).toString('latin1') !== MAGIC) {
    throw new IcebergError('data-invalid', 'not an Avro file: it does not start with Obj1')
  }
  const metadata = new Map<string, string>()
  for (let count = cursor.readBlockCount(); count !== 0; count = cursor.readBlockCount()) {
    for (let index = 0; index < count; index++) metadata.set(cursor.readString(), cursor.readString())
  }
  const sync = Buffer.from(cursor.readFixed(SYNC_LENGTH))
  const unpack = blockUnpacker(metadata.get('avro.codec') ?? 'null')
  const schema = parseSchema(metadata.get('avro.schema') ?? '')
  return { schema, metadata, sync, unpack, length: cursor.position }
}

const parsed = new Map<string, AvroSchema>()
const MOST_PARSED = 16

/** Files of few schemas are read in turns (lists, manifests), and parsing one takes as long as reading a few entries. */
function parseSchema(text: string): AvroSchema {
  const known = parsed.get(text)
  if (known !== undefined) return known
  const schema = parseJson(text) as AvroSchema
  if (parsed.size >= MOST_PARSED) parsed.clear()
  parsed.set(text, schema)
  return schema
}

/** Calls `readRecord` for each of the `count` records of a block. */
export function forEachInBlock(
  header: AvroHeader,
  count: number,
  packed: Uint8Array,
  readRecord: (cursor: Cursor) => void,
): void {
  const block = new Cursor(header.unpack(packed))
  // A record takes a byte at least: a damaged count must not keep the reader busy.
  if (count < 0 || count > block.remaining) {
    throw new IcebergError('data-invalid', `an Avro block of ${block.remaining} bytes says ${count} records`)
  }
  for (let index = 0; index < count; index++) readRecord(block)
  if (!block.atEnd) throw new IcebergError('data-invalid', 'an Avro block is longer than its records')
}

export function checkSync(header: AvroHeader, marker: Uint8Array): void {
  if (header.sync.equals(marker)) return
  throw new IcebergError('data-invalid', 'an Avro block does not end with the sync marker of its file')
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
