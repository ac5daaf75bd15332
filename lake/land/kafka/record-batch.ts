import { crc32c } from '@node-rs/crc32'
import { FirnError } from '../../../schemas/error.js'
import type { TopicRecord } from '../../../schemas/topics.js'
import { decompress } from './decompress.js'
import { DecompressionProblem } from './decompression-problem.js'
import { WireReader } from './wire-reader.js'

/** Record batches of one partition as a broker sent them; the last one may be cut off. */
export interface FetchedBatches {
  readonly bytes: Buffer
  /** Transactions that were aborted, by the offset they began at. */
  readonly aborted: readonly AbortedTransaction[]
}

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

/** Records in order; their keys and values share the memory of the fetched bytes. `next`: one past the last offset consumed. */
export interface DecodedChunk {
  readonly records: readonly TopicRecord[]
  readonly next: number
}

/** A chunk is given out once it has taken this much memory. */
const CHUNK_BYTES = 4 * 1024 * 1024

/** Sizes in bytes. Kafka protocol, Record Batch: what `length` counts begins after it, what `crc` covers after that. */
const LENGTH_AT = 8
const MAGIC_AT = 16
const CRC_AT = 17
const HEADER_BYTES = 61
const BEFORE_LENGTH_COUNTS = 12

const CODEC_MASK = 0x07
const LOG_APPEND_TIME = 0x08
const TRANSACTIONAL = 0x10
const CONTROL = 0x20
const ABORT = 0

/** One past the last offset of the last whole batch; undefined: there is none. Reads headers only and checks nothing. */
export function endOfBatches(bytes: Buffer): number | undefined {
  let end: number | undefined
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const next = at + BEFORE_LENGTH_COUNTS + bytes.readInt32BE(at + LENGTH_AT)
    if (next > bytes.length || next <= at) return end
    const reader = new WireReader(bytes, at)
    const base = reader.int64()
    reader.position = at + CRC_AT + 6
    end = base + reader.int32() + 1
    at = next
  }
  return end
}

/**
 * Decodes the committed records with first <= offset < end. `where` names the partition in errors. Errors: `io` (bytes
 * are damaged: fetch again), `config` (a format from before Kafka 0.11), `contract-broken` (not decodable).
 */
export function* decodeBatches(
  fetched: FetchedBatches,
  range: { readonly first: number; readonly end: number },
  where: string,
): Generator<DecodedChunk> {
  const { bytes } = fetched
  const transactions = new AbortedTransactions(fetched.aborted)
  let records: TopicRecord[] = []
  let size = 0
  let next = range.first
  for (let at = 0; at + HEADER_BYTES <= bytes.length && next < range.end;) {
    const batch = readHeader(bytes, at, where)
    if (batch === undefined) break
    at = batch.end
    next = Math.max(next, batch.next)
    if (transactions.leaveOut(batch) || batch.next <= range.first || batch.base >= range.end) continue
    size += readRecords(batch, range, records, where)
    if (size < CHUNK_BYTES) continue
    yield { records, next }
    records = []
    size = 0
  }
  yield { records, next }
}

interface Batch {
  readonly base: number
  /** One past its last offset, whether or not a record is there: compaction takes records and leaves the batch. */
  readonly next: number
  readonly attributes: number
  readonly firstTimestamp: number
  readonly maxTimestamp: number
  readonly producerId: bigint
  readonly count: number
  /** What follows the header, compressed or not. */
  readonly body: Buffer
  /** Position in the fetched bytes. */
  readonly end: number
}

