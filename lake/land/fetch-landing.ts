import { createHash } from 'node:crypto'
import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { joinLocation } from '../../iceberg/io/location.js'
import { tryCreate } from '../../iceberg/io/try-create.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { Row } from '../../engine/engine.js'
import type { BatchId } from '../../schemas/batch.js'
import { batchTimes, processingDateOf } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type { FetchedLanding, FileLandingPlan } from '../../schemas/messages.js'
import { parseDocumentSchema } from '../../schemas/table-schema.js'
import { ensureLandingTables } from '../tables/ensure-tables.js'
import { writeTableRows } from '../tables/write-table-rows.js'
import type { LandingPlanFile } from './landing-plan-file.js'
import { readPlanFile } from './landing-plan-file.js'
import { packInThread } from './pack-in-thread.js'
import type { DeadLetter, PackedObject, PackTask } from './pack-files.js'
import { DEFAULT_MAX_DOCUMENT_BYTES } from './plan-landing.js'
import { sourceOf } from './source-of.js'
import type { StagedLanding } from './staged-landing.js'
import { readStagedLanding, stagedLandingLocation, stageLanding } from './staged-landing.js'

/** Payload after which a raw object is closed: small enough that a batch is several, which threads read side by side. */
const OBJECT_BYTES = 8 * 1024 * 1024
const DEAD_LETTER_FILE_BYTES = 8 * 1024 * 1024
/** From so many records on, a landing without a single good one is taken for a misconfiguration. */
const TELLING_RECORDS = 3

/**
 * Reads exactly the planned files and writes raw objects, dead letters and ledger rows, all still invisible. Done
 * again it gives the same objects; a landing that is staged already is returned as it is.
 */
export async function fetchLanding(
  deps: LakeDeps,
  plan: FileLandingPlan,
  work: RunControl = {},
): Promise<FetchedLanding> {
  const { planLocation } = plan
  if (planLocation === undefined)
    return { stagedLocation: '', objects: 0, records: 0, deadLetters: 0, bytes: 0 }
  const { io } = deps.catalog
  const staged =
    (await readStagedLanding(io, planLocation)) ?? (await fetchPlanned(deps, plan, planLocation, work))
  const { objects, records, deadLetters, bytes } = staged
  return { stagedLocation: stagedLandingLocation(planLocation), objects, records, deadLetters, bytes }
}

async function fetchPlanned(
  deps: LakeDeps,
  plan: FileLandingPlan,
  planLocation: string,
  work: RunControl,
): Promise<StagedLanding> {
  const { io } = deps.catalog
  const planned = await readPlanFile(io, planLocation)
  if (
    planned?.first !== plan.first ||
    planned.end !== plan.end ||
    planned.rowNumberFrom !== plan.rowNumberFrom
  ) {
    throw new FirnError('stale-range', `the plan at ${planLocation} is gone or another one; land again`)
  }
  const tables = await ensureLandingTables(deps, plan.source)
  const writer = new LandingWriter(deps, planned, tables)
  for await (const object of packInThread(packTask(deps, planned), work.signal)) {
    await writer.take(object)
    work.onProgress?.(
      `landed ${object.end - plan.first} of ${plan.end - plan.first} records of ${plan.source}`,
    )
  }
  if (writer.isAllBad()) {
    // Nothing refers to the plan: once the cause is mended, the folder is planned anew.
    await io.delete(planLocation)
    throw contractBroken(planned, writer.firstCauses)
  }
  const expiresAtMs = deps.now() + deps.settings.stagingLeaseMs
  const lease = { pipeline: plan.pipeline, batch: plan.batch, expiresAtMs }
  return await stageLanding(io, planLocation, await writer.finish(), lease)
}

function packTask(deps: LakeDeps, planned: LandingPlanFile): PackTask {
  const { definition } = sourceOf(deps, planned)
  return {
    folder: planned.from,
    files: planned.files,
    topic: definition.topic,
    fields: parseDocumentSchema(definition.schema).fields,
    identity: definition.identity,
    maxDocumentBytes: definition.maxDocumentBytes ?? DEFAULT_MAX_DOCUMENT_BYTES,
    objectBytes: OBJECT_BYTES,
  }
}

/** Writes what the thread packs. Objects wait until the first good record, so a misconfigured landing leaves none. */
class LandingWriter {
  readonly firstCauses: DeadLetter[] = []
  private readonly rows: Row[] = []
  private waiting: PackedObject[] = []
  private letters: DeadLetter[] = []
  private readonly letterFiles: DataFile[] = []
  private objects = 0
  private records = 0
  private deadLetters = 0
  private bytes = 0

  constructor(
    private readonly deps: LakeDeps,
    private readonly plan: LandingPlanFile,
    private readonly tables: { readonly ledger: LoadedTable; readonly deadLetters: LoadedTable },
  ) {}

