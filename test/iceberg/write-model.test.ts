import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LoadedTable, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { MemoryPointerStore } from '../../iceberg/catalog/memory.js'
import { PointerCatalog } from '../../iceberg/catalog/pointer-catalog.js'
import type { Swap } from '../../iceberg/catalog/pointer-store.js'
import { IcebergError } from '../../iceberg/error.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { parseTableMetadata } from '../../iceberg/spec/metadata-json.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { ancestorsOf, headOf } from '../../iceberg/spec/refs.js'
import type { SnapshotId } from '../../iceberg/spec/snapshot.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import type { TableChange } from '../../iceberg/write/table-change.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import type { Fault } from '../../soak/faults.js'
import { FaultyFileIO, FaultyPointerStore, Scheduler, Session } from '../../soak/faults.js'
import type { Rows } from '../support/lake-model.js'
import { createModelTables, FileContents, liveEntries, rowsOf } from '../support/lake-model.js'
import type { Deltas, Part } from '../support/model-parts.js'
import { applyPart, computeChange, PART_KINDS } from '../support/model-parts.js'

/*
 * Writers with faults at every call, against a model: each history of swaps has to equal the jobs done one after another in
 * the order of their swaps, each exactly once, in all of its tables at the same moment.
 */

const TABLES = ['t0', 't1', 't2'].map((name): TableIdentifier => ({ namespace: 'm', name }))
const AUDIT: TableIdentifier = { namespace: 'm', name: 'audit' }
const KEYS = ['k0', 'k1', 'k2']

interface Job {
  readonly id: string
  readonly parts: readonly Part[]
  /** Writes a marker row with its data and looks for it; otherwise its snapshot ids outlive crashes. */
  readonly marked: boolean
  readonly clockSkewMs: number
  /** The faults of each run of its process, by the number of the call. The last run has none. */
  readonly runs: readonly ReadonlyMap<number, Fault>[]
}

interface Disturbance {
  readonly kind: 'rollback' | 'expire' | 'branch'
  readonly table: TableIdentifier
  readonly afterTurns: number
}

interface History {
  readonly jobs: readonly Job[]
  readonly disturbances: readonly Disturbance[]
  readonly order: number
}

const faultArbitrary = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<Fault>('fail-before', 'fail-after') },
  { weight: 2, arbitrary: fc.constant<Fault>('lost') },
  { weight: 3, arbitrary: fc.constantFrom<Fault>('crash-before', 'crash-after') },
)

/** Single faults, and a lost answer with trouble right behind it. */
const faultsArbitrary = fc.oneof(
  fc.tuple(fc.nat(40), faultArbitrary).map((fault): readonly [number, Fault][] => [fault]),
  fc
    .tuple(fc.integer({ min: 4, max: 25 }), faultArbitrary)
    .map(([call, next]): readonly [number, Fault][] => [
      [call, 'lost'],
      [call + 1, next],
    ]),
)

const runsArbitrary = fc.array(
  fc.array(faultsArbitrary, { maxLength: 4 }).map((faults) => new Map(faults.flat())),
  { maxLength: 3 },
)

function partArbitrary(
  table: TableIdentifier,
  partitions: number,
  kinds: readonly Part['kind'][] = PART_KINDS,
): fc.Arbitrary<Part> {
  return fc.record({
    table: fc.constant(table),
    kind: fc.constantFrom('append', ...kinds),
    isolation: fc.constantFrom<Part['isolation']>('serializable', 'snapshot'),
    partition: fc.nat(partitions - 1),
    keys: fc.subarray(KEYS, { minLength: 1 }),
  })
}

/** Many tables, which have to change at the same moment. */
const partsArbitrary = fc
  .subarray(TABLES, { minLength: 1 })
  .chain((tables) => fc.tuple(...tables.map((table) => partArbitrary(table, 2))))

/** One partition of one table, where all get in each other's way. */
const crowdedArbitrary = fc.tuple(partArbitrary(TABLES[1]!, 1))

/** The changes that equality deletes and old sequence numbers are about. */
const upsertedArbitrary = fc.tuple(
  partArbitrary(TABLES[0]!, 1, [
    'upsert-by-equality-delete',
    'upsert-by-equality-delete',
    'rewrite',
    'rewrite-under-equality-deletes',
    'rewrite-under-equality-deletes',
    'delete-merge-on-read',
    'update-copy-on-write',
  ]),
)

