import { keyText } from './key-text.js'

/** Where a record comes from, as its envelope says it. */
export interface RecordPlace {
  readonly topic: string
  /** The file's, null for a topic. */
  readonly path: string | null
  readonly partition: number
  readonly offset: number
  /** What holds the record's key. */
  readonly keyBytes: Uint8Array
  /** -1: it has no key. */
  readonly keyFrom: number
  readonly keyEnd: number
  /** The message's or file's own time, which counts where the document has no event time; undefined: it has none. ms since 1970. */
  readonly timestampMs: number | undefined
}

/** Lines of a raw object, in a buffer that grows. */
export class LineBuffer {
  bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
  length = 0
  private before: Pick<RecordPlace, 'topic' | 'path' | 'partition'> | undefined
  /** A line up to its offset, with room for the record id. */
  private placeBytes = new Uint8Array(0)
  private timeAt = 0

  /** Appends the line of a record as JSON.stringify writes it. */
  append(record_id: string, place: RecordPlace, timeMs: number | undefined, payload: string): void {
    const { topic, path, partition, offset } = place
    const key = textOfKey(place)
    const timestamp = timeMs === undefined ? null : new Date(timeMs).toISOString()
    const line = JSON.stringify({ record_id, topic, path, partition, offset, key, timestamp, payload })
    this.reserve(Buffer.byteLength(line) + 1)
    this.length += this.bytes.write(line, this.length, 'utf8')
    this.bytes[this.length++] = NEWLINE
  }

  /**
   * Begins the same line behind the lines, without record id and time, which only the payload tells, and returns where
   * the payload's text goes; `payloadBytes` are free there. Nothing is appended until `finish`.
   */
  begin(place: RecordPlace, payloadBytes: number): number {
    this.rememberPlace(place)
    const { keyBytes, keyFrom, keyEnd } = place
    const isPlain = isPlainKey(keyBytes, keyFrom, keyEnd)
    const key = isPlain ? undefined : Buffer.from(JSON.stringify(textOfKey(place)))
    const keyLength = key === undefined ? keyEnd - keyFrom : key.length
    this.reserve(this.placeBytes.length + keyLength + payloadBytes + OTHER_BYTES)
    const { bytes } = this
    bytes.set(this.placeBytes, this.length)
    let at = putDigits(bytes, place.offset, this.length + this.placeBytes.length)
    at = put(bytes, KEY, at)
    if (key === undefined) {
      bytes[at++] = QUOTE
      for (let i = keyFrom; i < keyEnd; i++) bytes[at++] = keyBytes[i] as number
      bytes[at++] = QUOTE
    } else at = put(bytes, key, at)
    this.timeAt = put(bytes, TIMESTAMP, at)
    return put(bytes, PAYLOAD, this.timeAt + TIME_BYTES)
  }

  /** Appends the line that was begun, whose payload ends at `end`. */
  finish(end: number, recordId: string, timeMs: number): void {
    const { bytes } = this
    bytes.write(recordId, this.length + HEAD.length, RECORD_ID_BYTES, 'latin1')
    putTime(bytes, timeMs, this.timeAt)
    this.length = put(bytes, TAIL, end)
  }

  private rememberPlace(place: RecordPlace): void {
    const { topic, path, partition } = place
    const before = this.before
    if (topic === before?.topic && path === before.path && partition === before.partition) return
    this.before = { topic, path, partition }
    const text = JSON.stringify({ topic, path, partition, offset: 0 })
    this.placeBytes = Buffer.from(`${HEAD}${' '.repeat(RECORD_ID_BYTES)}",${text.slice(1, -2)}`)
  }

  private reserve(more: number): void {
    const needed = this.length + more
    if (needed <= this.bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2))
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
  }
}

/** A key for itself, as a place has it. */
export function placedKey(key: Uint8Array | null): Pick<RecordPlace, 'keyBytes' | 'keyFrom' | 'keyEnd'> {
  return key === null
    ? { keyBytes: NO_BYTES, keyFrom: -1, keyEnd: -1 }
    : { keyBytes: key, keyFrom: 0, keyEnd: key.length }
}

function textOfKey({ keyBytes, keyFrom, keyEnd }: RecordPlace): string | null {
  return keyFrom < 0 ? null : keyText(keyBytes.subarray(keyFrom, keyEnd))
}

/** Whether the key's bytes are its text in JSON, but for the quotes. */
function isPlainKey(bytes: Uint8Array, from: number, end: number): boolean {
  if (from < 0) return false
  for (let i = from; i < end; i++) {
    const c = bytes[i] as number
    if (c < 0x20 || c > 0x7e || c === QUOTE || c === BACKSLASH) return false
  }
  // Base64 is told from text by its first characters.
  return end - from <= BASE64_COLON || bytes[from + BASE64_COLON] !== COLON
}

function put(bytes: Uint8Array, part: Uint8Array, at: number): number {
  for (let i = 0; i < part.length; i++) bytes[at + i] = part[i] as number
  return at + part.length
}

function putDigits(bytes: Uint8Array, whole: number, at: number): number {
  let end = at + 1
  for (let rest = Math.floor(whole / 10); rest > 0; rest = Math.floor(rest / 10)) end += 1
  for (let i = end - 1, rest = whole; i >= at; i--) {
    const next = Math.floor(rest / 10)
    bytes[i] = ZERO + (rest - next * 10)
    rest = next
  }
  return end
}

/** As toISOString writes it; the day is kept, since records of one time follow each other. */
function putTime(bytes: Uint8Array, ms: number, at: number): void {
  const day = Math.floor(ms / DAY_MS)
  if (day !== timeDay) {
    timeDay = day
    timeDayBytes = Buffer.from(new Date(day * DAY_MS).toISOString())
  }
  put(bytes, timeDayBytes, at)
  const rest = ms - day * DAY_MS
  const seconds = Math.floor(rest / 1000)
  putPair(bytes, Math.floor(seconds / 3600), at + 11)
  putPair(bytes, Math.floor(seconds / 60) % 60, at + 14)
  putPair(bytes, seconds % 60, at + 17)
  const millis = rest - seconds * 1000
  bytes[at + 20] = ZERO + Math.floor(millis / 100)
  putPair(bytes, millis % 100, at + 21)
}

function putPair(bytes: Uint8Array, value: number, at: number): void {
  const tens = Math.floor(value / 10)
  bytes[at] = ZERO + tens
  bytes[at + 1] = ZERO + value - tens * 10
}

let timeDay = 0
let timeDayBytes = Buffer.from(new Date(0).toISOString())

const FIRST_BYTES = 256 * 1024
const RECORD_ID_BYTES = 64
const TIME_BYTES = 24
const DAY_MS = 86_400_000
const NO_BYTES = new Uint8Array(0)
const HEAD = '{"record_id":"'
const KEY = Buffer.from(',"key":')
const TIMESTAMP = Buffer.from(',"timestamp":"')
const PAYLOAD = Buffer.from('","payload":"')
const TAIL = Buffer.from('"}\n')
/** Of a line besides its place, key and payload: the parts above, id, time and offset. */
const OTHER_BYTES = 256
/** Where a key that begins with `base64:` has its colon. */
const BASE64_COLON = 6
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const NEWLINE = 0x0a
const ZERO = 0x30
