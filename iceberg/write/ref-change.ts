import type { SnapshotId } from '../spec/snapshot.js'

/** How long a branch and its snapshots live; what is absent stays as it is, null takes the table's default. */
export interface BranchRetention {
  /** From the head's time. Not for main, which never expires. */
  readonly maxRefAgeMs?: number | null
  readonly minSnapshotsToKeep?: number | null
  readonly maxSnapshotAgeMs?: number | null
}

/** What a ref is to point to: a snapshot, or where another ref points. */
export type RefTarget = { readonly snapshotId: SnapshotId } | { readonly ref: string }

/** A ref to set, move or drop. Without `snapshotId` it points to main's head. */
export type RefChange =
  /** The name must be free, or have this very target already. */
  | {
      readonly kind: 'create-tag'
      readonly name: string
      readonly snapshotId?: SnapshotId
      /** From now on. Absent: never expires. */
      readonly retainMs?: number
    }
  | {
      readonly kind: 'replace-tag'
      readonly name: string
      readonly snapshotId?: SnapshotId
      readonly retainMs?: number
    }
  | ({
      readonly kind: 'create-branch'
      readonly name: string
      readonly snapshotId?: SnapshotId
    } & BranchRetention)
  /** On main: `set-current`, which needs the `snapshotId`. */
  | ({
      readonly kind: 'replace-branch'
      readonly name: string
      readonly snapshotId?: SnapshotId
    } & BranchRetention)
  | ({ readonly kind: 'set-retention'; readonly name: string } & BranchRetention)
  /** The branch's head has to be an ancestor of the target; a branch that does not exist starts there. */
  | { readonly kind: 'fast-forward'; readonly name: string; readonly to: RefTarget }
  /** Back to an ancestor of the branch's head, or to the last that was head of main at a time. Default: main. */
  | {
      readonly kind: 'rollback'
      readonly name?: string
      readonly to: { readonly snapshotId: SnapshotId } | { readonly timestampMs: number }
    }
  /** Main to any snapshot of the table, an ancestor or not. */
  | { readonly kind: 'set-current'; readonly snapshotId: SnapshotId }
  /** Resolves also where there is no such ref. */
  | { readonly kind: 'drop'; readonly name: string }

/** The ref that a change is about. */
export function refNameOf(change: RefChange): string {
  return change.kind === 'set-current' ? 'main' : (change.name ?? 'main')
}
