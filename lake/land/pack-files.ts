import type { SourceStore } from '../../schemas/lake-deps.js'
import { openSourceFiles } from './open-source-files.js'
import { placedKey } from './line-buffer.js'
import { frozenContractError, RawObject } from './raw-object.js'
import type { SourceDocument } from './read-documents.js'
import { documentFormatOf, readDocuments } from './read-documents.js'
import type { ContractTask } from './record-contract.js'
import { RecordContract } from './record-contract.js'
import type { OpenFile } from './read-ahead.js'
import { readAhead } from './read-ahead.js'
import type { PlannedFile, SourceFiles } from './source-files.js'
import { fileChanged, isSameState } from './source-files.js'

/** Everything a thread needs to turn planned files into raw objects; plain data. */
export interface PackTask extends ContractTask {
  /** Folder or prefix, as `locateSource` names it. */
  readonly folder: string
  readonly store?: SourceStore
  readonly files: readonly PlannedFile[]
  readonly topic: string
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
  /** Undeclared members that were seen, at most 20 (contract `evolve`). */
  readonly undeclared: readonly string[]
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

/** Packs the files in their order; an object is compressed while the next one is read. Throws FirnError `stale-range` where a file is no longer the one planned. */
export async function* packFiles(task: PackTask): AsyncGenerator<PackedObject> {
  const source = openSourceFiles(task.folder, task.store)
  const contract = new RecordContract(task)
  let object = new FilesObject(task, contract, task.files[0]?.first ?? 0)
  let closing: Promise<PackedObject> | undefined
  for (const open of readAhead(source, task.files)) {
    const { file } = open
    let part = openPart(file, file.first)
    for await (const document of documentsOf(task, open)) {
      if (object.isFull()) {
        if (closing !== undefined) yield await closing
        closing = object.close([part])
        object = new FilesObject(task, contract, part.end)
        part = openPart(file, part.end)
      }
      part = object.add(document, part)
    }
    await assertUnchanged(source, file)
    if (part.end !== file.first + file.records) throw fileChanged(file, 'it has another number of records')
    object.keep(part)
  }
  if (closing !== undefined) yield await closing
  yield await object.close([])
}

/** An object being filled, with the files that its records come from. */
class FilesObject {
  private readonly object: RawObject
  private readonly parts: PackedPart[] = []
  private readonly deadLetters: DeadLetter[] = []

  constructor(
    private readonly task: PackTask,
    private readonly contract: RecordContract,
    private readonly first: number,
  ) {
    this.object = new RawObject(contract, task.objectBytes)
  }

  isFull(): boolean {
    return this.object.isFull()
  }

  /** Takes the record that comes next in the part's file and returns the part with it. */
  add(document: SourceDocument, part: PackedPart): PackedPart {
    const { file, end: offset } = part
    const { path, mtimeMs: timestampMs } = file
    const place = { topic: this.task.topic, path, partition: 0, offset, ...placedKey(null), timestampMs }
    const { bytes } = document
    const problem = this.object.add(bytes, 0, bytes.length, place, document.problem)
    if (problem === undefined) {
      const bytes = part.bytes + document.bytes.length
      return { ...part, end: offset + 1, records: part.records + 1, bytes }
    }
    if (this.contract.isFrozen) throw frozenContractError(place, problem)
    const { kind, message, path: documentPath } = problem
    this.deadLetters.push({ path, offset, raw: new Uint8Array(document.bytes), kind, message, documentPath })
    return { ...part, end: offset + 1, deadLetters: part.deadLetters + 1 }
  }

  keep(part: PackedPart): void {
    this.parts.push(part)
  }

  async close(lastParts: readonly PackedPart[]): Promise<PackedObject> {
    const parts = [...this.parts, ...lastParts.filter((part) => part.end > part.first)]
    const undeclared = this.contract.takeUndeclared()
    return {
      first: this.first,
      end: parts.at(-1)?.end ?? this.first,
      records: this.object.records,
      ...(await this.object.close()),
      ...{ parts, deadLetters: this.deadLetters, undeclared },
    }
  }
}

function openPart(file: PlannedFile, first: number): PackedPart {
  return { file, first, end: first, records: 0, deadLetters: 0, bytes: 0 }
}

function documentsOf(task: PackTask, { file, bytes }: OpenFile): AsyncGenerator<SourceDocument> {
  const format = documentFormatOf(file.path) ?? { lines: false, gzip: false }
  return readDocuments(bytes, format, task.maxDocumentBytes)
}

/** What has an ETag was read in that state, or not at all. */
async function assertUnchanged(source: SourceFiles, file: PlannedFile): Promise<void> {
  if (file.etag !== undefined) return
  const now = await source.stat(file.path)
  if (now === undefined) throw fileChanged(file, 'it is gone')
  if (isSameState(now, file)) return
  throw fileChanged(file, `it has ${now.size} bytes instead of ${file.size}, or another time of change`)
}
