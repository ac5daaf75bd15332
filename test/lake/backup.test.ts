import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqliteCatalog } from '../../iceberg/catalog/sqlite.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import { toLocalPath } from '../../iceberg/io/location.js'
import { runBackup } from '../../lake/backup/run-backup.js'
import { runRestore } from '../../lake/backup/run-restore.js'
import { planRestore } from '../../lake/backup/plan-restore.js'
import { FILES, readFiles, readHeader } from '../../lake/backup/backup-format.js'
import { localPlace } from '../../lake/backup/backup-place.js'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import { runSql } from '../../lake/query/sql.js'
import { backedVersions } from '../../ml/registry/backed-versions.js'
import { openModelRegistry } from '../../ml/registry/model-registry.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { LandingAnswer } from '../../schemas/messages.js'
import { MemoryTopics } from '../support/memory-topics.js'
import { auditRows, build, contents, labPipeline, land, planned, stage } from './support/batches.js'
import { Crash, crashingIO, CrashPoint } from './support/crashing.js'
import { testLake, type TestLake } from './support/lake.js'

const NIGHTS = ['20260701T020000Z', '20260702T020000Z', '20260703T020000Z', '20260704T020000Z'] as const
const DOCUMENTS = [
  [{ id: 'a', grp: 'x', values: [1, 2], note: 'hot' }],
  [{ id: 'b', grp: 'y', values: [0.5] }],
  [
    { id: 'c', grp: 'x', values: [5], note: 'cold' },
    { id: 'a', grp: 'x', values: [9] },
  ],
  [{ id: 'd', grp: 'z', values: [7] }],
] as const

/** A lake whose catalog and registry are databases in a folder that can be lost. */
class DiskLake {
  readonly root = mkdtempSync(join(tmpdir(), 'firn-backup-'))
  readonly home = join(this.root, 'home')
  readonly folder = join(this.root, 'backup')
  readonly place = localPlace(this.folder)
  readonly io = new LocalFileIO({ durability: 'none' })
  private readonly template = testLake([labPipeline])
  lake: TestLake = this.open()

  get source() {
    const path = join(this.home, 'registry.db')
    return { catalogPath: join(this.home, 'catalog.db'), registry: { path, read: backedVersions } }
  }

  async night(n: number): Promise<void> {
    await land(this.lake, NIGHTS[n] ?? '', DOCUMENTS[n] ?? [])
    await build(this.lake.deps, NIGHTS[n] ?? '')
  }

  async backUp(data: boolean) {
    return await runBackup(this.lake.deps, this.source, { place: this.place, data })
  }

  async restore(force = false, io: FileIO = this.io) {
    const { catalogPath, registry } = this.source
    const { now } = this.lake.deps
    const open = () => this.openCatalog()
    const target = {
      io,
      warehouse: this.lake.deps.warehouse,
      catalogPath,
      registryPath: registry.path,
      open,
      now,
    }
    return await runRestore(target, { place: this.place, force })
  }

  reopen(): void {
    this.lake = this.open()
  }

  close(): void {
    this.lake.catalog.close()
    this.template.close()
    rmSync(this.root, { recursive: true, force: true })
  }

  private openCatalog() {
    const { now, newUuid } = this.template.deps
    const warehouse = `file://${this.home}/warehouse`
    return openSqliteCatalog({
      path: join(this.home, 'catalog.db'),
      name: 'firn',
      warehouse,
      io: this.io,
      now,
      newUuid,
    })
  }

  private open(): TestLake {
    mkdirSync(this.home, { recursive: true })
    openModelRegistry({ path: join(this.home, 'registry.db') }).close()
    const catalog = this.openCatalog()
    const deps: LakeDeps = { ...this.template.deps, catalog, warehouse: `file://${this.home}/warehouse` }
    const rows: TestLake['rows'] = async (table, orderBy) =>
      (
        await runSql(deps, {
          sql: `SELECT * FROM ${table}${orderBy === undefined ? '' : ` ORDER BY ${orderBy}`}`,
        })
      ).rows
    return { ...this.template, catalog, deps, rows }
  }
}

let disk: DiskLake
let undisturbed: Record<string, unknown>
beforeEach(async () => {
  disk = new DiskLake()
  await disk.night(0)
  await disk.night(1)
})
afterEach(() => disk.close())

