import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDuckDBEngine } from '../../engine/duckdb/duckdb-engine.js'
import { createRewriter } from '../../engine/duckdb/rewriter.js'
import { openSqliteCatalog } from '../../iceberg/catalog/sqlite.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import type { Random } from '../random.js'
import { Crash, crashing, CrashPoint } from '../crash-point.js'
import { DatedFiles } from './dated-files.js'
import type { Order } from './shop.js'

const DAY_MS = 86_400_000
/** Tries of one step after which its faults are over. */
const FAULTS_MAX = 5
/** Calls at which a process may die. */
const CALLS = new Set([
  ...['read', 'write', 'createIfAbsent', 'upload', 'stat', 'delete'],
  ...['loadTable', 'loadTables', 'commit', 'createTable', 'createNamespace'],
])

/** A real catalog and real files, with a clock of its own, whose process can die at any call. */
export class NightsLake {
  readonly folder = mkdtempSync(join(tmpdir(), 'firn-soak-nights-'))
  readonly inbox = join(this.folder, 'inbox')
  readonly warehouse = join(this.folder, 'warehouse')
  readonly crash = new CrashPoint()
  readonly files = new DatedFiles(this.warehouse, () => this.nowMs)
  nowMs: number
  faults = 0
  deps: LakeDeps
  private ids = 0

  constructor(
    startMs: number,
    pipeline: Pipeline,
    private readonly random: Random,
  ) {
    this.nowMs = startMs
    mkdirSync(this.inbox)
    mkdirSync(this.warehouse)
    const now = (): number => ++this.nowMs
    const newUuid = (): string => uuidOf(++this.ids)
    const io = crashing(this.files.around(new LocalFileIO({ durability: 'none' })), this.crash, CALLS)
    const warehouse = `file://${this.warehouse}`
    const path = join(this.folder, 'catalog.db')
    const catalog = crashing(
      openSqliteCatalog({ path, name: 'firn', warehouse, io, now, newUuid }),
      this.crash,
      CALLS,
    )
    const engine = createDuckDBEngine({ tempDirectory: join(this.folder, 'tmp'), io, threads: 1 })
    this.deps = {
      ...{ catalog, engine, rewriter: createRewriter(engine), warehouse, now, newUuid },
      pipelines: new Map([[pipeline.name, pipeline]]),
      newSnapshotId: () => toSnapshotId(4_000_000_000_000_000_000n + BigInt(++this.ids)),
      settings: {
        stagingLeaseMs: 7 * DAY_MS,
        tagRetentionMs: 400 * DAY_MS,
        tagThinAfterMs: 7 * DAY_MS,
        snapshotMaxAgeMs: 5 * DAY_MS,
        orphanMinAgeMs: 3 * DAY_MS,
        settleMs: 0,
      },
    }
  }

  define(pipeline: Pipeline): void {
    this.deps = { ...this.deps, pipelines: new Map([[pipeline.name, pipeline]]) }
  }

  /** A file of newline JSON, as a producer would leave it. */
  put(name: string, orders: readonly Order[]): void {
    const path = join(this.inbox, name)
    writeFileSync(path, orders.map((order) => `${JSON.stringify(order)}\n`).join(''))
    utimesSync(path, this.nowMs / 1000, this.nowMs / 1000)
  }

  /** Runs a step as an activity is run: where its process dies it is tried again, from its beginning. */
  async survive<T>(step: () => Promise<T>, oneIn: number): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      if (tries <= FAULTS_MAX && this.random.chance(tries === 1 ? oneIn : 2))
        this.crash.set(1 + this.random.below(60), this.random.chance(2) ? 'before' : 'after')
      try {
        return await step()
      } catch (error) {
        if (!isCrash(error)) throw error
      } finally {
        if (this.crash.revive()) this.faults += 1
      }
    }
  }

  close(): void {
    this.deps.catalog.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Errors that wrap what the store or the catalog threw carry it as their cause. */
function isCrash(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof Crash) return true
  return String(error).includes('the process is gone')
}

function uuidOf(n: number): string {
  const hex = createHash('sha256').update(String(n)).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
