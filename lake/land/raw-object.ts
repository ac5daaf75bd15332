import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { FirnError } from '../../schemas/error.js'
import { DocumentProblem } from './document-problem.js'
import { isEventTime } from './event-time.js'
import type { ContractedRecord, RecordContract } from './record-contract.js'

/** Where a record comes from, as its envelope says it. */
export interface RecordPlace {
  readonly topic: string
  /** The file's, null for a topic. */
  readonly path: string | null
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  /** The message's or file's own time, which counts where the document has no event time; undefined: it has none. ms since 1970. */
  readonly timestampMs: number | undefined
}

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
  private readonly lines: Buffer[] = []
  private size = 0
  private refused = 0

  constructor(
    private readonly contract: RecordContract,
    private readonly objectBytes: number,
  ) {}

  isFull(): boolean {
    return this.size >= this.objectBytes || this.refused >= MAX_DEAD_LETTERS
  }

  /**
   * Takes the next record, null for one without a value; returns why it breaks its contract, where it does. `problem`:
   * why it could not be read to its end.
   */
  add(
    document: Uint8Array | null,
    place: RecordPlace,
    problem?: DocumentProblem,
  ): DocumentProblem | undefined {
    this.size += (document?.length ?? 0) + ENVELOPE_BYTES
    try {
      if (problem !== undefined) throw problem
      if (document === null) throw new DocumentProblem('no-value', 'the message has no value (a tombstone)')
      this.append(this.contract.read(document), place)
      this.payloadBytes += document.length
      return undefined
    } catch (error) {
      if (!(error instanceof DocumentProblem)) throw error
      this.refused += 1
      return error
    }
  }

  private append(record: ContractedRecord, place: RecordPlace): void {
    const timeMs = writableTime(record.eventTimeMs ?? place.timestampMs)
    this.lines.push(lineOf(record.recordId, place, timeMs, record.text))
    this.records += 1
    if (timeMs === undefined) return
    this.minEventTimeMs = Math.min(this.minEventTimeMs ?? timeMs, timeMs)
    this.maxEventTimeMs = Math.max(this.maxEventTimeMs ?? timeMs, timeMs)
  }

  /** Gzip of the lines. Level 1: numbers hardly shrink further, and time is dearer. */
  async close(): Promise<{ readonly bytes: Uint8Array; readonly sha256: string }> {
    const bytes = await compress(Buffer.concat(this.lines), { level: 1 })
    // The header's operating-system byte: unknown, so that every platform writes the same object.
    bytes[9] = 255
    return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') }
  }
}

function lineOf(record_id: string, place: RecordPlace, timeMs: number | undefined, payload: string): Buffer {
  const { topic, path, partition, offset, key } = place
  const timestamp = timeMs === undefined ? null : new Date(timeMs).toISOString()
  const envelope = { record_id, topic, path, partition, offset, key, timestamp, payload }
  return Buffer.from(JSON.stringify(envelope) + '\n')
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