  async take(object: PackedObject): Promise<void> {
    this.records += object.records
    this.deadLetters += object.deadLetters.length
    this.firstCauses.push(...object.deadLetters.slice(0, Math.max(0, 5 - this.firstCauses.length)))
    this.letters.push(...object.deadLetters)
    this.waiting.push({ ...object, deadLetters: [] })
    if (this.records > 0) await this.writeObjects()
    const size = this.letters.reduce((sum, letter) => sum + letter.raw.length, 0)
    if (size >= DEAD_LETTER_FILE_BYTES) await this.writeDeadLetters()
  }

  isAllBad(): boolean {
    return this.records === 0 && this.deadLetters >= TELLING_RECORDS
  }

  async finish(): Promise<StagedLanding> {
    await this.writeObjects()
    if (this.letters.length > 0) await this.writeDeadLetters()
    const ledgerFile = await writeTableRows(this.deps, this.tables.ledger, this.rows)
    return {
      ledgerRows: this.rows.length,
      ...{ objects: this.objects, records: this.records, deadLetters: this.deadLetters, bytes: this.bytes },
      ledgerFiles: [ledgerFile],
      deadLetterFiles: this.letterFiles,
    }
  }

  private async writeObjects(): Promise<void> {
    const { source, incarnation, batch } = this.plan
    for (const object of this.waiting) {
      const name = `${incarnation}-0-${object.first}-${object.end}.jsonl.gz`
      const date = processingDateOf(batch as BatchId)
      const location = joinLocation(this.deps.warehouse, 'raw', source, date, name)
      await writeOnce(this.deps, location, object)
      this.objects += 1
      this.rows.push(...object.parts.map((part, i) => this.ledgerRow(object, location, part, i)))
      this.bytes += object.parts.reduce((sum, part) => sum + part.bytes, 0)
    }
    this.waiting = []
  }

  private ledgerRow(object: PackedObject, path: string, part: PackedObject['parts'][number], i: number): Row {
    const changedAt = BigInt(part.file.mtimeMs) * 1000n
    return {
      row_number: BigInt(this.plan.rowNumberFrom + this.rows.length + i),
      path,
      incarnation: this.plan.incarnation,
      partition: 0,
      first: BigInt(part.first),
      next_offset: BigInt(part.end),
      records: BigInt(part.records),
      dead_letters: BigInt(part.deadLetters),
      bytes: BigInt(part.bytes),
      sha256: object.sha256,
      source_path: part.file.path,
      source_size: BigInt(part.file.size),
      source_mtime_ms: BigInt(part.file.mtimeMs),
      min_event_time: changedAt,
      max_event_time: changedAt,
      batch: this.plan.batch,
    }
  }

  private async writeDeadLetters(): Promise<void> {
    // The logical instant, not the clock: a landing done again writes the same rows.
    const landedAt = batchTimes(this.plan.batch as BatchId).timestamp
    const rows = this.letters.map((letter) => ({
      source: this.plan.source,
      path: letter.path,
      partition: 0,
      offset: BigInt(letter.offset),
      key: null,
      raw: letter.raw,
      error_kind: letter.kind,
      message: letter.message,
      document_path: letter.documentPath === '' ? null : letter.documentPath,
      landed_at: landedAt,
      batch: this.plan.batch,
    }))
    this.letterFiles.push(await writeTableRows(this.deps, this.tables.deadLetters, rows))
    this.letters = []
  }
}

/** An object of that name with the same bytes is the work of an earlier attempt. */
async function writeOnce(deps: LakeDeps, location: string, object: PackedObject): Promise<void> {
  const { io } = deps.catalog
  if (await tryCreate(io, location, object.bytes)) return
  const found = createHash('sha256')
    .update(await io.read(location))
    .digest('hex')
  if (found === object.sha256) return
  throw new FirnError(
    'raw-differs',
    `${location} exists with other bytes (SHA-256 ${found}, now ${object.sha256}): files changed between two attempts. ` +
      'Where no ledger row names this object in its column path, delete it and land again.',
    { context: { location, expected: object.sha256, got: found } },
  )
}

function contractBroken(plan: LandingPlanFile, causes: readonly DeadLetter[]): FirnError {
  const named = causes.map((letter) => {
    const at = letter.documentPath === '' ? '' : ` at ${letter.documentPath}`
    return `${JSON.stringify(letter.path)} (offset ${letter.offset}): ${letter.kind}${at}, ${letter.message}`
  })
  const count = plan.end - plan.first
  return new FirnError(
    'contract-broken',
    `all ${count} records in ${plan.from} break the contract of source ${plan.source}, so nothing was landed. ` +
      `Check that this is the right folder and that the declared schema fits. First causes: ${named.join('; ')}`,
    { context: { source: plan.source, from: plan.from, records: count } },
  )
}