describe('a lake that is restored', { timeout: 120_000 }, () => {
  it('goes on with the rows of one that was never lost: nothing lost, nothing doubled', async () => {
    const header = await disk.backUp(true)
    expect(header.positions).toMatchObject([{ source: 'runs', nextRow: 2 }])
    // A second backup into the folder copies what is new alone.
    const copies = () => readdirSync(join(disk.folder, 'data'), { recursive: true }).length
    const before = copies()
    await disk.backUp(true)
    expect(copies()).toBe(before)
    await disk.night(2)
    await disk.night(3)
    undisturbed = await contents(disk.lake)
    disk.lake.catalog.close()
    rmSync(disk.home, { recursive: true })
    const plan = await disk.restore()
    expect(plan).toMatchObject({ present: 0, missing: [] })
    expect(plan.broughtBack.length).toBe(header.files)
    disk.reopen()
    expect(await disk.lake.rows('lab_features.results')).toHaveLength(2)
    // All documents are in the inbox still: the first landing takes those of both lost nights.
    await land(disk.lake, NIGHTS[2], [])
    await build(disk.lake.deps, NIGHTS[2])
    expect(withoutBatch(await contents(disk.lake))).toEqual(withoutBatch(undisturbed))
    expect(await auditRows(disk.lake)).toHaveLength(3)
    expect(await disk.lake.rows('raw.runs')).toHaveLength(5)
  })

  it('is whole also where a night ran while it was backed up, and where the restore was killed on its way', async () => {
    await Promise.all([disk.backUp(true), disk.night(2)])
    await disk.night(3)
    undisturbed = await contents(disk.lake)
    disk.lake.catalog.close()
    rmSync(disk.home, { recursive: true })
    const point = new CrashPoint()
    const io = crashingIO(disk.io, point)
    point.set(Infinity, 'after')
    const { calls } = await planRestore(io, disk.place).then(() => point)
    for (const at of [calls + 1, calls + 25, calls + 12]) {
      point.set(at, 'after')
      await expect(disk.restore(false, io)).rejects.toThrow(Crash)
      expect(existsSync(join(disk.home, 'catalog.db'))).toBe(false)
    }
    await disk.restore()
    disk.reopen()
    await land(disk.lake, NIGHTS[3], [])
    await build(disk.lake.deps, NIGHTS[3])
    expect(withoutBatch(await contents(disk.lake))).toEqual(withoutBatch(undisturbed))
    expect(await disk.lake.rows('raw.runs')).toHaveLength(5)
  })

  it('needs its databases alone where the store is there, and forgets what the lost lake had begun', async () => {
    await disk.backUp(false)
    // The lost lake goes on, lands a night and stages it.
    await land(disk.lake, NIGHTS[2], DOCUMENTS[2])
    await stage(disk.lake.deps, await planned(disk.lake.deps, NIGHTS[2]))
    disk.lake.catalog.close()
    for (const suffix of ['', '-wal', '-shm']) rmSync(join(disk.home, `catalog.db${suffix}`), { force: true })
    expect(await disk.restore()).toMatchObject({ broughtBack: [], missing: [] })
    disk.reopen()
    // The same batch reads other records under the same row numbers: what was staged for it must not be taken.
    const { inbox } = disk.lake
    const lost = readdirSync(inbox).filter((name) => readFileSync(join(inbox, name), 'utf8').includes('"c"'))
    for (const name of lost) rmSync(join(inbox, name))
    // The object of the lost landing has this very range and other lines: that is said, and never overwritten.
    const blocked = await land(disk.lake, NIGHTS[2], DOCUMENTS[3]).catch((error: unknown) => error)
    expect(blocked).toMatchObject({ kind: 'raw-differs' })
    rmSync(join(disk.home, 'warehouse', 'raw', 'runs', '2026-07-03'), { recursive: true })
    await land(disk.lake, NIGHTS[2], [])
    expect(await build(disk.lake.deps, NIGHTS[2])).toMatchObject({ inputFrom: 2, inputTo: 4 })
    const points = await disk.lake.rows('lab_features.points', 'value')
    expect(points.map((row) => row['value'])).toEqual([0.5, 1, 2, 7])
  })
})

it('a topic goes on from the ledger of the backup: each record once; what retention took since is told, not skipped', async () => {
  const topics = new MemoryTopics()
  topics.create('lab.runs', 1)
  const send = (...values: readonly (number | 'bad')[]) => {
    for (const value of values) {
      const document = value === 'bad' ? { id: 7 } : { id: `t${value}`, grp: 'x', values: [value] }
      topics.send('lab.runs', 0, document)
    }
  }
  const landTopic = async (accept?: readonly LandingAnswer[]) => {
    const deps = { ...disk.lake.deps, topics }
    const input = { pipeline: 'lab', batch: NIGHTS[2], ...(accept === undefined ? {} : { accept }) }
    const plan = await planLanding(deps, input)
    return await commitLanding(deps, plan, [await fetchLanding(deps, plan)])
  }
  const ledger = () => disk.lake.rows('raw.runs', 'row_number')
  const restoreDatabases = async () => {
    disk.lake.catalog.close()
    await disk.restore(true)
    disk.reopen()
  }
  send(10, 11)
  await landTopic()
  expect((await disk.backUp(false)).positions[0]?.partitions).toContainEqual(
    expect.objectContaining({ partition: 0, next: 2, lastRecord: expect.stringMatching(/^1:/) as string }),
  )
  // The lost lake goes on; the restored one stands before these records, which the topic still has.
  send(12, 'bad', 14)
  await landTopic()
  const landed = await ledger()
  await restoreDatabases()
  expect(await ledger()).toEqual(landed.slice(0, -1))
  expect(await landTopic()).toMatchObject({ records: 2, deadLetters: 1 })
  expect(await landTopic()).toMatchObject({ records: 0 })
  expect(await ledger()).toEqual(landed)
  expect(await disk.lake.rows('raw.dead_letters')).toHaveLength(1)
  await build(disk.lake.deps, NIGHTS[2])
  const points = await disk.lake.rows('lab_features.points', 'value')
  expect(points.map((row) => row['value'])).toEqual([0.5, 1, 2, 10, 11, 12, 14])

  await restoreDatabases()
  topics.truncate('lab.runs', 0, 4)
  await expect(landTopic()).rejects.toMatchObject({
    kind: 'offsets-lost',
    message: expect.stringMatching(/partition 0: 2 to 3.*--accept lost-offsets/) as string,
  })
  expect(await ledger()).toEqual(landed.slice(0, -1))
  expect(await landTopic(['lost-offsets'])).toMatchObject({ records: 1, lag: 0 })
  expect((await ledger()).map((row) => row['path'])).toContain('gap:retention')
}, 120_000)

