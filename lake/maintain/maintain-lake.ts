import type { LoadedTable, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { formatIdentifier, parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { ifFound } from '../../iceberg/error.js'
import { expireSnapshots, type ExpireResult } from '../../iceberg/maintain/expire.js'
import { removeOrphans, type OrphanFile } from '../../iceberg/maintain/orphans.js'
import { planExpire, type ExpireOptions, type ExpirePlan } from '../../iceberg/maintain/plan-expire.js'
import { liesIn, mayDeleteFiles } from '../../iceberg/maintain/reachable-files.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import {
  auditIdentifier,
  CHECK_RESULTS,
  DEAD_LETTERS,
  ledgerIdentifier,
  MAINTENANCE_RUNS,
} from '../../schemas/lake-tables.js'
import {
  MAINTENANCE_STEPS,
  type DueStep,
  type HeldByRef,
  type KeptSnapshot,
  type MaintainedFile,
  type MaintenanceStep,
} from '../../schemas/maintenance.js'
import type { MaintainLakeInput, TableMaintenance } from '../../schemas/messages.js'
import { sourceOf } from '../land/source-of.js'
import { featureTables } from '../tables/feature-tables.js'
import { listLeases, type Lease } from '../staging/stage.js'
import { bringBackRows } from './bring-back-rows.js'
import { heldBytes } from './held-bytes.js'
import { keptSnapshots } from './kept-snapshots.js'
import { isLiveLease, leasedFiles } from './live-leases.js'
import { maintainRaw } from './maintain-raw.js'
import { writeMarks } from './maintenance-marks.js'
import { planMaintenance } from './plan-maintenance.js'
import { keptNotes, refsToDrop, type DroppedRef } from './refs-to-drop.js'
import { reportDetail } from './report-detail.js'
import { rewriteFiles } from './rewrite-files.js'
import { readTableState, readTriggers, totals } from './table-state.js'

/** Says the table itself how long, that counts. */
const SNAPSHOT_AGE = 'history.expire.max-snapshot-age-ms'

/** Tables to maintain: those of a pipeline with the lake's own that it writes to, or all there are; audit tables last. */
export async function listMaintainable(deps: LakeDeps, input: MaintainLakeInput): Promise<readonly string[]> {
  const all: TableIdentifier[] = []
  for (const namespace of await deps.catalog.listNamespaces())
    all.push(...(await deps.catalog.listTables(namespace)))
  const names = all.map(formatIdentifier).sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
  if (input.pipeline === undefined) return names
  const wanted = new Set(pipelineTables(deps, input.pipeline))
  return names.filter((name) => wanted.has(name))
}

export interface MaintainOptions {
  readonly dryRun: boolean
  /** Only what is due by its triggers; default: everything that there is to do. */
  readonly due?: boolean
  readonly only?: readonly MaintenanceStep[]
  /** Folder of the lists that are too long for a report. Default: a new one. */
  readonly runId?: string
}

/**
 * Maintains one table: thins batch tags, drops branches of old failures and expires snapshots, then compacts closed
 * partitions, merges small delete files, clusters manifests where that helps, and removes orphans; what tags, branches,
 * models and live leases need stays. With `due` only the steps that are due, and nothing at all is written where none is.
 * With `dryRun` it reports the same and changes nothing. Done again it finds nothing more to do, but for snapshots that its
 * own compaction has made old. Errors: IcebergError `commit-*`, `not-found`.
 */
export async function maintainTable(
  deps: LakeDeps,
  table: string,
  options: MaintainOptions,
): Promise<TableMaintenance> {
  const startedAtMs = deps.now()
  const loaded = await deps.catalog.loadTable(parseIdentifier(table))
  const { identifier, metadata } = loaded
  const audit = await ifFound(deps.catalog.loadTable(auditIdentifier(identifier.namespace)))
  const dropRefs = refsToDrop(deps, loaded, audit)
  const expiry = {
    nowMs: startedAtMs,
    ...(SNAPSHOT_AGE in metadata.properties ? {} : { maxSnapshotAgeMs: deps.settings.snapshotMaxAgeMs }),
    dropRefs: dropRefs.map((ref) => ref.name),
  }
  const state = await readTableState(deps.catalog.io, loaded, {
    nowMs: startedAtMs,
    expiry: planExpire(metadata, expiry),
  })
  const { triggers, notes } = readTriggers(deps.settings, metadata.properties)
  const dueSteps = planMaintenance(state, triggers)
  const due = stepsOf(dueSteps, options)
  const work = {
    ...options,
    expiry,
    dropRefs,
    isDue: (step: MaintenanceStep) => due.some((one) => one.step === step),
  }
  const done = due.length === 0 ? NOTHING_DONE : await doSteps(deps, loaded, work)
  if (!options.dryRun) await markDone(deps, loaded, { due, done, startedAtMs })
  const { counts, files, snapshots, refs, yielded } = done
  return {
    table,
    ...counts,
    notes: bounded([...notes, ...counts.notes]),
    outcome: due.length === 0 ? 'nothing-due' : yielded.length > 0 ? 'yielded' : 'done',
    startedAtMs,
    durationMs: deps.now() - startedAtMs,
    due,
    failedFiles: files.filter((file) => file.result === 'failed').length,
    ...(due.length === 0
      ? {}
      : {
          detail: await reportDetail(
            deps,
            { table, runId: options.runId ?? deps.newUuid() },
            { files, ...(options.dryRun ? { snapshots, refs } : {}) },
          ),
        }),
  }
}

/** By hand everything is done whether it is due or not, but the metadata's clean-up, which reads much for little. */
function stepsOf(dueSteps: readonly DueStep[], { due, only }: MaintainOptions): readonly DueStep[] {
  const steps = MAINTENANCE_STEPS.flatMap((step): readonly DueStep[] => {
    const found = dueSteps.find((one) => one.step === step)
    if (found !== undefined) return [found]
    const asked = only?.includes(step) ?? step !== 'metadata'
    return due === true || !asked ? [] : [{ step, why: 'asked for' }]
  })
  return steps.filter(({ step }) => only?.includes(step) ?? true)
}

type Counts = Omit<
  TableMaintenance,
  'table' | 'outcome' | 'startedAtMs' | 'durationMs' | 'due' | 'failedFiles' | 'detail' | 'error'
>

interface Done {
  readonly counts: Counts
  readonly files: readonly MaintainedFile[]
  readonly snapshots: readonly KeptSnapshot[]
  readonly refs: readonly HeldByRef[]
  readonly yielded: readonly MaintenanceStep[]
  readonly commits: number
}

const NOTHING_DONE: Done = {
  counts: {
    ...{ compactedFiles: 0, writtenFiles: 0, expiredSnapshots: 0, droppedTags: [], deletedFiles: 0 },
    ...{ deletedBytes: 0, orphans: 0, taggedBytes: 0, notes: [] },
  },
  ...{ files: [], snapshots: [], refs: [], yielded: [], commits: 0 },
}

interface Work extends MaintainOptions {
  readonly isDue: (step: MaintenanceStep) => boolean
  readonly expiry: ExpireOptions
  readonly dropRefs: readonly DroppedRef[]
}

async function doSteps(deps: LakeDeps, found: LoadedTable, work: Work): Promise<Done> {
  const { dryRun, isDue, dropRefs, expiry } = work
  const { identifier } = found
  const expires = isDue('expire') || isDue('metadata')
  const { table: loaded, notes } =
    expires && !dryRun ? await bringBackRows(deps, found) : { table: found, notes: [] }
  const expired = expires
    ? await expireSnapshots({
        ...{ ...expiry, catalog: deps.catalog, identifier, dryRun },
        cleanExpiredMetadata: isDue('metadata'),
      })
    : NOTHING_EXPIRED
  const rewritten = await rewriteFiles(deps, loaded, work)
  const leases = isDue('orphans') ? await removeExpiredLeases(deps, loaded, dryRun) : []
  const orphans = isDue('orphans') ? await orphansOf(deps, identifier, dryRun) : []
  const removed = orphans.filter((file) => file.result === 'deleted' || file.result === 'would-delete')
  const dropped = dropRefs.filter((ref) => expired.droppedRefs.includes(ref.name))
  const after = dryRun ? loaded : await deps.catalog.loadTable(identifier)
  const landing = isDue('raw') ? await maintainRaw(deps, after, { dryRun }) : undefined
  const held =
    dryRun || work.due !== true
      ? await heldBytes(deps.catalog.io, after.metadata, expired.droppedRefs)
      : { bytes: 0, alone: [] }
  const counts: Counts = {
    ...rewritten.counts,
    expiredSnapshots: expired.removedSnapshots.length,
    droppedTags: expired.droppedRefs,
    deletedFiles: expired.deletedFiles.length + removed.length,
    deletedBytes: [...expired.deletedFiles, ...removed].reduce((sum, file) => sum + file.sizeBytes, 0),
    orphans: removed.length,
    taggedBytes: held.bytes,
    ...(landing === undefined ? {} : { raw: landing.raw }),
    notes: [
      ...notes,
      ...rewritten.notes,
      ...(landing?.notes ?? []),
      ...(mayDeleteFiles(loaded.metadata) ? [] : ['nothing expired or deleted: gc.enabled is false']),
      ...dropped.map((ref) => `${dryRun ? 'would drop' : 'dropped'} ${ref.name}: ${ref.why}`),
      ...keptNotes(deps, after, expired.droppedRefs),
      ...leaseNotes(leases),
      ...(expired.failedFiles ?? []).map(({ location, error }) => `kept ${location}: ${error}`),
      ...orphans.flatMap((file) => {
        const why = file.error ?? KEPT[file.result]
        return why === undefined ? [] : [`kept ${file.location}: ${why}`]
      }),
    ],
  }
  return {
    counts,
    files: [...expiredFiles(expired, dryRun), ...rewritten.replaced, ...orphans.flatMap(orphanFile)],
    snapshots: dryRun ? keptSnapshots(loaded.metadata, planOf(expired), keptAge(expiry, loaded)) : [],
    refs: held.alone,
    yielded: rewritten.yielded,
    commits: rewritten.commits,
  }
}

const NOTHING_EXPIRED: ExpireResult = { droppedRefs: [], removedSnapshots: [], deletedFiles: [] }

function planOf({ droppedRefs, removedSnapshots }: ExpireResult): ExpirePlan {
  return { dropRefs: droppedRefs, removeSnapshots: removedSnapshots }
}

function keptAge({ nowMs, maxSnapshotAgeMs }: ExpireOptions, { metadata }: LoadedTable) {
  return { nowMs, maxAgeMs: maxSnapshotAgeMs ?? Number(metadata.properties[SNAPSHOT_AGE]) }
}

/** Steps that gave way stay due. */
async function markDone(
  deps: LakeDeps,
  { identifier, metadata }: LoadedTable,
  {
    due,
    done,
    startedAtMs,
  }: { readonly due: readonly DueStep[]; readonly done: Done; readonly startedAtMs: number },
): Promise<void> {
  const finished = due.filter(({ step }) => !done.yielded.includes(step))
  if (finished.length === 0) return
  const after = await ifFound(deps.catalog.loadTable(identifier))
  if (after === undefined) return
  // Of others only those commits are seen that were there when it began.
  const sequenceNumber = metadata['last-sequence-number'] + done.commits
  const mark = { atMs: startedAtMs, sequenceNumber, ...totals(after) }
  await writeMarks(deps, identifier, Object.fromEntries(finished.map(({ step }) => [step, mark])))
}

async function orphansOf(
  deps: LakeDeps,
  identifier: TableIdentifier,
  dryRun: boolean,
): Promise<readonly OrphanFile[]> {
  return await removeOrphans({
    ...{ catalog: deps.catalog, identifier, dryRun, nowMs: deps.now() },
    olderThanMs: deps.now() - deps.settings.orphanMinAgeMs,
    // The lake's own setting is the promise that no batch takes longer.
    force: true,
    prefixMismatch: 'ignore',
    spare: () => leasedFiles(deps),
  })
}

function expiredFiles({ deletedFiles, failedFiles = [] }: ExpireResult, dryRun: boolean): MaintainedFile[] {
  return [
    ...deletedFiles.map(({ location, sizeBytes, snapshotId }): MaintainedFile => ({
      ...{ location, sizeBytes, why: 'expired', result: dryRun ? 'would-delete' : 'deleted' },
      ...(snapshotId === undefined ? {} : { snapshotId: String(snapshotId) }),
    })),
    ...failedFiles.map(({ location, error }): MaintainedFile => ({
      ...{ location, sizeBytes: 0, why: 'expired', result: 'failed', error },
    })),
  ]
}

/** What is only named under another scheme is nobody's to report as a file of the table. */
function orphanFile({ location, sizeBytes, result, error }: OrphanFile): readonly MaintainedFile[] {
  if (result === 'prefix-mismatch') return []
  return [{ location, sizeBytes, why: 'orphan', result, ...(error === undefined ? {} : { error }) }]
}

/** Why an orphan stayed. */
const KEPT: Partial<Record<OrphanFile['result'], string>> = {
  'needed-after-all': 'it is needed after all',
  'prefix-mismatch': 'the table names it under another scheme or authority',
}

const NOTES_MAX = 30

/** The files themselves are told one by one elsewhere. */
function bounded(notes: readonly string[]): readonly string[] {
  const more = notes.length - NOTES_MAX
  return more <= 0 ? notes : [...notes.slice(0, NOTES_MAX), `and ${more} notes more`]
}

/** Leases of this table, live ones left; a lease with no files protects nothing and goes when its time is over. */
async function removeExpiredLeases(
  deps: LakeDeps,
  { metadata }: LoadedTable,
  dryRun: boolean,
): Promise<readonly Lease[]> {
  const isOwn = ({ files }: Lease): boolean =>
    files.length === 0 || files.some((file) => liesIn(metadata.location, file.filePath))
  const own = (await listLeases(deps)).filter(isOwn)
  const live = own.filter((lease) => isLiveLease(deps, lease))
  if (!dryRun) {
    for (const lease of own) if (!live.includes(lease)) await deps.catalog.io.delete(lease.location)
  }
  return live.filter((lease) => lease.files.length > 0)
}

function leaseNotes(leases: readonly Lease[]): readonly string[] {
  return leases.map(({ location, files, expiresAtMs }) => {
    const name = location.split('/').slice(-3).join('/')
    return `kept ${files.length} staged files of ${name}: leased until ${new Date(expiresAtMs).toISOString()}`
  })
}

function pipelineTables(deps: LakeDeps, name: string): readonly string[] {
  const source = sourceOf(deps, { pipeline: name })
  const own = [ledgerIdentifier(source.name), DEAD_LETTERS, CHECK_RESULTS, MAINTENANCE_RUNS]
  return [...featureTables(source), ...own].map(formatIdentifier)
}

function rank(table: string): number {
  return table.endsWith('.processing_metadata') ? 1 : 0
}
