import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Catalog, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { IcebergError } from '../../iceberg/error.js'
import { compactTable } from '../../iceberg/maintain/compact.js'
import { expireSnapshots } from '../../iceberg/maintain/expire.js'
import { removeOrphans } from '../../iceberg/maintain/orphans.js'
import { filesOf, reachableManifests } from '../../iceberg/maintain/reachable-files.js'
import { rewriteDeleteFiles } from '../../iceberg/maintain/rewrite-deletes.js'
import { rewriteManifests } from '../../iceberg/maintain/rewrite-manifests.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { SnapshotId } from '../../iceberg/spec/snapshot.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import type { Change } from '../../iceberg/write/table-change.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import type { Fault } from '../../soak/faults.js'
import { FaultyFileIO, FaultyPointerStore, Scheduler, Session } from '../../soak/faults.js'
import { DAY_MS, RowLake } from '../support/row-lake.js'

/*
 * Writers and maintenance at the same time, with faults at every call: each row that was committed is on main exactly once,
 * what a tag showed it goes on showing, and every file that any snapshot names is there.
 */

const TABLES: readonly TableIdentifier[] = [
  { namespace: 'm', name: 't' },
  // Within the folder of the first.
  { namespace: 'm.t', name: 'u' },
]

const WRITES = [
  ...([
    'append',
    'append',
    'overwrite',
    'delete',
    'delete',
    'upsert',
    'stage',
    'publish',
    'publish',
  ] as const),
  ...(['tag', 'drop-tag'] as const),
] as const
const CHORES = [
  ...(['compact', 'compact', 'merge-deletes', 'manifests'] as const),
  ...(['expire', 'expire', 'orphans', 'orphans'] as const),
] as const

type Chore = (typeof CHORES)[number]
type Kind = (typeof WRITES)[number] | Chore

interface Step {
  readonly kind: Kind
  readonly table: number
  readonly partition: number
  readonly days: number
  readonly faults: ReadonlyMap<number, Fault>
}

/** What happens at the same time, and how long nothing happens then. */
interface Round {
  readonly steps: readonly Step[]
  readonly hoursAfter: number
}

const faults = fc
  .array(
    fc.tuple(
      fc.nat(40),
      fc.constantFrom<Fault>('fail-before', 'fail-after', 'lost', 'crash-before', 'crash-after'),
    ),
    { maxLength: 2 },
  )
  .map((pairs) => new Map(pairs))

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom<Kind>(...WRITES, ...CHORES),
  table: fc.nat(TABLES.length - 1),
  partition: fc.nat(1),
  days: fc.nat(6),
  faults,
})

const rounds: fc.Arbitrary<readonly Round[]> = fc.array(
  fc.record({
    steps: fc.array(step, { minLength: 1, maxLength: 3 }),
    hoursAfter: fc.constantFrom(0, 1, 30, 100),
  }),
  { minLength: 4, maxLength: 14 },
)

/** A table as it should be. */
interface Expected {
  readonly rows: Set<string>
  readonly tags: Map<string, readonly string[] | undefined>
  readonly staged: { readonly file: DataFile; readonly row: string }[]
  readonly leased: Set<string>
}

class World {
  readonly lake = new RowLake()
  readonly scheduler: Scheduler
  readonly expected = TABLES.map((): Expected => ({
    rows: new Set(),
    tags: new Map(),
    staged: [],
    leased: new Set(),
  }))
  #names = 0

  constructor(seed: number) {
    let state = seed >>> 0
    this.scheduler = new Scheduler((bound) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * bound)
    })
  }

  newName(): string {
    return `n${++this.#names}`
  }

  open(faultsOf: ReadonlyMap<number, Fault>): { readonly catalog: Catalog; readonly session: Session } {
    const session = new Session(this.scheduler, faultsOf)
    const store = new FaultyPointerStore(this.lake.store, session)
    return { session, catalog: this.lake.openCatalog(store, new FaultyFileIO(this.lake.io, session)) }
  }
}

/** Maintenance may fail or die at any point. Writers are started again until they are done. */
async function run(world: World, one: Step): Promise<void> {
  const { kind } = one
  if (isChore(kind)) {
    const { catalog, session } = world.open(one.faults)
    await Promise.race([session.crashed, ignoringErrors(maintain(world, kind, one, catalog))])
    return
  }
  // A writer that dies does not know its snapshot ids any longer, so here it only fails.
  const noCrash = new Map([...one.faults].filter(([, fault]) => !fault.startsWith('crash')))
  await write(world, one, world.open(noCrash).catalog)
}

