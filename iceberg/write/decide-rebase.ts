import { assertNever } from '../error.js'
import type { Change } from './table-change.js'

/** What others did to a table's branch between a change's basis and the head that it is about to be committed onto. */
export interface OthersDid {
  /** The basis is no longer an ancestor of the head: a rollback, or the history between has expired. */
  readonly refMoved: boolean
  /** Files with rows that the change has not seen were added; compaction adds none. */
  readonly addedRows: boolean
  /** Rows of partitions that the change replaces were added or removed; compaction does neither. */
  readonly changedPartitions: boolean
  /** A file that the change removes or deletes rows of is gone, or a delete may apply to one. */
  readonly touchedInputs: boolean
  /** Rows that a serializable row-delta looked at, or would have, may have come or gone; compaction does neither. */
  readonly changedFiltered: boolean
}

/**
 * `recheck`: the caller has to say whether the rows that others added collide, then rebase or rebuild.
 * `give-up`: nothing is lost by not doing it; try later.
 */
export type Decision = 'rebase' | 'recheck' | 'rebuild' | 'give-up'

/** The conflict table of docs/decisions/0002-commits.md. */
export function decideRebase(kind: Exclude<Change['kind'], 'set-head'>, others: OthersDid): Decision {
  switch (kind) {
    case 'none':
    case 'append':
    case 'rewrite-manifests':
      return 'rebase'
    case 'insert-new':
      if (others.refMoved) return 'rebuild'
      return others.addedRows ? 'recheck' : 'rebase'
    case 'overwrite-partitions':
      return others.refMoved || others.changedPartitions ? 'rebuild' : 'rebase'
    case 'row-delta':
      return others.refMoved || others.touchedInputs || others.changedFiltered ? 'rebuild' : 'rebase'
    case 'rewrite':
      return others.refMoved || others.touchedInputs ? 'give-up' : 'rebase'
    default:
      return assertNever(kind)
  }
}