function jobsArbitrary(
  marked: fc.Arbitrary<boolean>,
  parts: fc.Arbitrary<readonly Part[]>,
  maxLength = 6,
): fc.Arbitrary<readonly Job[]> {
  const job = fc.record({
    parts,
    marked,
    clockSkewMs: fc.integer({ min: -300_000, max: 300_000 }),
    runs: runsArbitrary,
  })
  return fc
    .array(job, { minLength: 2, maxLength })
    .map((jobs) => jobs.map((one, at): Job => ({ id: `j${at}`, ...one })))
}

const order = fc.nat({ max: 2 ** 31 - 1 })

const disturbancesArbitrary = fc.array(
  fc.record({
    kind: fc.constantFrom<Disturbance['kind']>('rollback', 'expire', 'branch'),
    table: fc.constantFrom(...TABLES),
    afterTurns: fc.nat(60),
  }),
  { maxLength: 3 },
)

/** One lake and all that happened to it. */
class Lake {
  readonly io = new MemoryFileIO()
  readonly contents = new FileContents()
  readonly deltas: Deltas = new Map()
  readonly swaps: (readonly Swap[])[] = []
  readonly rollbacks = new Map<string, SnapshotId>()
  readonly store: MemoryPointerStore
  readonly scheduler: Scheduler
  #counter = 0

  constructor(seed: number) {
    const { swaps } = this
    this.store = new (class extends MemoryPointerStore {
      override async swap(wanted: readonly Swap[]): Promise<boolean> {
        const done = await super.swap(wanted)
        if (done) swaps.push(wanted)
        return done
      }
    })()
    this.scheduler = new Scheduler(lcg(seed))
  }

  next(): number {
    return ++this.#counter
  }

  newUuid = (): string => `00000000-0000-4000-8000-${this.next().toString(16).padStart(12, '0')}`
  newSnapshotId = (): SnapshotId => toSnapshotId(2n ** 60n + BigInt(this.next()))

  catalog(session: Session, clockSkewMs = 0): PointerCatalog {
    return new PointerCatalog(new FaultyPointerStore(this.store, session), {
      name: 'firn',
      warehouse: 'memory://w',
      io: new FaultyFileIO(this.io, session),
      now: () => 1_800_000_000_000 + clockSkewMs + this.next(),
      newUuid: this.newUuid,
    })
  }
}

/** A small generator of repeatable numbers, so that one integer is the whole order of events. */
function lcg(seed: number): (bound: number) => number {
  let state = seed >>> 0
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
}

/** What survives a crash of a job without a marker. */
interface Kept {
  changes?: readonly TableChange[]
  /** An earlier commit of these changes may have happened or may still arrive: only they may be tried. */
  isOpen: boolean
}

/** A process that is started again until its job is done. */
async function runJob(lake: Lake, job: Job): Promise<string> {
  const kept: Kept = { isOpen: false }
  for (let run = 0; ; run++) {
    const session = new Session(lake.scheduler, job.runs[run] ?? new Map())
    const outcome = await Promise.race([session.crashed, attemptJob(lake, job, session, kept)])
    if (outcome !== 'crashed') return outcome
    kept.isOpen = true
    if (job.marked) delete kept.changes
  }
}

async function attemptJob(lake: Lake, job: Job, session: Session, kept: Kept): Promise<string> {
  const catalog = lake.catalog(session, job.clockSkewMs)
  const now = () => 1_800_000_000_000 + job.clockSkewMs + lake.next()
  for (let round = 0; round < 60; round++) {
    try {
      kept.changes ??= await computeJob(lake, job, catalog)
      const result = await commitTransaction({
        catalog,
        changes: kept.changes,
        now,
        newUuid: lake.newUuid,
        retry: { sleep: () => lake.scheduler.turn() },
        beforeAttempt: async (tables) => ((await hasMarker(lake, job, tables)) ? 'marker' : undefined),
        collidesWith: (change, added) => {
          const rowsIn = (files: readonly DataFile[]) => files.flatMap((file) => lake.contents.read(file))
          const own = rowsIn(change.change.kind === 'insert-new' ? change.change.files : [])
          return Promise.resolve(rowsIn(added).some((row) => own.includes(row)))
        },
      })
      return result.kind
    } catch (error) {
      if (!(error instanceof IcebergError)) throw error
      // Tags without a snapshot or a marker leave no trace of who set them.
      if (error.kind === 'commit-rejected' && kept.isOpen && !job.marked) return 'ended'
      if (error.kind === 'commit-unknown') kept.isOpen = true
      else if (error.kind === 'rebuild-needed') kept.isOpen = false
      else if (!error.retryable) throw error
      if (job.marked || !kept.isOpen) delete kept.changes
    }
  }
  throw new Error(`${job.id} was never done`)
}

