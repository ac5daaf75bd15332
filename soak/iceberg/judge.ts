import type { Swap } from '../../iceberg/catalog/pointer-store.js'
import { filesOf, reachableManifests } from '../../iceberg/maintain/reachable-files.js'
import { parseTableMetadata } from '../../iceberg/spec/metadata-json.js'
import { headOf } from '../../iceberg/spec/refs.js'
import type { Snapshot, SnapshotId } from '../../iceberg/spec/snapshot.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { Job } from './history.js'
import type { Lake } from './lake.js'
import type { Row } from './rows.js'
import { applyOperation, compareRows } from './rows.js'

export interface Verdict {
  lost: number
  doubled: number
  deletedLive: number
  resurrected: number
  /** What was found, in words; also what is none of the four (a ref that moved by itself, a wrong total). */
  readonly problems: string[]
}

/** The table in which marked jobs leave their ids. */
export const AUDIT = 'audit'

/**
 * Holds every snapshot against the model, at the moment at which it appears: what it shows has to be what its job does to
 * what its parent shows. So each history equals its jobs done one after another.
 */
export class Judge {
  readonly verdict: Verdict = { lost: 0, doubled: 0, deletedLive: 0, resurrected: 0, problems: [] }
  readonly #jobs: ReadonlyMap<string, Job>
  /** What each snapshot should show, by table and id. */
  readonly #expected = new Map<string, readonly Row[]>()
  readonly #done = new Map<string, number>()
  /** Metadata files never change, and what one swap leads to the next starts from. */
  readonly #read = new Map<string, TableMetadata>()
  /**
   * Keys that were there once. What was deleted after an insert-new looked, it does not bring back: it rebases over
   * deletes (docs/decisions/0002-commits.md), so of these keys it may leave some out.
   */
  readonly #everSeen = new Set<string>()
  #lake: Lake | undefined

  constructor(jobs: readonly Job[]) {
    this.#jobs = new Map(jobs.map((job) => [job.id, job]))
  }

  attach(lake: Lake): void {
    this.#lake = lake
  }

