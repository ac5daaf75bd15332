import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { joinLocation } from '../../iceberg/io/location.js'
import { tryCreate } from '../../iceberg/io/try-create.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { Row } from '../../engine/engine.js'
import { batchTimes, parseBatchId, processingDateOf } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { keyText } from './key-text.js'
import { writeTableRows } from '../tables/write-table-rows.js'
import { MAX_UNDECLARED } from './record-contract.js'
import type { LandedRange, StagedLanding } from './staged-landing.js'

/** The landing that objects are written for. */
export interface LandingTarget {
  readonly source: string
  readonly batch: string
  readonly incarnation: string
}

/** A packed object of a file source or a topic, in the words that both share. */
export interface WritableObject {
  readonly partition: number
  readonly first: number
  readonly end: number
  readonly records: number
  /** Gzip of newline JSON. */
  readonly bytes: Uint8Array
  readonly sha256: string
  /** Its ledger rows, which follow each other without a hole. */
  readonly ranges: readonly Omit<LandedRange, 'path' | 'incarnation' | 'partition' | 'sha256'>[]
  readonly deadLetters: readonly WritableLetter[]
  readonly undeclared?: readonly string[]
}

export interface WritableLetter {
  /** Path of the file; absent for topics. */
  readonly path?: string
  readonly offset: number
  readonly key?: Uint8Array | null
  readonly timestampMs?: number
  readonly raw: Uint8Array
  readonly kind: string
  readonly message: string
  /** Empty: the document as a whole. */
  readonly documentPath: string
}

const DEAD_LETTER_FILE_BYTES = 8 * 1024 * 1024
/** Of the dead letters that are told in words. */
export const MAX_CAUSES = 5

/** Writes raw objects and dead letters as they are packed; nothing of it is visible. Objects without a record are not written. */
export class LandingWriter {
  private readonly ranges: LandedRange[] = []
  private readonly letterFiles: DataFile[] = []
  private letters: Row[] = []
  private letterBytes = 0
  private readonly causes: string[] = []
  private readonly kinds = new Map<string, number>()
  private readonly undeclared = new Set<string>()
  private objects = 0
  private records = 0
  private deadLetters = 0
  private bytes = 0

  constructor(
    private readonly deps: LakeDeps,
    private readonly target: LandingTarget,
    private readonly deadLetterTable: LoadedTable,
  ) {}

  async take(object: WritableObject): Promise<void> {
    const { path, sha256 } = await this.write(object)
    const { incarnation } = this.target
    const { partition } = object
    for (const range of object.ranges) {
      this.ranges.push({ ...range, path, incarnation, partition, sha256 })
      this.bytes += range.bytes
    }
    this.records += object.records
    this.deadLetters += object.deadLetters.length
    for (const name of object.undeclared ?? []) {
      if (this.undeclared.size < MAX_UNDECLARED) this.undeclared.add(name)
    }
    for (const letter of object.deadLetters) {
      if (this.causes.length < MAX_CAUSES) this.causes.push(causeOf(letter, partition))
      this.kinds.set(letter.kind, (this.kinds.get(letter.kind) ?? 0) + 1)
      this.letters.push(this.letterRow(letter, partition))
      this.letterBytes += letter.raw.length
    }
    if (this.letterBytes >= DEAD_LETTER_FILE_BYTES) await this.writeLetters()
  }

  async finish(): Promise<StagedLanding> {
    if (this.letters.length > 0) await this.writeLetters()
    return {
      ranges: this.ranges,
      ...{ objects: this.objects, records: this.records, deadLetters: this.deadLetters, bytes: this.bytes },
      deadLetterFiles: this.letterFiles,
      deadLetterKinds: Object.fromEntries(this.kinds),
      causes: this.causes,
      undeclared: [...this.undeclared],
    }
  }

  private async write(object: WritableObject): Promise<{ readonly path: string; readonly sha256: string }> {
    if (object.records === 0) {
      const path = object.deadLetters.length === 0 ? 'gap:no-records' : 'gap:dead-letters'
      return { path, sha256: object.sha256 }
    }
    const { source, incarnation, batch } = this.target
    const name = `${incarnation}-${object.partition}-${object.first}-${object.end}.jsonl.gz`
    const date = processingDateOf(parseBatchId(batch))
    const location = joinLocation(this.deps.warehouse, 'raw', source, date, name)
    const sha256 = await writeOnce(this.deps, location, object)
    this.objects += 1
    return { path: location, sha256 }
  }

  private letterRow(letter: WritableLetter, partition: number): Row {
    const { source, incarnation, batch } = this.target
    return {
      source,
      path: letter.path ?? null,
      partition,
      offset: BigInt(letter.offset),
      key: letter.key == null ? null : keyText(letter.key),
      raw: letter.raw,
      error_kind: letter.kind,
      message: letter.message,
      document_path: letter.documentPath === '' ? null : letter.documentPath,
      // The logical instant, not the clock: a landing done again writes the same rows.
      landed_at: batchTimes(parseBatchId(batch)).timestamp,
      batch,
      incarnation,
      timestamp: letter.timestampMs === undefined ? null : BigInt(letter.timestampMs) * 1000n,
    }
  }

  private async writeLetters(): Promise<void> {
    this.letterFiles.push(await writeTableRows(this.deps, this.deadLetterTable, this.letters))
    this.letters = []
    this.letterBytes = 0
  }
}

/**
 * An object of that name with the same lines is the work of an earlier attempt, maybe of another zlib: as it lies there it
 * may be landed already, so it stays. Returns the SHA-256 of what lies there.
 */
async function writeOnce(deps: LakeDeps, location: string, object: WritableObject): Promise<string> {
  const { io } = deps.catalog
  if (await tryCreate(io, location, object.bytes)) return object.sha256
  const there = await io.read(location)
  const found = createHash('sha256').update(there).digest('hex')
  if (found === object.sha256 || (await sameLines(there, object.bytes))) {
    // Written again: clean-up may be about to take it for an old leftover.
    await io.write(location, there)
    return found
  }
  throw new FirnError(
    'raw-differs',
    `${location} exists with other lines (SHA-256 ${found}, now ${object.sha256}): the source or its contract changed ` +
      'between two attempts. Where no ledger row names this object in its column path, delete it and land again.',
    { context: { location, expected: object.sha256, got: found } },
  )
}

const decompress = promisify(gunzip)

async function sameLines(a: Uint8Array, b: Uint8Array): Promise<boolean> {
  const [left, right] = await Promise.all([decompress(a).catch(() => undefined), decompress(b)])
  return left?.equals(right) === true
}

function causeOf(letter: WritableLetter, partition: number): string {
  const place = letter.path === undefined ? `partition ${partition}` : JSON.stringify(letter.path)
  const at = letter.documentPath === '' ? '' : ` at ${letter.documentPath}`
  return `${place} (offset ${letter.offset}): ${letter.kind}${at}, ${letter.message}`
}
