import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { FirnError } from '../../schemas/error.js'
import { DocumentProblem } from './document-problem.js'
import { isEventTime } from './event-time.js'
import type { RecordPlace } from './line-buffer.js'
import { LineBuffer } from './line-buffer.js'
import type { RecordContract } from './record-contract.js'

/** What an object holds besides payloads counts too, so that many tiny records stay bounded. */
const ENVELOPE_BYTES = 300
const MAX_DEAD_LETTERS = 10_000

const compress = promisify(gzip)

/** A raw object being filled: lines of the records that keep their contract, in order. */
export class RawObject {
  records = 0
  /** Of the records that are in it. */
  payloadBytes = 0
  minEventTimeMs: number | undefined
  maxEventTimeMs: number | undefined
  private readonly lines: LineBuffer
  private size = 0
  private refused = 0

  constructor(
    private readonly contract: RecordContract,
    private readonly objectBytes: number,
    /** Buffers of objects that are closed. */
    private readonly spare: LineBuffer[] = [],
  ) {
    this.lines = spare.pop() ?? new LineBuffer()
    this.lines.length = 0
  }

  isFull(): boolean {
    return this.size >= this.objectBytes || this.refused >= MAX_DEAD_LETTERS
  }

  /**
   * Takes the next record, whose document lies between `from` and `end`; a `from` of -1: it has none. Returns why it
   * breaks its contract, where it does. `problem`: why it could not be read to its end.
   */
  add(
    bytes: Uint8Array,
    from: number,
    end: number,
    place: RecordPlace,
    problem?: DocumentProblem,
  ): DocumentProblem | undefined {
    const length = from < 0 ? 0 : end - from
    this.size += length + ENVELOPE_BYTES
    try {
      if (problem !== undefined) throw problem
      if (from < 0) throw new DocumentProblem('no-value', 'the message has no value (a tombstone)')
      this.append(bytes, from, end, place)
      this.payloadBytes += length
      return undefined
    } catch (error) {
      if (!(error instanceof DocumentProblem)) throw error
      this.refused += 1
      return error
    }
  }

  private append(bytes: Uint8Array, from: number, end: number, place: RecordPlace): void {
    let timeMs = this.appendQuickly(bytes, from, end, place)
    if (timeMs === undefined) {
      const record = this.contract.read(bytes.subarray(from, end))
      timeMs = writableTime(record.eventTimeMs ?? place.timestampMs)
      this.lines.append(record.recordId, place, timeMs, record.text)
    }
    this.records += 1
    if (timeMs === undefined) return
    if (this.minEventTimeMs === undefined || timeMs < this.minEventTimeMs) this.minEventTimeMs = timeMs
    if (this.maxEventTimeMs === undefined || timeMs > this.maxEventTimeMs) this.maxEventTimeMs = timeMs
  }

  /** Returns the record's time; undefined: nothing is appended, the record wants a thorough look. */
  private appendQuickly(
    bytes: Uint8Array,
    from: number,
    end: number,
    place: RecordPlace,
  ): number | undefined {
    const { contract, lines } = this
    const at = lines.begin(place, escapedBytes(bytes, from, end))
    const found = contract.readQuickly(bytes, from, end, lines.bytes, at)
    if (found === undefined) return undefined
    const timeMs = writableTime(found.eventTimeMs ?? place.timestampMs)
    if (timeMs === undefined) return undefined
    lines.finish(found.end, found.recordId, timeMs)
    return timeMs
  }

  /** Gzip of the lines. Level 1: numbers hardly shrink further, and time is dearer. */
  async close(): Promise<{ readonly bytes: Uint8Array; readonly sha256: string }> {
    const { lines } = this
    const text = lines.bytes.subarray(0, lines.length)
    const bytes = await compress(text, { ...GZIP, chunkSize: Math.max(text.length >> 2, 65_536) })
    this.spare.push(lines)
    // The header's operating-system byte: unknown, so that every platform writes the same object.
    bytes[9] = 255
    return { bytes: new Uint8Array(bytes), sha256: createHash('sha256').update(bytes).digest('hex') }
  }
}

/** A window of 8 KiB stays in the processor's cache: a fifth less time than with 32 KiB, for objects of the same size. */
const GZIP = { level: 1, windowBits: 13, memLevel: 9 }

/** At most so many bytes is a document as the text of a JSON string. */
function escapedBytes(bytes: Uint8Array, from: number, end: number): number {
  const length = end - from
  if (length < 65_536) return length * 2
  let escaped = length
  for (let i = from; i < end; i++) {
    const c = bytes[i] as number
    if (c < 0x20 || c === 0x22 || c === 0x5c) escaped += 1
  }
  return escaped
}

/** Years of other than four digits are written in another way, which no engine reads. */
function writableTime(ms: number | undefined): number | undefined {
  return ms !== undefined && isEventTime(ms) ? ms : undefined
}

/** What a contract of mode `freeze` makes of the first record that breaks it. */
export function frozenContractError(place: RecordPlace, problem: DocumentProblem): FirnError {
  const { topic, path, partition, offset } = place
  const where = path === null ? `topic ${topic}, partition ${partition}` : JSON.stringify(path)
  const at = problem.path === '' ? '' : ` at ${problem.path}`
  return new FirnError(
    'contract-broken',
    `${where}, offset ${offset} breaks the frozen contract of its source${at}: ${problem.kind}, ${problem.message}. ` +
      'Nothing was landed. Change the declared schema or the producer, or set contract to discard-row, which lands the rest.',
    { context: { topic, path, partition, offset, documentPath: problem.path, cause: problem.kind } },
  )
}