  onSwap = async (swaps: readonly Swap[]): Promise<void> => {
    for (const { identifier, from, to } of swaps) {
      if (from === null || from === to) continue
      const [before, after] = await Promise.all([this.#metadataAt(from), this.#metadataAt(to)])
      await this.#judgeSwap(identifier.name, before, after)
    }
  }

  /** Everything that any snapshot names is there; `rows`: and each shows what it showed when it was made. */
  async checkFiles(options: { readonly rows: boolean }): Promise<void> {
    const lake = this.#open()
    const there = new Set<string>()
    for await (const file of lake.io.list('file:///w')) there.add(file.location)
    for (const identifier of await lake.catalog.listTables('s')) {
      const { metadata, metadataLocation } = await lake.catalog.loadTable(identifier)
      if (!there.has(metadataLocation)) this.#deleted(metadataLocation)
      const { manifestLists, manifests } = await reachableManifests(lake.io, metadata, metadata.snapshots)
      const files = await filesOf(lake.io, metadata, manifests.values(), { live: true })
      for (const file of [...manifestLists, ...manifests.keys(), ...files.keys()]) {
        if (!there.has(file)) this.#deleted(file)
      }
      if (!options.rows) continue
      for (const snapshot of metadata.snapshots) await this.#compare(identifier.name, metadata, snapshot)
    }
  }

  /** Each job once; `finished` are those whose writer was told that it is done. */
  checkJobs(finished: ReadonlyMap<string, string>): void {
    for (const [id, job] of this.#jobs) {
      for (const { table } of job.parts) {
        const times = this.#done.get(`${table}/${id}`) ?? 0
        if (times > 1) this.#problem('doubled', `job ${id} is in ${table} ${times} times`)
      }
      const everywhere = job.isMarked ? (this.#done.get(`${AUDIT}/${id}`) ?? 0) : undefined
      if ((finished.get(id) ?? 'refused') !== 'refused' && everywhere === 0)
        this.#problem('lost', `job ${id} was told done, but is not there`)
    }
  }

  async #judgeSwap(table: string, before: TableMetadata, after: TableMetadata): Promise<void> {
    const known = new Set(before.snapshots.map((snapshot) => snapshot['snapshot-id']))
    const added = after.snapshots.filter((snapshot) => !known.has(snapshot['snapshot-id']))
    for (const snapshot of added) {
      const expected = await this.#expectedOf(table, after, snapshot)
      for (const { key } of expected) this.#everSeen.add(`${table}/${key}`)
      this.#expected.set(keyOf(table, snapshot['snapshot-id']), expected)
      await this.#compare(table, after, snapshot)
    }
    this.#checkTags(table, before, after)
  }

  async #expectedOf(table: string, metadata: TableMetadata, snapshot: Snapshot): Promise<readonly Row[]> {
    const { summary } = snapshot
    const parent = this.#rowsOf(table, snapshot['parent-snapshot-id'])
    const source = summary?.['source-snapshot-id']
    if (source !== undefined) return [...parent, ...this.#addedBy(table, metadata, BigInt(source))]
    const id = summary?.['job']
    if (id === undefined) {
      if (summary?.operation !== 'replace') this.#problem('doubled', `${table}: nobody's snapshot`)
      return parent
    }
    this.#done.set(`${table}/${id}`, 1 + (this.#done.get(`${table}/${id}`) ?? 0))
    if (table === AUDIT) return [...parent, { p: 0, key: id, value: 0 }]
    const part = this.#jobs.get(id)?.parts.find((one) => one.table === table)
    if (part === undefined) return parent
    const expected = applyOperation(part.operation, parent)
    if (part.operation.kind !== 'insert-new') return expected
    const actual = new Set((await this.#open().rows(metadata, snapshot)).map((row) => row.key))
    return expected.filter((row) => actual.has(row.key) || !this.#everSeen.has(`${table}/${row.key}`))
  }

  #addedBy(table: string, metadata: TableMetadata, id: bigint): readonly Row[] {
    const source = metadata.snapshots.find((snapshot) => snapshot['snapshot-id'] === id)
    const before = this.#rowsOf(table, source?.['parent-snapshot-id'])
    return this.#rowsOf(table, source?.['snapshot-id']).slice(before.length)
  }

  #rowsOf(table: string, id: SnapshotId | undefined): readonly Row[] {
    return id === undefined ? [] : (this.#expected.get(keyOf(table, id)) ?? [])
  }

  async #compare(table: string, metadata: TableMetadata, snapshot: Snapshot): Promise<void> {
    const lake = this.#open()
    const name = `${table} at ${String(snapshot['snapshot-id'])} (${snapshot.summary?.['job'] ?? snapshot.summary?.operation ?? ''})`
    let actual: readonly Row[]
    try {
      actual = await lake.rows(metadata, snapshot)
    } catch (error) {
      this.#deleted(`${name}: ${String(error)}`)
      return
    }
    const difference = compareRows(this.#rowsOf(table, snapshot['snapshot-id']), actual)
    for (const kind of ['lost', 'doubled', 'resurrected'] as const) {
      for (const row of difference[kind]) this.#problem(kind, `${name}: ${row} is ${kind}`)
    }
  }

  /** A job's tag never moves and never goes. */
  #checkTags(table: string, before: TableMetadata, after: TableMetadata): void {
    for (const [name, ref] of Object.entries(before.refs)) {
      if (!name.startsWith('job-') || after.refs[name]?.['snapshot-id'] === ref['snapshot-id']) continue
      this.#problem('lost', `${table}: tag ${name} moved or went`)
    }
    const head = headOf(after)
    const current = after['current-snapshot-id']
    if (head !== undefined && head['snapshot-id'] !== current) {
      this.#problem('lost', `${table}: main and current-snapshot-id differ`)
    }
  }

  async #metadataAt(location: string): Promise<TableMetadata> {
    const known = this.#read.get(location)
    const metadata = known ?? parseTableMetadata(await this.#open().io.read(location))
    this.#read.set(location, metadata)
    return metadata
  }

  #deleted(location: string): void {
    this.#problem('deletedLive', `${location} is needed but gone`)
  }

  #problem(kind: 'lost' | 'doubled' | 'deletedLive' | 'resurrected', text: string): void {
    this.verdict[kind] += 1
    this.verdict.problems.push(text)
  }

  #open(): Lake {
    if (this.#lake === undefined) throw new Error('no lake yet')
    return this.#lake
  }
}

function keyOf(table: string, id: SnapshotId): string {
  return `${table}/${String(id)}`
}
