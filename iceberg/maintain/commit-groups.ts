import type { DataFile } from '../spec/data-file.js'
import type { Snapshot } from '../spec/snapshot.js'
import type { Change } from '../write/table-change.js'
import { commitRewrite, type RewriteTarget } from './commit-rewrite.js'
import type { DeleteCoverage } from './delete-coverage.js'
import type { CompactionGroup } from './plan-compaction.js'

/** Groups that are committed together. */
export type CompactionBatch = readonly CompactionGroup[]

/** A compaction as data. */
export interface CompactionPlan {
  readonly basis: Snapshot
  readonly batches: readonly CompactionBatch[]
  readonly coverage: DeleteCoverage
}

export interface RewrittenGroup {
  readonly group: CompactionGroup
  readonly files: readonly DataFile[]
}

export interface CommittedGroups {
  readonly committed: readonly RewrittenGroup[]
  readonly commits: number
  readonly givenUp: number
  readonly removedDeleteFiles: number
  /** Writers were always first. */
  readonly busy: boolean
}

const MAX_COMMITS = 10
const MIN_COMMIT_BYTES = 1024 * 1024 * 1024

/** Groups that move to another spec are committed apart from the others: their conflict rules are stricter. */
export function planBatches(
  groups: readonly CompactionGroup[],
  options: { readonly maxCommits?: number; readonly minCommitBytes?: number },
): readonly CompactionBatch[] {
  const { maxCommits = MAX_COMMITS, minCommitBytes = MIN_COMMIT_BYTES } = options
  const total = groups.reduce((sum, group) => sum + group.sizeBytes, 0)
  const least = Math.max(minCommitBytes, total / Math.max(1, maxCommits))
  const batches: CompactionGroup[][] = []
  let size = 0
  for (const group of groups) {
    const last = batches.at(-1)
    if (last === undefined || size >= least || isMove(last[0]) !== isMove(group)) {
      batches.push([group])
      size = group.sizeBytes
    } else {
      last.push(group)
      size += group.sizeBytes
    }
  }
  return batches
}

/** Commits what it can: a batch with a conflict is halved until the groups that have it stand alone. */
export async function commitGroups(
  target: RewriteTarget,
  plan: CompactionPlan,
  groups: readonly RewrittenGroup[],
): Promise<CommittedGroups> {
  const tasks = groups.flatMap(({ group }) => group.tasks)
  const covered = plan.coverage.coveredBy(tasks)
  const positions = covered.filter((file) => file.content === 'position-deletes')
  // Any new file of another compaction may need an equality delete; once that is settled, it is dangling or it is not.
  const attempts = positions.length === covered.length ? [covered] : [covered, positions]
  for (const deletes of attempts) {
    const { kind } = await commitRewrite(target, changeOf(plan, groups, deletes))
    if (kind === 'committed') {
      plan.coverage.take(tasks)
      return { committed: groups, commits: 1, givenUp: 0, removedDeleteFiles: deletes.length, busy: false }
    }
    if (kind === 'busy') return givenUp(groups, { busy: true })
    if (deletes !== attempts.at(-1) || groups.length === 1) continue
    const half = Math.ceil(groups.length / 2)
    const first = await commitGroups(target, plan, groups.slice(0, half))
    const rest = groups.slice(half)
    return joined(first, first.busy ? givenUp(rest, { busy: true }) : await commitGroups(target, plan, rest))
  }
  return givenUp(groups, { busy: false })
}

function givenUp(
  groups: readonly RewrittenGroup[],
  { busy }: Pick<CommittedGroups, 'busy'>,
): CommittedGroups {
  return { committed: [], commits: 0, givenUp: groups.length, removedDeleteFiles: 0, busy }
}

function changeOf(
  { basis }: CompactionPlan,
  groups: readonly RewrittenGroup[],
  deletes: readonly DataFile[],
): Change {
  return {
    kind: 'rewrite',
    removed: [...groups.flatMap(({ group }) => group.tasks.map((task) => task.file)), ...deletes],
    added: groups.flatMap((one) => one.files),
    basis: basis['snapshot-id'],
    // A delete by an old spec's partition would not find rows that have moved: there, any new delete is a conflict.
    ...(!isMove(groups[0]?.group) && { dataSequenceNumber: basis['sequence-number'] }),
  }
}

function isMove(group: CompactionGroup | undefined): boolean {
  return group !== undefined && group.tasks.some(({ file }) => file.specId !== group.specId)
}

function joined(a: CommittedGroups, b: CommittedGroups): CommittedGroups {
  return {
    committed: [...a.committed, ...b.committed],
    commits: a.commits + b.commits,
    givenUp: a.givenUp + b.givenUp,
    removedDeleteFiles: a.removedDeleteFiles + b.removedDeleteFiles,
    busy: a.busy || b.busy,
  }
}
