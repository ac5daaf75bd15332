import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { NestedField } from '../../iceberg/spec/type.js'
import { FirnError } from '../../schemas/error.js'
import { checkDocument } from './check-document.js'
import { DocumentProblem } from './document-problem.js'
import type { PlannedFile } from './landing-files.js'
import { parseDocument } from './parse-document.js'
import type { SourceDocument } from './read-documents.js'
import { documentFormatOf, readDocuments } from './read-documents.js'
import { recordId } from './record-id.js'

/** Everything a thread needs to turn planned files into raw objects; plain data. */
export interface PackTask {
  readonly folder: string
  readonly files: readonly PlannedFile[]
  readonly topic: string
  readonly fields: readonly NestedField[]
  readonly identity: readonly string[]
  readonly maxDocumentBytes: number
  /** Payload after which an object is closed. */
  readonly objectBytes: number
}

/** A raw object ready to be written, with what the ledger and the dead letters say of it. */
export interface PackedObject {
  readonly first: number
  readonly end: number
  readonly records: number
  /** Gzip of newline JSON; the same files give the same bytes. */
  readonly bytes: Uint8Array
  readonly sha256: string
  readonly parts: readonly PackedPart[]
  readonly deadLetters: readonly DeadLetter[]
}

/** The records of one file in one object: a ledger row. */
export interface PackedPart {
  readonly file: PlannedFile
  readonly first: number
  readonly end: number
  readonly records: number
  readonly deadLetters: number
  readonly bytes: number
}

export interface DeadLetter {
  readonly path: string
  readonly offset: number
  readonly raw: Uint8Array
  readonly kind: string
  readonly message: string
  readonly documentPath: string
}

/** What an object holds besides payloads counts too, so that many tiny records stay bounded. */
const ENVELOPE_BYTES = 300
const MAX_DEAD_LETTERS = 10_000

const compress = promisify(gzip)

/** Packs the files in their order; an object is compressed while the next one is read. Throws FirnError `stale-range` where a file is no longer the one planned. */
export async function* packFiles(task: PackTask): AsyncGenerator<PackedObject> {
  let object = new OpenObject(task, task.files[0]?.first ?? 0)
  let closing: Promise<PackedObject> | undefined
  for (const file of task.files) {
    await assertUnchanged(task.folder, file)
    let part = openPart(file, file.first)
    for await (const document of documentsOf(task, file)) {
      if (object.isFull()) {
        if (closing !== undefined) yield await closing
        closing = object.close([part])
        object = new OpenObject(task, part.end)
        part = openPart(file, part.end)
      }
      part = object.add(document, part)
    }
    await assertUnchanged(task.folder, file)
    if (part.end !== file.first + file.records) throw changed(file, 'it has another number of records')
    object.keep(part)
  }
  if (closing !== undefined) yield await closing
  yield await object.close([])
}

/** An object being filled. Gzip level 1: numbers hardly shrink further, and time is dearer. */
class OpenObject {
  private readonly lines: Buffer[] = []
  private readonly parts: PackedPart[] = []
  private readonly deadLetters: DeadLetter[] = []
  private size = 0

  constructor(
    private readonly task: PackTask,
    private readonly first: number,
  ) {}

  isFull(): boolean {
    return this.size >= this.task.objectBytes || this.deadLetters.length >= MAX_DEAD_LETTERS
  }

  /** Takes the record that comes next in the part's file and returns the part with it. */
  add(document: SourceDocument, part: PackedPart): PackedPart {
    const offset = part.end
    this.size += document.bytes.length + ENVELOPE_BYTES
    try {
      if (document.problem !== undefined) throw document.problem
      const { text, value } = parseDocument(document.bytes)
      checkDocument(this.task.fields, value)
      this.lines.push(this.envelope(recordId(this.task.identity, value), part.file, offset, text))
    } catch (error) {
      if (!(error instanceof DocumentProblem)) throw error
      this.deadLetters.push({
        path: part.file.path,
        offset,
        raw: new Uint8Array(document.bytes),
        kind: error.kind,
        message: error.message,
        documentPath: error.path,
      })
      return { ...part, end: offset + 1, deadLetters: part.deadLetters + 1 }
    }
    return { ...part, end: offset + 1, records: part.records + 1, bytes: part.bytes + document.bytes.length }
  }

  keep(part: PackedPart): void {
    this.parts.push(part)
  }

  async close(lastParts: readonly PackedPart[]): Promise<PackedObject> {
    const parts = [...this.parts, ...lastParts.filter((part) => part.end > part.first)]
    const bytes = await compress(Buffer.concat(this.lines), { level: 1 })
    // The header's operating-system byte: unknown, so that every platform writes the same object.
    bytes[9] = 255
    return {
      first: this.first,
      end: parts.at(-1)?.end ?? this.first,
      records: this.lines.length,
      bytes,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      parts,
      deadLetters: this.deadLetters,
    }
  }

  private envelope(record_id: string, file: PlannedFile, offset: number, payload: string): Buffer {
    const envelope = {
      record_id,
      topic: this.task.topic,
      path: file.path,
      partition: 0,
      offset,
      key: null,
      timestamp: new Date(file.mtimeMs).toISOString(),
      payload,
    }
    return Buffer.from(JSON.stringify(envelope) + '\n')
  }
}

function openPart(file: PlannedFile, first: number): PackedPart {
  return { file, first, end: first, records: 0, deadLetters: 0, bytes: 0 }
}

function documentsOf(task: PackTask, file: PlannedFile): AsyncGenerator<SourceDocument> {
  const format = documentFormatOf(file.path) ?? { lines: false, gzip: false }
  return readDocuments(join(task.folder, file.path), format, task.maxDocumentBytes)
}

async function assertUnchanged(folder: string, file: PlannedFile): Promise<void> {
  const status = await stat(join(folder, file.path)).catch((error: unknown) => {
    throw changed(file, `it can't be read (${error instanceof Error ? error.message : String(error)})`)
  })
  if (status.size !== file.size || Math.trunc(status.mtimeMs) !== file.mtimeMs) {
    throw changed(file, `it has ${status.size} bytes instead of ${file.size}, or another time of change`)
  }
}

function changed(file: PlannedFile, why: string): FirnError {
  return new FirnError(
    'stale-range',
    `${JSON.stringify(file.path)} changed since its landing was planned: ${why}. Nothing was landed; land again.`,
    { context: { path: file.path } },
  )
}