describe('a restore is refused', { timeout: 60_000 }, () => {
  it('where there is a lake, or it is in use; with --force the old databases are kept', async () => {
    await disk.backUp(false)
    await disk.night(2)
    await expect(disk.restore(true)).rejects.toThrow('is in use')
    disk.lake.catalog.close()
    await expect(disk.restore()).rejects.toThrow('there is a lake already')
    await disk.restore(true)
    expect(readdirSync(disk.home).filter((name) => name.includes('.before-restore-'))).toHaveLength(2)
    disk.reopen()
    expect(await disk.lake.rows('lab_features.results')).toHaveLength(2)
  })

  it('where files are lost: it names the tables, and restores the rest with --force', async () => {
    await disk.backUp(false)
    disk.lake.catalog.close()
    rmSync(join(disk.home, 'catalog.db'))
    const lost: string[] = []
    for await (const file of readFiles(join(disk.folder, FILES))) {
      if (file.owner === 'lab_features.notes' && file.location.endsWith('.parquet')) lost.push(file.location)
    }
    for (const location of lost) rmSync(toLocalPath(location))
    await expect(disk.restore()).rejects.toThrow(
      `${lost.length} files that the lake needs are neither in the store nor in the backup: lab_features.notes`,
    )
    expect(existsSync(join(disk.home, 'catalog.db'))).toBe(false)
    await disk.restore(true)
    disk.reopen()
    expect(await disk.lake.rows('lab_features.results')).toHaveLength(2)
  })

  it('from what is no backup, of another warehouse, or with a damaged copy', async () => {
    await expect(planRestore(disk.io, localPlace(join(disk.root, 'nowhere')))).rejects.toThrow('is no backup')
    await disk.backUp(true)
    const header = await readHeader(disk.place)
    const write = (changes: object) =>
      writeFileSync(join(disk.folder, 'backup.json'), JSON.stringify({ ...header, ...changes }))
    disk.lake.catalog.close()
    rmSync(disk.home, { recursive: true })
    write({ warehouse: 's3://elsewhere/lake' })
    await expect(disk.restore()).rejects.toThrow('set FIRN_WAREHOUSE=s3://elsewhere/lake')
    write({ catalog: { kind: 'rest', uri: 'https://catalog.example' } })
    await expect(disk.restore()).rejects.toThrow("the server's at https://catalog.example")
    write({})
    const raw = (await planRestore(disk.io, disk.place)).broughtBack.find(
      ({ sha256 }) => sha256 !== undefined,
    )
    const copy = readdirSync(join(disk.folder, 'data'), { recursive: true, encoding: 'utf8' }).find((name) =>
      name.endsWith(raw?.location.split('/').at(-1) ?? '?'),
    )
    writeFileSync(join(disk.folder, 'data', copy ?? ''), Buffer.alloc(raw?.bytes ?? 0))
    await expect(disk.restore()).rejects.toThrow('is damaged: its SHA-256')
    expect(existsSync(join(disk.home, 'catalog.db'))).toBe(false)
  })
})

it('a backup is taken again where a version was deleted while its databases were copied', async () => {
  const { registry, ...rest } = disk.source
  let reads = 0
  const read = (path: string) => {
    reads += 1
    // The copy has it, the lake itself has it no more; then both are without.
    return { ...registry.read(path), ready: reads === 1 ? ['m/1'] : [] }
  }
  await runBackup(
    disk.lake.deps,
    { ...rest, registry: { ...registry, read } },
    { place: disk.place, data: false },
  )
  expect(reads).toBe(4)
  cpSync(disk.folder, join(disk.root, 'copy'), { recursive: true })
  expect((await readHeader(localPlace(join(disk.root, 'copy')))).tables.map(({ table }) => table)).toContain(
    'raw.runs',
  )
})

function withoutBatch(tables: Record<string, unknown>): unknown {
  return JSON.parse(
    JSON.stringify(tables, (key, value: unknown) =>
      key.startsWith('processing_') || key === 'first_run'
        ? undefined
        : typeof value === 'bigint'
          ? String(value)
          : value,
    ),
  )
}
