import type { DueStep, MaintenanceStep, MaintenanceTriggers } from '../../schemas/maintenance.js'
import type { MaintenanceMarks } from './maintenance-marks.js'

/** What one read of a table's metadata says of how much there is to do. */
export interface TableState {
  readonly nowMs: number
  /** Of the newest commit; 0: nothing was ever committed. */
  readonly sequenceNumber: number
  /** Of main's head, where its summary tells. */
  readonly files?: number
  readonly bytes?: number
  readonly deleteFiles?: number
  /** Why the manifests are worth writing anew. */
  readonly manifests?: 'too-many' | 'badly-clustered'
  /** Past their age, and held by nothing. */
  readonly overdueSnapshots: number
  readonly overdueRefs: number
  /** Schemas and partition specs beside the current ones. */
  readonly versions: number
  readonly isLedger: boolean
  /** False where the table says that its files are not to be deleted. */
  readonly mayDelete: boolean
  /** False for format versions that we don't write. */
  readonly mayRewrite: boolean
  /** Each step as it was done last. */
  readonly done: MaintenanceMarks
}

export const DEFAULT_TRIGGERS: MaintenanceTriggers = {
  commits: 10,
  files: 30,
  bytes: 512 * 1024 * 1024,
  deleteFiles: 5,
  snapshots: 100,
  versions: 20,
  // Less than a week, or a night that starts a little early would skip its turn.
  everyMs: (7 * 24 - 4) * 3_600_000,
}

/**
 * Each step that is due, and why. Expiry and clean-up read the list of every snapshot that stays, so they come once in a
 * while and not with every commit. Steps right after they were done never are due, unless somebody committed since.
 */
export function planMaintenance(state: TableState, triggers: MaintenanceTriggers): readonly DueStep[] {
  const steps: readonly (readonly [MaintenanceStep, string | undefined])[] = [
    ['expire', state.mayDelete ? expireDue(state, triggers) : undefined],
    ['metadata', state.mayDelete ? metadataDue(state, triggers) : undefined],
    ['compact', state.mayRewrite ? compactDue(state, triggers) : undefined],
    ['rewriteDeletes', state.mayRewrite ? deletesDue(state, triggers) : undefined],
    ['rewriteManifests', state.mayRewrite ? manifestsDue(state) : undefined],
    ['orphans', state.mayDelete ? listingDue(state, triggers, 'orphans') : undefined],
    ['raw', state.mayDelete && state.isLedger ? listingDue(state, triggers, 'raw') : undefined],
  ]
  return steps.flatMap(([step, why]) => (why === undefined ? [] : [{ step, why }]))
}

function expireDue(state: TableState, { snapshots, everyMs }: MaintenanceTriggers): string | undefined {
  const { overdueSnapshots, overdueRefs } = state
  const isDue = ageOf(state, 'expire') >= everyMs || overdueSnapshots >= snapshots
  return overdueSnapshots + overdueRefs > 0 && isDue
    ? `${counted(overdueSnapshots, 'snapshot')} and ${counted(overdueRefs, 'ref')} past their age`
    : undefined
}

/** What a table of many schemas still uses it goes on using, so looking again soon is for nothing. */
function metadataDue(state: TableState, { versions, everyMs }: MaintenanceTriggers): string | undefined {
  return state.versions >= versions && ageOf(state, 'metadata') >= everyMs
    ? `${state.versions} older schemas and partition specs`
    : undefined
}

function compactDue(state: TableState, triggers: MaintenanceTriggers): string | undefined {
  const commits = commitsSince(state, 'compact')
  const mark = state.done.compact
  if (commits === 0) return undefined
  if (mark === undefined) return 'it was never done'
  const files = grown(state.files, mark.files)
  const bytes = grown(state.bytes, mark.bytes)
  if (commits >= triggers.commits) return `${counted(commits, 'commit')} since the last time`
  if (files >= triggers.files) return `${counted(files, 'file')} more than the last time`
  if (bytes >= triggers.bytes) return `${bytes} bytes more than the last time`
  return longAgo(state, 'compact', triggers)
}

function deletesDue(state: TableState, triggers: MaintenanceTriggers): string | undefined {
  const commits = commitsSince(state, 'rewriteDeletes')
  const mark = state.done.rewriteDeletes
  if (commits === 0 || state.deleteFiles === 0) return undefined
  if (mark === undefined) return 'it was never done'
  const files = grown(state.deleteFiles, mark.deleteFiles)
  if (files >= triggers.deleteFiles) return `${counted(files, 'delete file')} more than the last time`
  // A writer whose summaries tell no totals.
  if (state.deleteFiles === undefined && commits >= triggers.commits)
    return `${counted(commits, 'commit')} since the last time`
  return longAgo(state, 'rewriteDeletes', triggers)
}

/** Manifests that lie as well as they can may go on looking badly clustered: only commits change that. */
function manifestsDue(state: TableState): string | undefined {
  if (commitsSince(state, 'rewriteManifests') === 0) return undefined
  return state.manifests === undefined ? undefined : `they are ${state.manifests.replace('-', ' ')}`
}

/** A commit that fails leaves files and no trace, so time alone counts. */
function listingDue(
  state: TableState,
  triggers: MaintenanceTriggers,
  step: 'orphans' | 'raw',
): string | undefined {
  if (state.done[step] === undefined) return 'it was never done'
  const commits = commitsSince(state, step)
  const ageMs = ageOf(state, step)
  // Stages of a stream's micro-batches are looked through with every landing.
  if (step === 'raw' && commits >= triggers.snapshots) return `${counted(commits, 'commit')} since`
  return ageMs >= triggers.everyMs ? `last done ${hours(ageMs)} ago` : undefined
}

function longAgo(
  state: TableState,
  step: MaintenanceStep,
  { everyMs }: MaintenanceTriggers,
): string | undefined {
  const ageMs = ageOf(state, step)
  return ageMs >= everyMs ? `last done ${hours(ageMs)} ago` : undefined
}

/** By others than maintenance. */
export function commitsSince(
  { sequenceNumber, done }: Pick<TableState, 'sequenceNumber' | 'done'>,
  step: MaintenanceStep,
): number {
  return Math.max(0, sequenceNumber - (done[step]?.sequenceNumber ?? 0))
}

/** Of a clock that was set back nothing is known: then it is long ago. */
function ageOf({ nowMs, done }: TableState, step: MaintenanceStep): number {
  const at = done[step]?.atMs
  return at === undefined || at > nowMs ? Number.POSITIVE_INFINITY : nowMs - at
}

function grown(now: number | undefined, before: number | undefined): number {
  return now === undefined || before === undefined ? 0 : Math.max(0, now - before)
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function hours(ms: number): string {
  return Number.isFinite(ms) ? counted(Math.floor(ms / 3_600_000), 'hour') : 'long'
}
