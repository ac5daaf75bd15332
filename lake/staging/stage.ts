import { dataFileFromJson, dataFileToJson } from '../../iceberg/format/data-file-json.js'
import { ifFound } from '../../iceberg/error.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { inParallel } from '../../iceberg/io/in-parallel.js'
import { joinLocation } from '../../iceberg/io/location.js'
import { tryCreate } from '../../iceberg/io/try-create.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { PlannedBuild } from '../../schemas/messages.js'

/**
 * Lease descriptors of staged files, `<warehouse>/_staging/<pipeline>/<batch>/<table>.json`. A descriptor is created if
 * absent, so of several attempts at one table the first wins and all others use its files. What a part of a batch gives
 * to a table is staged beside it, as `<table>.part-<part>.json`, until the parts are put together.
 */
export interface StagedTable {
  /** Drawn when staged: what else was computed from these very files names it. */
  readonly stageId: string
  readonly pipeline: string
  readonly batch: string
  /** Unqualified. */
  readonly table: string
  /** Of a batch in parts, which one: `<number>-of-<count>`, or what else is known of so many. Absent: the whole table. */
  readonly part?: string
  readonly inputFrom: number
  readonly inputTo: number
  readonly fingerprint: string
  /** As the plan says. */
  readonly after?: string | null
  /** Head that the rows were computed from; null: the table was empty. */
  readonly basisSnapshotId: string | null
  readonly rows: number
  readonly files: readonly DataFile[]
  /** Stage ids of the tables of this batch that the rows were computed from. */
  readonly upstream: Readonly<Record<string, string>>
  /** Records of the range that made no rows, since their identity was built before. Of the source's ids only. */
  readonly duplicates: number
  readonly expiresAtMs: number
}

export interface StageKey {
  readonly pipeline: string
  readonly batch: string
  readonly table: string
  readonly part?: string
}

type StageDeps = Pick<LakeDeps, 'catalog' | 'warehouse' | 'now'>

/** What is staged for a table; undefined where nothing is, or where it was staged for another range or definition. */
export async function readStage(
  deps: StageDeps,
  plan: PlannedBuild,
  table: string,
  part?: string,
): Promise<StagedTable | undefined> {
  const { pipeline, batch } = plan
  const key = { pipeline, batch, table, ...(part === undefined ? {} : { part }) }
  const stage = await readDescriptor<StagedTable>(deps.catalog.io, stageLocation(deps, key))
  return stage !== undefined && belongsTo(stage, plan) ? stage : undefined
}

/** Stages a table, or returns what another attempt has staged. What was staged for another plan gives way. */
export async function createStage(
  deps: StageDeps,
  plan: PlannedBuild,
  stage: StagedTable,
): Promise<StagedTable> {
  const { io } = deps.catalog
  const location = stageLocation(deps, stage)
  const bytes = Buffer.from(JSON.stringify({ ...stage, files: stage.files.map(dataFileToJson) }))
  for (let attempt = 1; attempt <= CREATE_TRIES; attempt += 1) {
    if (await tryCreate(io, location, bytes)) return stage
    const winner = await readDescriptor<StagedTable>(io, location)
    if (winner === undefined) continue
    if (belongsTo(winner, plan) && isLive(winner, deps.now()) && sameUpstream(winner, stage)) return winner
    await io.delete(location)
  }
  throw new FirnError(
    'stage-expired',
    `table ${stage.table} of batch ${stage.batch} is being staged by another build of another plan; plan again`,
  )
}

export async function dropStage(deps: StageDeps, key: StageKey): Promise<void> {
  await deps.catalog.io.delete(stageLocation(deps, key))
}

/** What keeps files of an unfinished table or landing from clean-up. */
export interface Lease {
  readonly location: string
  readonly expiresAtMs: number
  readonly files: readonly DataFile[]
  /** Of a fetched landing: the raw objects that its ledger rows will name. */
  readonly ranges?: readonly {
    readonly path: string
    readonly incarnation: string
    readonly partition: number
    readonly nextOffset: number
  }[]
}

/** Every lease there is, live or not: those of staged tables and, beside them, of fetched landings. */
export async function listLeases(deps: StageDeps): Promise<readonly Lease[]> {
  const { io } = deps.catalog
  const locations: string[] = []
  for await (const { location } of io.list(joinLocation(deps.warehouse, '_staging', '')))
    if (location.endsWith('.json')) locations.push(location)
  const leases = await inParallel(locations, READS_AT_ONCE, async (location) => {
    const lease = await readDescriptor<Lease>(io, location)
    return lease === undefined ? [] : [{ ...lease, location }]
  })
  return leases.flat()
}

export function isLive(stage: Pick<StagedTable, 'expiresAtMs'>, nowMs: number): boolean {
  return stage.expiresAtMs > nowMs
}

const CREATE_TRIES = 5
const READS_AT_ONCE = 16

function belongsTo(stage: StagedTable, plan: PlannedBuild): boolean {
  return (
    stage.inputFrom === plan.inputFrom &&
    stage.inputTo === plan.inputTo &&
    stage.fingerprint === plan.fingerprint &&
    (stage.after ?? null) === (plan.after ?? null)
  )
}

/** A loser's rows may be used only if the winner's were computed from the same staged tables. */
function sameUpstream(winner: StagedTable, stage: StagedTable): boolean {
  const entries = Object.entries(stage.upstream)
  return (
    entries.length === Object.keys(winner.upstream).length &&
    entries.every(([table, id]) => winner.upstream[table] === id)
  )
}

function stageLocation(deps: Pick<LakeDeps, 'warehouse'>, key: StageKey): string {
  const name = key.part === undefined ? key.table : `${key.table}.part-${key.part}`
  return joinLocation(deps.warehouse, '_staging', key.pipeline, key.batch, `${name}.json`)
}

async function readDescriptor<T extends Pick<Lease, 'files'>>(
  io: FileIO,
  location: string,
): Promise<T | undefined> {
  const bytes = await ifFound(io.read(location))
  if (bytes === undefined) return undefined
  const json = JSON.parse(Buffer.from(bytes).toString('utf8')) as T
  return { ...json, files: (json.files as readonly unknown[]).map(dataFileFromJson) }
}