async function computeJob(lake: Lake, job: Job, catalog: PointerCatalog): Promise<readonly TableChange[]> {
  const tables = await catalog.loadTables(job.parts.map((part) => part.table))
  const changes: TableChange[] = []
  for (const [at, part] of job.parts.entries()) {
    const { change, delta } = await computeChange(lake.contents, catalog.io, part, job.id, tables[at]!)
    const snapshotId = lake.newSnapshotId()
    lake.deltas.set(snapshotId, delta)
    const tags = [{ name: `tag-${job.id}` }]
    const summary = { job: job.id }
    changes.push({ identifier: part.table, change, snapshotId, tags, summary })
  }
  if (!job.marked) return changes
  const marker = lake.contents.write(0, [job.id])
  const change = { kind: 'append', files: [marker] } as const
  return [
    ...changes,
    { identifier: AUDIT, change, snapshotId: lake.newSnapshotId(), summary: { job: job.id } },
  ]
}

async function hasMarker(lake: Lake, job: Job, tables: readonly LoadedTable[]): Promise<boolean> {
  const audit = tables.find((table) => table.identifier.name === AUDIT.name)
  if (!job.marked || audit === undefined) return false
  const rows = rowsOf(lake.contents, await liveEntries(lake.io, audit.metadata))
  return [...rows.values()].flat().includes(job.id)
}