function isChore(kind: Kind): kind is Chore {
  return CHORES.some((chore) => chore === kind)
}

async function ignoringErrors(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof IcebergError)) throw error
    if (error.kind === 'data-invalid' || error.kind === 'invalid-argument') throw error
  })
}

async function maintain(world: World, kind: Chore, one: Step, catalog: Catalog): Promise<void> {
  const { table, days } = one
  const { lake } = world
  const { now, newUuid, newSnapshotId, rewriter } = lake
  const identifier = TABLES[table]!
  const retry = { sleep: () => world.scheduler.turn() }
  const common = { catalog, identifier, rewriter, now, newUuid, newSnapshotId, retry, minInputFiles: 2 }
  if (kind === 'compact') {
    await compactTable({ ...common, maxCommits: 1 + days, minCommitBytes: 0 })
  } else if (kind === 'merge-deletes') {
    await rewriteDeleteFiles(common)
  } else if (kind === 'manifests') {
    await rewriteManifests({ ...common, always: true })
  } else if (kind === 'expire') {
    await expireSnapshots({ catalog, identifier, nowMs: lake.nowMs, maxSnapshotAgeMs: days * DAY_MS })
  } else {
    const spare = async () => {
      for (let turns = one.days * 4; turns >= 0; turns--) await world.scheduler.turn()
      return world.expected.flatMap(({ leased }) => [...leased])
    }
    const { nowMs } = lake
    await removeOrphans({ catalog, identifier, nowMs, olderThanMs: nowMs - 2 * DAY_MS, spare })
  }
}

async function write(world: World, one: Step, catalog: Catalog): Promise<void> {
  const { lake } = world
  const expected = world.expected[one.table]!
  const identifier = TABLES[one.table]!
  const name = world.newName()
  if (one.kind === 'stage') {
    const file = await lake.write(identifier, [name], one.partition)
    expected.leased.add(file.filePath)
    expected.staged.push({ file, row: name })
  } else if (one.kind === 'publish') {
    const staged = expected.staged.shift()
    if (staged === undefined) return
    const change = { kind: 'append', files: [staged.file] } as const
    await commitUntilDone(world, identifier, catalog, () => Promise.resolve(change))
    expected.rows.add(staged.row)
    // As in a lake, its lease goes when it is published.
    expected.leased.delete(staged.file.filePath)
  } else if (one.kind === 'append' || one.kind === 'overwrite') {
    await commitUntilDone(world, identifier, catalog, () => computed(world, one, name))
    expected.rows.add(name)
  } else if (one.kind === 'delete' || one.kind === 'upsert') {
    const row = (await rowsHere(world, one))[one.days]
    if (row === undefined) return
    const compute = async (): Promise<Change> =>
      one.kind === 'upsert'
        ? lake.computeBlindUpsert(identifier, { deletes: [row], adds: [name] }, one.partition)
        : ((await lake.computeDelete(identifier, [row], one.partition)) ?? { kind: 'none' })
    await commitUntilDone(world, identifier, catalog, compute)
    expected.rows.delete(row)
    if (one.kind === 'upsert') expected.rows.add(name)
  } else {
    await changeTags(world, one, catalog, name)
  }
}

/** An overwrite adds a row to those that it found, so a lost update shows. */
async function computed(world: World, { kind, table, partition }: Step, row: string): Promise<Change> {
  const { lake } = world
  const identifier = TABLES[table]!
  if (kind === 'append') return { kind, files: [await lake.write(identifier, [row], partition)] }
  const basis = (await lake.catalog.loadTable(identifier)).metadata['current-snapshot-id'] ?? null
  const rows = await rowsHere(world, { table, partition })
  const files = [await lake.write(identifier, [...rows, row], partition)]
  return { kind: 'overwrite-partitions', files, basis }
}

async function rowsHere({ lake }: World, { table, partition }: Pick<Step, 'table' | 'partition'>) {
  const { metadata } = await lake.catalog.loadTable(TABLES[table]!)
  const { tasks } = await planScan({ metadata, io: lake.io })
  const here = tasks.filter((task) => task.file.partition[0] === partition)
  return (await Promise.all(here.map((task) => lake.liveRows(task)))).flat()
}

