/** What maintenance of one table consists of, in the order in which it is done. */
export const MAINTENANCE_STEPS = [
  'expire',
  'metadata',
  'compact',
  'rewriteDeletes',
  'rewriteManifests',
  'orphans',
  'raw',
] as const

export type MaintenanceStep = (typeof MAINTENANCE_STEPS)[number]

export interface DueStep {
  readonly step: MaintenanceStep
  /** In words. */
  readonly why: string
}

/** When a step is due. A table says its own by properties `firn.maintenance.<name>`. */
export interface MaintenanceTriggers {
  /** Files are merged after so many commits by others … */
  readonly commits: number
  /** … or so many data files more … */
  readonly files: number
  /** … or so many bytes more. */
  readonly bytes: number
  /** Delete files are merged after so many more. */
  readonly deleteFiles: number
  /** Snapshots past their age expire at once where there are so many. */
  readonly snapshots: number
  /** Schemas and partition specs are looked through where there are so many. */
  readonly versions: number
  /** Each step that has anything to do comes after so long at the latest; what reads all kept snapshots, no sooner. */
  readonly everyMs: number
}

/** `yielded`: a writer was first, and what it touched is left to the next run. */
export type MaintenanceOutcome = 'done' | 'nothing-due' | 'yielded' | 'failed'

/** What a report says of single files, snapshots and refs: the first few, and how many there are. */
export interface MaintenanceDetail {
  readonly files: Shown<MaintainedFile>
  /** Snapshots that stay, and why; of dry runs. */
  readonly snapshots?: Shown<KeptSnapshot>
  /** What each tag or branch alone keeps; of dry runs, most first. */
  readonly refs?: Shown<HeldByRef>
  /** File with all of them, a line of JSON each; absent where nothing was left out here. */
  readonly at?: string
}

export interface Shown<T> {
  readonly total: number
  readonly shown: readonly T[]
}

export interface MaintainedFile {
  readonly location: string
  readonly sizeBytes: number
  readonly why: 'expired' | 'replaced' | 'orphan' | 'retention' | 'plan'
  readonly result: 'deleted' | 'would-delete' | 'replaced' | 'would-replace' | 'failed' | 'needed-after-all'
  /** Of what expired: the last snapshot that named it. */
  readonly snapshotId?: string
  readonly error?: string
}

export interface KeptSnapshot {
  readonly snapshotId: string
  readonly timestampMs: number
  /** Each in words, such as `tag v_20260701T020000Z` or `models:/k10/3`. */
  readonly because: readonly string[]
}

/** Bytes that would be free if this ref alone were dropped. */
export interface HeldByRef {
  readonly ref: string
  /** `models:/<name>/<version>`, where a model was trained on it. */
  readonly model?: string
  readonly bytes: number
}
