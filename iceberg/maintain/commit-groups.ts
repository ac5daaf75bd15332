import { isIcebergError } from '../error.js'
import type { DataFile } from '../spec/data-file.js'
import { commitTransaction } from '../write/transaction.js'
import type { CompactRequest, CompactionPlan } from './compact.js'
import type { CompactionGroup } from './plan-compaction.js'

/** Groups that are committed together. */
export type CompactionBatch = readonly CompactionGroup[]

export interface RewrittenGroup {
  readonly group: CompactionGroup
  readonly files: readonly DataFile[]
}

export interface CommittedGroups {
  readonly committed: readonly RewrittenGroup[]
  readonly commits: number
  readonly givenUp: number
  readonly removedDeleteFiles: number
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
  request: CompactRequest,
  plan: CompactionPlan,
  groups: readonly RewrittenGroup[],
): Promise<CommittedGroups> {
  const tasks = groups.flatMap(({ group }) => group.tasks)
  const covered = plan.coverage.coveredBy(tasks)
  const positions = covered.filter((file) => file.content === 'position-deletes')
  // Any new file of another compaction may need an equality delete; once that is settled, it is dangling or it is not.
  const attempts = positions.length === covered.length ? [covered] : [covered, positions]
  for (const deletes of attempts) {
    const outcome = await tryCommit(request, plan, groups, deletes)
    if (outcome === 'committed') {
      plan.coverage.take(tasks)
      return { committed: groups, commits: 1, givenUp: 0, removedDeleteFiles: deletes.length }
    }
    if (outcome === 'busy') break
    if (deletes !== attempts.at(-1) || groups.length === 1) continue
    const half = Math.ceil(groups.length / 2)
    const first = await commitGroups(request, plan, groups.slice(0, half))
    return joined(first, await commitGroups(request, plan, groups.slice(half)))
  }
  return { committed: [], commits: 0, givenUp: groups.length, removedDeleteFiles: 0 }
}

async function tryCommit(
  request: CompactRequest,
  plan: CompactionPlan,
  groups: readonly RewrittenGroup[],
  deletes: readonly DataFile[],
): Promise<'committed' | 'conflict' | 'busy'> {
  try {
    await commit(request, plan, groups, deletes)
    return 'committed'
  } catch (error) {
    if (isIcebergError(error, 'rebuild-needed')) return 'conflict'
    if (isIcebergError(error, 'commit-conflict')) return 'busy'
    throw error
  }
}

async function commit(
  request: CompactRequest,
  { basis }: CompactionPlan,
  groups: readonly RewrittenGroup[],
  deletes: readonly DataFile[],
): Promise<void> {
  const { catalog, identifier, now, newUuid, summary, retry } = request
  await commitTransaction({
    ...{ catalog, now, newUuid },
    ...(retry && { retry }),
    changes: [
      {
        identifier,
        snapshotId: request.newSnapshotId(),
        change: {
          kind: 'rewrite',
          removed: [...groups.flatMap(({ group }) => group.tasks.map((task) => task.file)), ...deletes],
          added: groups.flatMap((one) => one.files),
          basis: basis['snapshot-id'],
          // A delete by an old spec's partition would not find rows that have moved: there, any new delete is a conflict.
          ...(!isMove(groups[0]?.group) && { dataSequenceNumber: basis['sequence-number'] }),
        },
        ...(summary && { summary }),
      },
    ],
  })
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
  }
}