async function commitUntilDone(
  world: World,
  identifier: TableIdentifier,
  catalog: Catalog,
  compute: () => Promise<Change>,
): Promise<void> {
  let kept: { readonly change: Change; readonly snapshotId: SnapshotId } | undefined
  for (let round = 0; round < 40; round++) {
    try {
      kept ??= { change: await compute(), snapshotId: world.lake.newSnapshotId() }
      const { now, newUuid } = world.lake
      const retry = { sleep: () => world.scheduler.turn() }
      await commitTransaction({ catalog, changes: [{ identifier, ...kept }], now, newUuid, retry })
      return
    } catch (error) {
      if (!(error instanceof IcebergError)) throw error
      if (error.kind === 'rebuild-needed') kept = undefined
      else if (!error.retryable && error.kind !== 'not-found') throw error
    }
  }
  throw new Error('a writer was never done')
}

async function changeTags(
  world: World,
  { kind, table, days }: Step,
  catalog: Catalog,
  name: string,
): Promise<void> {
  const { tags } = world.expected[table]!
  const identifier = TABLES[table]!
  const dropped = [...tags.keys()][0]
  if (kind === 'drop-tag' && dropped === undefined) return
  // Any snapshot can get a tag, as a model pins what it was trained on: also one that expires just now.
  const { snapshots } = (await world.lake.catalog.loadTable(identifier)).metadata
  const pinned = snapshots.at(-1 - Math.min(days, snapshots.length - 1))
  if (kind === 'tag' && pinned === undefined) return
  const changes =
    kind === 'tag'
      ? [{ kind: 'create-tag' as const, name, snapshotId: pinned!['snapshot-id'] }]
      : [{ kind: 'drop' as const, name: dropped! }]
  if (kind === 'drop-tag') tags.delete(dropped!)
  const { now, newUuid } = world.lake
  for (let round = 0; round < 40; round++) {
    try {
      const retry = { sleep: () => world.scheduler.turn() }
      await changeRefs({ catalog, tables: [{ identifier, changes }], now, newUuid, retry })
      if (kind === 'tag') tags.set(name, undefined)
      return
    } catch (error) {
      if (!(error instanceof IcebergError)) throw error
      // It expired before it had the tag.
      if (error.kind === 'not-found' || error.kind === 'commit-rejected') return
      if (!error.retryable) throw error
    }
  }
}

async function check(world: World): Promise<void> {
  const { lake } = world
  const there = new Set(await lake.files())
  for (const [at, identifier] of TABLES.entries()) {
    const { rows, tags } = world.expected[at]!
    const table = formatIdentifier(identifier)
    expect(await lake.rows(identifier), table).toEqual([...rows].sort())
    for (const [tag, shown] of tags) {
      const now = await lake.rows(identifier, tag)
      if (shown === undefined) tags.set(tag, now)
      else expect(now, `${table} at ${tag}`).toEqual(shown)
    }
    const { metadata } = await lake.catalog.loadTable(identifier)
    const { manifestLists, manifests } = await reachableManifests(lake.io, metadata, metadata.snapshots)
    const files = await filesOf(lake.io, metadata, manifests.values(), { live: true })
    for (const file of [...manifestLists, ...manifests.keys(), ...files.keys()]) expect(there).toContain(file)
  }
}

const RUNS = Number(process.env['FIRN_MODEL_RUNS'] ?? 60)

describe('writers and maintenance at the same time', () => {
  it('lose no row, double none, break no tag and delete no file that a snapshot names', async () => {
    const seed = Number(process.env['FIRN_MODEL_SEED'] ?? Date.now() % 2 ** 31)
    console.log(`seed ${seed}: repeat with FIRN_MODEL_SEED=${seed}`)
    const property = fc.asyncProperty(rounds, fc.nat(), async (history, order) => {
      const world = new World(order)
      for (const identifier of TABLES) {
        await world.lake.create(identifier, identifier.name === 'u' ? { location: 'file:///w/m/t/u' } : {})
      }
      for (const { steps, hoursAfter } of history) {
        await world.scheduler.runUntil(Promise.all(steps.map((one) => run(world, one))))
        await check(world)
        world.lake.nowMs += (hoursAfter * DAY_MS) / 24
      }
    })
    await fc.assert(property, { seed, numRuns: RUNS })
  })
})
