import { crc32c } from '@node-rs/crc32'
import { FirnError } from '../../../schemas/error.js'
import type { RecordCursor } from '../record-cursor.js'
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

/** Records in order. `next`: one past the last offset consumed. */
export interface DecodedChunk {
  readonly records: RecordCursor
  readonly next: number
}

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
 * The committed records with first <= offset < end. Headers and checksums are read at once, records when their turn comes,
 * so that one batch at a time is decompressed. `where` names the partition in errors. Errors: `io` (bytes are damaged:
 * fetch again), `config` (a format from before Kafka 0.11); and while records are read, `contract-broken` (not decodable).
 */
export function decodeBatches(fetched: FetchedBatches, range: OffsetRange, where: string): DecodedChunk {
  const { bytes } = fetched
  const transactions = new AbortedTransactions(fetched.aborted)
  const batches: Batch[] = []
  let next = range.first
  for (let at = 0; at + HEADER_BYTES <= bytes.length && next < range.end;) {
    const batch = readHeader(bytes, at, where)
    if (batch === undefined) break
    at = batch.end
    next = Math.max(next, batch.next)
    if (transactions.leaveOut(batch) || batch.next <= range.first || batch.base >= range.end) continue
    batches.push(batch)
  }
  return { records: new BatchRecords(batches, range, where), next }
}

interface OffsetRange {
  readonly first: number
  readonly end: number
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

/** The records of batches that lie in a range. */
class BatchRecords implements RecordCursor {
  offset = -1
  timestampMs = -1
  keyFrom = -1
  keyEnd = -1
  valueFrom = -1
  valueEnd = -1
  private reader = new WireReader(Buffer.alloc(0))
  private readonly coming: Iterator<Batch>
  private batch: Batch | undefined
  private appendTime: number | undefined
  private left = 0

  constructor(
    batches: readonly Batch[],
    private readonly range: OffsetRange,
    private readonly where: string,
  ) {
    this.coming = batches.values()
  }

  get bytes(): Uint8Array {
    return this.reader.bytes
  }

  next(): boolean {
    for (;;) {
      const { batch } = this
      try {
        while (batch !== undefined && this.left > 0) if (this.read(batch)) return true
        this.batch = this.coming.next().value as Batch | undefined
        if (this.batch === undefined) return false
        this.open(this.batch)
      } catch (error) {
        throw undecodable(this.where, this.batch, error)
      }
    }
  }

  private open(batch: Batch): void {
    this.reader = new WireReader(decompress(batch.attributes & CODEC_MASK, batch.body))
    this.appendTime = (batch.attributes & LOG_APPEND_TIME) === 0 ? undefined : batch.maxTimestamp
    this.left = batch.count
  }

  /** Reads the batch's next record; returns whether the range has it. */
  private read({ base, firstTimestamp }: Batch): boolean {
    const { reader, range } = this
    this.left -= 1
    const length = reader.varint()
    const end = reader.position + length
    reader.forward(1)
    const timestampMs = firstTimestamp + reader.varint()
    const offset = base + reader.varint()
    if (offset >= range.end) {
      this.left = 0
      return false
    }
    if (offset >= range.first) {
      this.offset = offset
      this.timestampMs = this.appendTime ?? timestampMs
      const keyLength = reader.varint()
      this.keyFrom = keyLength < 0 ? -1 : reader.forward(keyLength)
      this.keyEnd = reader.position
      const valueLength = reader.varint()
      this.valueFrom = valueLength < 0 ? -1 : reader.forward(valueLength)
      this.valueEnd = reader.position
    }
    if (length <= 0 || reader.position > end)
      throw new DecompressionProblem('holds a record of the wrong length')
    // Headers are passed over.
    reader.position = end
    return offset >= range.first
  }
}

function undecodable(where: string, batch: Batch | undefined, error: unknown): FirnError {
  const reason = error instanceof Error ? error.message : String(error)
  return new FirnError(
    'contract-broken',
    `${where}: the batch at offset ${batch?.base} ${error instanceof DecompressionProblem ? '' : `is not decodable: `}${reason}. ` +
      'Its checksum is right, so its producer wrote it so; no consumer can read it.',
    { context: { offset: batch?.base, next: batch?.next }, cause: error },
  )
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