/** Undefined: it is cut off. */
function readHeader(bytes: Buffer, at: number, where: string): Batch | undefined {
  const reader = new WireReader(bytes, at)
  const base = reader.int64()
  const end = at + BEFORE_LENGTH_COUNTS + reader.int32()
  const magic = bytes.readInt8(at + MAGIC_AT)
  if (magic !== 2) throw oldFormat(where, base, magic)
  if (end > bytes.length) return undefined
  if (end < at + HEADER_BYTES)
    throw damaged(where, base, `says that it ends ${end - at} bytes after its start`)
  reader.position = at + CRC_AT
  const crc = reader.uint32()
  const actual = crc32c(bytes.subarray(reader.position, end))
  if (crc !== actual) throw damaged(where, base, `has the checksum ${actual} instead of ${crc}`)
  const attributes = reader.int16()
  const next = base + reader.int32() + 1
  const firstTimestamp = reader.int64()
  const maxTimestamp = reader.int64()
  const producerId = reader.bigint64()
  reader.forward(2 + 4)
  const count = reader.int32()
  const body = bytes.subarray(reader.position, end)
  return { base, next, attributes, firstTimestamp, maxTimestamp, producerId, count, body, end }
}

/** Appends the batch's records of the range; returns the bytes it took. */
function readRecords(
  batch: Batch,
  range: { readonly first: number; readonly end: number },
  into: TopicRecord[],
  where: string,
): number {
  try {
    const bytes = decompress(batch.attributes & CODEC_MASK, batch.body)
    const appendTime = (batch.attributes & LOG_APPEND_TIME) === 0 ? undefined : batch.maxTimestamp
    const reader = new WireReader(bytes)
    for (let left = batch.count; left > 0; left--) {
      const length = reader.varint()
      const end = reader.position + length
      reader.forward(1)
      const timestampMs = batch.firstTimestamp + reader.varint()
      const offset = batch.base + reader.varint()
      if (offset >= range.end) break
      if (offset >= range.first) {
        const key = reader.slice(reader.varint())
        const value = reader.slice(reader.varint())
        into.push({ offset, timestampMs: appendTime ?? timestampMs, key, value })
      }
      if (length <= 0 || reader.position > end)
        throw new DecompressionProblem('holds a record of the wrong length')
      // Headers are passed over.
      reader.position = end
    }
    return bytes.length
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new FirnError(
      'contract-broken',
      `${where}: the batch at offset ${batch.base} ${error instanceof DecompressionProblem ? '' : `is not decodable: `}${reason}. ` +
        'Its checksum is right, so its producer wrote it so; no consumer can read it.',
      { context: { offset: batch.base, next: batch.next }, cause: error },
    )
  }
}

/** Which batches a read-committed reader leaves out; asked for every batch, in order. */
class AbortedTransactions {
  private readonly coming: AbortedTransaction[]
  private readonly open = new Set<bigint>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.coming = [...aborted].sort((a, b) => b.firstOffset - a.firstOffset)
  }

  leaveOut(batch: Batch): boolean {
    for (let next = this.coming.at(-1); next !== undefined && next.firstOffset < batch.next;) {
      this.open.add(next.producerId)
      this.coming.pop()
      next = this.coming.at(-1)
    }
    if ((batch.attributes & CONTROL) !== 0) {
      if (isAbort(batch)) this.open.delete(batch.producerId)
      return true
    }
    return (batch.attributes & TRANSACTIONAL) !== 0 && this.open.has(batch.producerId)
  }
}

/** The marker's key: version, then what it says of the producer's transaction. */
function isAbort(batch: Batch): boolean {
  if (batch.count === 0) return false
  const reader = new WireReader(batch.body)
  reader.varint()
  reader.forward(1)
  reader.varint()
  reader.varint()
  return reader.slice(reader.varint())?.readInt16BE(2) === ABORT
}

function damaged(where: string, offset: number, what: string): FirnError {
  return new FirnError(
    'io',
    `${where}: the batch at offset ${offset} ${what}; it was damaged on its way or on the broker's disk`,
    {
      context: { offset },
    },
  )
}

function oldFormat(where: string, offset: number, magic: number): FirnError {
  return new FirnError(
    'config',
    `${where}: the batch at offset ${offset} has message format ${magic}, from before Kafka 0.11. ` +
      'Copy the topic with a newer producer, and land the copy.',
    { context: { offset, magic } },
  )
}
