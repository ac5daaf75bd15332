import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { partitionKey } from '../../iceberg/spec/partition-key.js'

/**
 * Equality deletes by one set of columns, so that one join applies them all: a deleted key reaches a row where their
 * scopes are equal and the row's file has a sequence number of `upTo` at most.
 */
export interface EqualityGroup {
  /** Ascending. */
  readonly fieldIds: readonly number[]
  readonly deletes: readonly ScopedDelete[]
  /** The scope of each task, by its index; absent where nothing of the group reaches it. */
  readonly scopes: ReadonlyMap<number, number>
}

export interface ScopedDelete {
  readonly file: DataFile
  readonly scope: number
  readonly upTo: number
}

/** Groups a scan's equality deletes. Exactly the deletes that the tasks name apply, however the tasks came about. */
export function equalityGroups(tasks: readonly FileScanTask[]): readonly EqualityGroup[] {
  const reaches = new Map<string, Reach>()
  for (const [index, task] of tasks.entries()) {
    for (const file of task.deletes) {
      if (file.content !== 'equality-deletes') continue
      const reach = reaches.get(file.filePath) ?? { file, tasks: new Set<number>() }
      reach.tasks.add(index)
      reaches.set(file.filePath, reach)
    }
  }
  const partitions = tasks.map((task) => partitionKey(task.file))
  const groups = new Map<string, Reach[]>()
  for (const reach of reaches.values()) {
    const isGlobal = new Set([...reach.tasks].map((index) => partitions[index])).size > 1
    const key = `${isGlobal ? 'global' : 'partition'}:${fieldIdsOf(reach.file).join()}`
    const group = groups.get(key) ?? []
    group.push(reach)
    groups.set(key, group)
  }
  return [...groups].map(([key, members]) => {
    const scopeOf = key.startsWith('global') ? () => '' : (index: number) => partitions[index] ?? ''
    return groupOf(tasks, members, scopeOf)
  })
}

interface Reach {
  readonly file: DataFile
  /** Indexes of the tasks that name it. */
  readonly tasks: Set<number>
}

function groupOf(
  tasks: readonly FileScanTask[],
  members: readonly Reach[],
  scopeOf: (index: number) => string,
): EqualityGroup {
  const byScope = new Map<string, { readonly indexes: number[]; readonly members: Reach[] }>()
  for (const index of tasks.keys()) {
    const scope = byScope.get(scopeOf(index)) ?? { indexes: [], members: [] }
    scope.indexes.push(index)
    byScope.set(scopeOf(index), scope)
  }
  for (const member of members) {
    for (const scope of new Set([...member.tasks].map(scopeOf))) byScope.get(scope)?.members.push(member)
  }
  const deletes: ScopedDelete[] = []
  const scopes = new Map<number, number>()
  let scopeCount = 0
  for (const { indexes, members: inScope } of byScope.values()) {
    if (inScope.length === 0) continue
    const limits = sequenceLimits(tasks, indexes, inScope)
    if (limits !== undefined) {
      const scope = scopeCount++
      for (const index of indexes) scopes.set(index, scope)
      for (const [at, { file }] of inScope.entries()) deletes.push({ file, scope, upTo: limits[at] ?? 0 })
      continue
    }
    for (const [files, reached] of bySetOfDeletes(indexes, inScope)) {
      const scope = scopeCount++
      for (const index of reached) scopes.set(index, scope)
      for (const file of files) deletes.push({ file, scope, upTo: Number.MAX_SAFE_INTEGER })
    }
  }
  return { fieldIds: fieldIdsOf((members[0] as Reach).file), deletes, scopes }
}

/** Where each delete reaches all tasks up to a sequence number, as planned scans have it: that number. */
function sequenceLimits(
  tasks: readonly FileScanTask[],
  indexes: readonly number[],
  members: readonly Reach[],
): readonly number[] | undefined {
  const numberOf = (index: number): number => tasks[index]?.sequenceNumber ?? 0
  const sorted = indexes.map(numberOf).sort((a, b) => a - b)
  const inScope = new Set(indexes)
  const limits: number[] = []
  for (const member of members) {
    const reached = [...member.tasks].filter((index) => inScope.has(index))
    const limit = reached.reduce((most, index) => Math.max(most, numberOf(index)), -Infinity)
    if (countUpTo(sorted, limit) !== reached.length) return undefined
    limits.push(limit)
  }
  return limits
}

function countUpTo(sorted: readonly number[], limit: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] ?? Infinity) <= limit) low = middle + 1
    else high = middle
  }
  return low
}

/** Tasks with the same deletes together. */
function bySetOfDeletes(
  indexes: readonly number[],
  members: readonly Reach[],
): readonly (readonly [readonly DataFile[], readonly number[]])[] {
  const sets = new Map<string, [DataFile[], number[]]>()
  for (const index of indexes) {
    const reaching = [...members.entries()].filter(([, member]) => member.tasks.has(index))
    if (reaching.length === 0) continue
    const key = reaching.map(([at]) => at).join()
    const set = sets.get(key) ?? [reaching.map(([, member]) => member.file), []]
    set[1].push(index)
    sets.set(key, set)
  }
  return [...sets.values()]
}

function fieldIdsOf(file: DataFile): readonly number[] {
  return [...new Set(file.equalityIds ?? [])].sort((a, b) => a - b)
}
