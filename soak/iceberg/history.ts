import type { Fault } from '../faults.js'
import { Random } from '../random.js'
import type { RowOperation, WriteMode } from './rows.js'
import { LATER_KEYS, PARTITIONS, partitionOf, SHARED_KEYS } from './rows.js'

export type Faults = ReadonlyMap<number, Fault>

/** One operation on one table, as a part of a job. */
export interface Part {
  readonly table: string
  readonly operation: RowOperation
}

/** A writer: all its parts in one transaction, exactly once, however often its process dies. */
export interface Job {
  readonly kind: 'job'
  readonly id: string
  readonly branch: string
  readonly parts: readonly Part[]
  /** Writes a marker row with its data and looks for it; otherwise its snapshot ids outlive crashes. */
  readonly isMarked: boolean
  readonly isTagged: boolean
  /** Its snapshots are on no branch until somebody picks them: write, audit, publish. */
  readonly isStaged: boolean
  /** The faults of each run of its process, by the number of the call. Runs beyond have none. */
  readonly runs: readonly Faults[]
}

export type MaintenanceKind = 'compact' | 'rewrite-deletes' | 'rewrite-manifests' | 'expire' | 'orphans'
export type RefStepKind = 'tag' | 'drop-tag' | 'rollback' | 'fast-forward' | 'cherry-pick'

/** What may fail, die or give up without being done again. */
export interface Chore {
  readonly kind: MaintenanceKind | RefStepKind | 'evolve' | 'evolve-spec'
  readonly id: string
  readonly table: string
  readonly faults: Faults
  /** Whatever it has to choose. */
  readonly choice: number
}

export interface Round {
  readonly steps: readonly (Job | Chore)[]
  readonly hoursAfter: number
}

export interface History {
  readonly seed: number
  readonly properties: Readonly<Record<string, string>>
  readonly rounds: readonly Round[]
}

export const TABLES = ['t0', 't1']

const FAULTS: readonly Fault[] = [
  ...(['fail-before', 'fail-after', 'fail-before', 'fail-after', 'lost', 'lost', 'lost'] as const),
  ...(['crash-before', 'crash-after', 'crash-after'] as const),
]

/** The history of a seed: the same today and tomorrow. */
export function historyOf(seed: number): History {
  const random = new Random(seed)
  // A rollback or an expiry takes away the snapshot that tells a job without a marker that it is done.
  const forgets = random.chance(2)
  let steps = 0
  // Few keys collide all the time, many leave room for rebases.
  const keys = SHARED_KEYS.slice(0, random.pick([1, 2, 4]))
  const rounds = Array.from({ length: 2 + random.below(5) }, (): Round => {
    // Half of the rounds are about one table, often with a compaction that all others get in the way of.
    const tables = random.chance(2) ? [random.pick(TABLES)] : TABLES
    const length = 1 + random.below(4)
    const drawn = Array.from({ length }, () => stepOf(random, `s${steps++}`, forgets, { keys, tables }))
    const isCompacted = tables.length === 1 && random.chance(2)
    const compaction = isCompacted ? [choreOf(random, `s${steps++}`, 'compact', tables)] : []
    return { steps: [...drawn, ...compaction], hoursAfter: random.pick([0, 0, 1, 30, 100]) }
  })
  const filled: Round = { steps: random.some(TABLES).flatMap(fill), hoursAfter: 0 }
  const properties = {
    'commit.manifest.min-count-to-merge': random.pick(['2', '3', '100']),
    'write.metadata.previous-versions-max': random.pick(['1', '3', '100']),
    'write.metadata.delete-after-commit.enabled': random.pick(['true', 'false']),
  }
  return { seed, properties, rounds: [filled, ...rounds] }
}

/** A table that has rows already, in several files a partition. */
function fill(table: string): readonly Job[] {
  const operations: readonly RowOperation[] = [
    { kind: 'upsert', keys: SHARED_KEYS, mode: 'copy-on-write' },
    ...[0, 1].map((p): RowOperation => ({ kind: 'append', p, key: `own-fill${p}` })),
  ]
  return operations.map((operation, at) => ({
    ...{ kind: 'job', id: `fill-${table}-${at}`, branch: 'main', parts: [{ table, operation }] },
    ...{ isMarked: true, isTagged: false, isStaged: false, runs: [] },
  }))
}

const CHORES: readonly Chore['kind'][] = [
  'compact',
  'compact',
  'rewrite-deletes',
  'rewrite-manifests',
  'tag',
  'evolve',
  'evolve-spec',
]
const FORGETTING: readonly Chore['kind'][] = [
  ...([
    'expire',
    'expire',
    'orphans',
    'orphans',
    'rollback',
    'drop-tag',
    'fast-forward',
    'cherry-pick',
  ] as const),
]

interface Scope {
  readonly keys: readonly string[]
  readonly tables: readonly string[]
}

function stepOf(random: Random, id: string, forgets: boolean, scope: Scope): Job | Chore {
  if (random.below(5) < 3) return jobOf(random, id, forgets, scope)
  const kind = random.pick(forgets ? [...CHORES, ...FORGETTING] : CHORES)
  return choreOf(random, id, kind, scope.tables)
}

function choreOf(random: Random, id: string, kind: Chore['kind'], tables: readonly string[]): Chore {
  return { kind, id, table: random.pick(tables), faults: faultsOf(random), choice: random.below(1000) }
}

function jobOf(random: Random, id: string, forgets: boolean, { keys, tables }: Scope): Job {
  const chosen = random.chance(3) ? tables : [random.pick(tables)]
  const isStaged = forgets && random.chance(6)
  const own = (): RowOperation => ({ kind: 'append', p: random.below(PARTITIONS), key: `own-${id}` })
  return {
    kind: 'job',
    id,
    branch: !isStaged && random.chance(5) ? 'side' : 'main',
    parts: chosen.map((table) => ({ table, operation: isStaged ? own() : operationOf(random, id, keys) })),
    isMarked: forgets || random.chance(2),
    isTagged: !isStaged && random.chance(4),
    isStaged,
    runs: Array.from({ length: random.below(4) }, () => faultsOf(random)),
  }
}

const OPERATIONS: readonly RowOperation['kind'][] = [
  ...(['append', 'append', 'append', 'insert-new', 'overwrite-partition', 'replace-where'] as const),
  'equality-delete',
  ...(['delete', 'delete', 'update', 'update', 'upsert', 'upsert', 'upsert'] as const),
]

function operationOf(random: Random, id: string, keys: readonly string[]): RowOperation {
  const kind = random.pick(OPERATIONS)
  const p = random.below(PARTITIONS)
  const mode = random.pick<WriteMode>(['copy-on-write', 'merge-on-read'])
  const here = random.some([...SHARED_KEYS, ...LATER_KEYS].filter((key) => partitionOf(key) === p))
  switch (kind) {
    case 'append':
    case 'overwrite-partition':
    case 'replace-where':
      return { kind, p, key: `own-${id}` }
    case 'insert-new':
    case 'equality-delete':
      return { kind, p, keys: here }
    case 'delete':
    case 'update':
      return { kind, keys: random.some(keys), mode }
    case 'upsert':
      return { kind, keys: random.some([...keys, ...LATER_KEYS]), mode }
  }
}

/** Single faults, and a lost answer with trouble right behind it. */
function faultsOf(random: Random): Faults {
  const faults = new Map<number, Fault>()
  for (let count = random.below(4); count > 0; count--) {
    const call = random.below(50)
    faults.set(call, random.pick(FAULTS))
    if (random.chance(3)) faults.set(call + 1, random.pick(FAULTS))
  }
  return faults
}
