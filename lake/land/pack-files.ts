import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FirnError } from '../../schemas/error.js'
import type { PlannedFile } from './landing-files.js'
import { frozenContractError, RawObject } from './raw-object.js'
import type { SourceDocument } from './read-documents.js'
import { documentFormatOf, readDocuments } from './read-documents.js'
import type { ContractTask } from './record-contract.js'
import { RecordContract } from './record-contract.js'

/** Everything a thread needs to turn planned files into raw objects; plain data. */
export interface PackTask extends ContractTask {
  readonly folder: string
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
  const contract = new RecordContract(task)
  let object = new FilesObject(task, contract, task.files[0]?.first ?? 0)
  let closing: Promise<PackedObject> | undefined
  for (const file of task.files) {
    await assertUnchanged(task.folder, file)
    let part = openPart(file, file.first)
    for await (const document of documentsOf(task, file)) {
      if (object.isFull()) {
        if (closing !== undefined) yield await closing
        closing = object.close([part])
        object = new FilesObject(task, contract, part.end)
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
    const place = { topic: this.task.topic, path, partition: 0, offset, key: null, timestampMs }
    const problem = this.object.add(document.bytes, place, document.problem)
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
