import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { DocumentProblem } from './document-problem.js'

/** One record as it stands in its file; with a problem, `bytes` may be its beginning only. */
export interface SourceDocument {
  readonly bytes: Uint8Array
  readonly problem?: DocumentProblem
}

export interface DocumentFormat {
  /** One record a line; else the file is one record. */
  readonly lines: boolean
  readonly gzip: boolean
}

/** So much of a record that is too large goes to the dead letters; the rest stays in its file. */
const KEPT_BYTES = 1024 * 1024
const CHUNK_BYTES = 1024 * 1024

/** By the file's name; undefined: not a file of documents. */
export function documentFormatOf(path: string): DocumentFormat | undefined {
  const match = /\.(json|jsonl|ndjson)(\.gz)?$/.exec(path)
  return match === null ? undefined : { lines: match[1] !== 'json', gzip: match[2] !== undefined }
}

/**
 * The records of a file in order, one in memory at a time. Blank lines are none. A file whose compression breaks off
 * yields what is whole before, then one unreadable record.
 */
export async function* readDocuments(
  bytes: AsyncIterable<Buffer>,
  format: DocumentFormat,
  maxBytes: number,
): AsyncGenerator<SourceDocument> {
  const collector = new Collector(maxBytes)
  try {
    for await (const chunk of format.gzip ? gunzipped(bytes) : bytes) {
      let from = 0
      if (format.lines) {
        for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
          collector.add(chunk.subarray(from, end))
          from = end + 1
          const line = collector.take()
          if (!isBlank(line)) yield line
        }
      }
      collector.add(chunk.subarray(from))
    }
  } catch (error) {
    if (!isCompressionError(error)) throw error
    yield {
      bytes: collector.take().bytes,
      problem: new DocumentProblem('unreadable', `gzip: ${error.message}`),
    }
    return
  }
  const last = collector.take()
  if (!format.lines || !isBlank(last)) yield last
}

/** How many records readDocuments yields. */
export async function countDocuments(
  bytes: AsyncIterable<Buffer>,
  format: DocumentFormat,
  maxBytes: number,
): Promise<number> {
  if (!format.lines) return 1
  const documents = readDocuments(bytes, format, maxBytes)
  let count = 0
  while ((await documents.next()).done !== true) count += 1
  return count
}

/** Gathers the pieces of one record, of an oversized one only the beginning. */
class Collector {
  private pieces: Buffer[] = []
  private kept = 0
  private size = 0

  constructor(private readonly maxBytes: number) {}

  add(piece: Buffer): void {
    this.size += piece.length
    if (this.size > this.maxBytes && this.kept >= KEPT_BYTES) return
    this.pieces.push(piece)
    this.kept += piece.length
  }

  take(): SourceDocument {
    const bytes = this.pieces.length === 1 ? (this.pieces[0] ?? Buffer.alloc(0)) : Buffer.concat(this.pieces)
    const size = this.size
    this.pieces = []
    this.kept = 0
    this.size = 0
    if (size <= this.maxBytes) return { bytes }
    const problem = new DocumentProblem('too-large', `${size} bytes; maxDocumentBytes is ${this.maxBytes}`)
    return { bytes: bytes.subarray(0, KEPT_BYTES), problem }
  }
}

function gunzipped(bytes: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  // The callback is asked for by the signature: an error reaches the reader through the destroyed stream.
  return pipeline(bytes, createGunzip({ chunkSize: CHUNK_BYTES }), () => undefined)
}

function isCompressionError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')
}

function isBlank(document: SourceDocument): boolean {
  return (
    document.problem === undefined &&
    document.bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d)
  )
}