async function disturb(lake: Lake, { kind, table, afterTurns }: Disturbance, at: number): Promise<void> {
  const session = new Session(lake.scheduler, new Map())
  const catalog = lake.catalog(session)
  for (let turn = 0; turn < afterTurns; turn++) await lake.scheduler.turn()
  const options = { catalog, now: () => 1_800_000_000_000, newUuid: lake.newUuid }
  const retry = { sleep: () => lake.scheduler.turn() }
  const { metadata } = await catalog.loadTable(table)
  const [head, parent, ...older] = [...ancestorsOf(metadata, metadata['current-snapshot-id'] ?? 0n)]
  if (head === undefined || parent === undefined) return
  const snapshotId = parent['snapshot-id']
  try {
    if (kind === 'rollback') {
      const updates = [
        { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': snapshotId },
      ] as const
      const requirements = [
        { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': head['snapshot-id'] },
      ] as const
      await catalog.commit([{ identifier: table, updates, requirements }])
    } else if (kind === 'branch') {
      const change = { kind: 'create-branch', name: `side-${at}` } as const
      await changeRefs({ ...options, retry, tables: [{ identifier: table, changes: [change] }] })
    } else {
      const named = new Set(Object.values(metadata.refs).map((ref) => ref['snapshot-id']))
      const ids = older.map((snapshot) => snapshot['snapshot-id']).filter((id) => !named.has(id))
      const updates = [{ action: 'remove-snapshots', 'snapshot-ids': ids }] as const
      await catalog.commit([{ identifier: table, updates, requirements: [] }])
    }
  } catch (error) {
    expect(error).toMatchObject({ kind: 'commit-conflict' })
  }
}

async function play({ jobs, disturbances, order: seed }: History): Promise<void> {
  const lake = new Lake(seed)
  const setUp = new Session(lake.scheduler, new Map())
  await lake.scheduler.runUntil(createModelTables(lake.catalog(setUp), [...TABLES, AUDIT]))
  lake.swaps.splice(0)
  const work = Promise.all([
    Promise.all(jobs.map((job) => runJob(lake, job))),
    ...disturbances.map((disturbance, at) => disturb(lake, disturbance, at)),
  ])
  const [outcomes] = await lake.scheduler.runUntil(work)
  for (const outcome of outcomes) expect(['committed', 'ended']).toContain(outcome)
  await checkAgainstModel(lake, jobs)
}

/** Replays the swaps in their order onto the model. */
async function checkAgainstModel(lake: Lake, jobs: readonly Job[]): Promise<void> {
  const model = new Map<string, Rows>()
  const bySnapshot = new Map<SnapshotId, Rows>()
  const done: string[] = []
  for (const swap of lake.swaps) {
    const loaded = await Promise.all(
      swap.map(async ({ identifier, from, to }) => ({
        identifier,
        before: parseTableMetadata(await lake.io.read(from ?? to)),
        after: parseTableMetadata(await lake.io.read(to)),
      })),
    )
    const jobId = loaded.flatMap(({ before, after }) => jobsBetween(before, after))[0]
    const job = jobs.find((one) => one.id === jobId)
    if (job !== undefined) {
      done.push(job.id)
      const tables = [...job.parts.map((part) => part.table), ...(job.marked ? [AUDIT] : [])]
      expect(swap.map((one) => one.identifier.name)).toEqual(tables.map((table) => table.name))
    }
    for (const { identifier, before, after } of loaded) {
      const name = formatIdentifier(identifier)
      const head = headOf(after)
      const part = job?.parts.find((one) => one.table.name === identifier.name)
      const hasMoved = headOf(before)?.['snapshot-id'] !== head?.['snapshot-id']
      if (job !== undefined && part !== undefined) {
        const delta = hasMoved && head ? lake.deltas.get(head['snapshot-id']) : undefined
        model.set(name, applyPart(part, job.id, model.get(name) ?? new Map(), delta))
        expect(after.refs[`tag-${job.id}`]?.['snapshot-id']).toBe(head?.['snapshot-id'])
      } else if (job !== undefined) {
        const rows = model.get(name)?.get(0) ?? []
        model.set(name, new Map([[0, [...rows, job.id].sort()]]))
      } else if (hasMoved && head !== undefined) {
        model.set(name, bySnapshot.get(head['snapshot-id']) ?? new Map())
      }
      const expected = model.get(name) ?? new Map()
      if (head !== undefined) bySnapshot.set(head['snapshot-id'], expected)
      const live = await liveEntries(lake.io, after)
      const actual = rowsOf(lake.contents, live)
      expect(sorted(actual), `${name} after ${jobId ?? 'a disturbance'}`).toEqual(sorted(expected))
      if (head?.summary) expect(head.summary).toMatchObject(totalsOf(live.map((entry) => entry.file)))
    }
  }
  // Each job in exactly one swap: not lost, not doubled.
  expect(new Set(done).size, `each once: ${done.join(', ')}`).toBe(done.length)
  for (const job of jobs.filter(alwaysWrites)) expect(done).toContain(job.id)
}

function sorted(rows: Rows): unknown {
  return [...rows].filter(([, some]) => some.length > 0).sort(([left], [right]) => left - right)
}

function totalsOf(files: readonly DataFile[]): Readonly<Record<string, string>> {
  const count = (content: DataFile['content']) => {
    const records = files.map((file) => (file.content === content ? file.recordCount : 0))
    return String(records.reduce((sum, one) => sum + one, 0))
  }
  return {
    'total-records': count('data'),
    'total-position-deletes': count('position-deletes'),
    'total-equality-deletes': count('equality-deletes'),
  }
}

/** The jobs whose tag or snapshot one swap brought. */
function jobsBetween(before: LoadedTable['metadata'], after: LoadedTable['metadata']): readonly string[] {
  const known = new Set(before.snapshots.map((snapshot) => snapshot['snapshot-id']))
  const added = after.snapshots.filter((snapshot) => !known.has(snapshot['snapshot-id']))
  const tags = Object.keys(after.refs).filter(
    (ref) => before.refs[ref] === undefined && ref.startsWith('tag-'),
  )
  return [...added.flatMap((snapshot) => snapshot.summary?.['job'] ?? []), ...tags.map((tag) => tag.slice(4))]
}

/** Others may find that there is nothing to do: no new keys, nothing to compact, an empty table to tag. */
function alwaysWrites(job: Job): boolean {
  return (
    job.marked || job.parts.some((part) => part.kind === 'append' || part.kind === 'overwrite-partitions')
  )
}

const RUNS = Number(process.env['FIRN_MODEL_RUNS'] ?? 100)

async function property(arbitrary: fc.Arbitrary<History>): Promise<void> {
  const seed = Number(process.env['FIRN_MODEL_SEED'] ?? Date.now() % 2 ** 31)
  console.log(`seed ${seed}: repeat with FIRN_MODEL_SEED=${seed}`)
  await fc.assert(fc.asyncProperty(arbitrary, play), { seed, numRuns: RUNS })
}

describe('commits of many writers with faults at every call', () => {
  it('equal a serial order where jobs carry a marker, also under rollback and expiry', async () => {
    const jobs = jobsArbitrary(fc.constant(true), partsArbitrary)
    await property(fc.record({ jobs, disturbances: disturbancesArbitrary, order }))
  })

  it('equal a serial order where only snapshot ids survive a crash', async () => {
    const jobs = jobsArbitrary(fc.boolean(), partsArbitrary)
    await property(fc.record({ jobs, disturbances: fc.constant([]), order }))
  })

  it('equal a serial order where all change the same rows', async () => {
    const jobs = jobsArbitrary(fc.constant(false), crowdedArbitrary, 12)
    await property(fc.record({ jobs, disturbances: fc.constant([]), order }))
  })

  it('equal a serial order where equality deletes come while files are compacted', async () => {
    const jobs = jobsArbitrary(fc.constant(false), upsertedArbitrary, 12)
    await property(fc.record({ jobs, disturbances: fc.constant([]), order }))
  })
})
