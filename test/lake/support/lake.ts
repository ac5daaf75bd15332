import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createDuckDBEngine } from '../../../engine/duckdb/duckdb-engine.js'
import { createRewriter } from '../../../engine/duckdb/rewriter.js'
import type { Row } from '../../../engine/engine.js'
import type { Catalog, TableIdentifier } from '../../../iceberg/catalog/catalog.js'
import { parseIdentifier } from '../../../iceberg/catalog/catalog.js'
import { MemoryCatalog } from '../../../iceberg/catalog/memory.js'
import { LocalFileIO } from '../../../iceberg/io/local.js'
import { planScan } from '../../../iceberg/scan/plan-scan.js'
import { toSnapshotId } from '../../../iceberg/spec/snapshot.js'
import type { LakeDeps } from '../../../schemas/lake-deps.js'
import type { Pipeline } from '../../../schemas/pipeline.js'
import { CrashPoint, crashingCatalog, crashingIO } from './crashing.js'

export interface TestLake {
  readonly deps: LakeDeps
  readonly crash: CrashPoint
  /** Folder that documents are put into. */
  readonly inbox: string
  readonly catalog: Catalog
  /** Writes a document (or text) with a fixed time of change. */
  put(path: string, document: unknown, mtimeMs?: number): void
  rows(table: string, orderBy?: string): Promise<readonly Row[]>
  close(): void
}

const BORN = Date.UTC(2026, 6, 1)

/** A lake in a folder of its own: files on disk, the catalog in memory, ids and clock counted, every call able to crash. */
export function testLake(pipelines: readonly Pipeline[]): TestLake {
  const root = mkdtempSync(join(tmpdir(), 'firn-lake-'))
  const inbox = join(root, 'inbox')
  mkdirSync(inbox)
  const crash = new CrashPoint()
  const io = crashingIO(new LocalFileIO({ durability: 'none' }), crash)
  let ids = 0
  let clock = BORN
  const now = (): number => ++clock
  const newUuid = (): string => uuidOf(++ids)
  const warehouse = `file://${root}/warehouse`
  const inner = new MemoryCatalog({ name: 'firn', warehouse, io, now, newUuid })
  const catalog = crashingCatalog(inner, crash)
  // Tables of a few rows give a second thread nothing to do but to wait.
  const engine = createDuckDBEngine({ tempDirectory: join(root, 'tmp'), threads: 1 })
  const deps: LakeDeps = {
    ...{ catalog, engine, rewriter: createRewriter(engine), warehouse, now, newUuid },
    pipelines: new Map(pipelines.map((pipeline) => [pipeline.name, pipeline])),
    newSnapshotId: () => toSnapshotId(7_000_000_000_000_000_000n + BigInt(++ids)),
    settings: {
      stagingLeaseMs: 7 * 86_400_000,
      tagRetentionMs: 400 * 86_400_000,
      tagThinAfterMs: 7 * 86_400_000,
      snapshotMaxAgeMs: 5 * 86_400_000,
      orphanMinAgeMs: 3 * 86_400_000,
      settleMs: 0,
    },
  }
  return {
    ...{ deps, crash, inbox, catalog: inner },
    put(path, document, mtimeMs = BORN) {
      const file = join(inbox, path)
      mkdirSync(dirname(file), { recursive: true })
      const isBytes = document instanceof Uint8Array || typeof document === 'string'
      writeFileSync(file, isBytes ? document : JSON.stringify(document))
      utimesSync(file, mtimeMs / 1000, mtimeMs / 1000)
    },
    rows: async (table, orderBy) => await rowsOf(deps, inner, parseIdentifier(table), orderBy),
    close() {
      inner.close()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

async function rowsOf(
  deps: LakeDeps,
  catalog: Catalog,
  identifier: TableIdentifier,
  orderBy?: string,
): Promise<readonly Row[]> {
  const { metadata } = await catalog.loadTable(identifier)
  const { schema, tasks } = await planScan({ metadata, io: catalog.io })
  const session = await deps.engine.openSession()
  try {
    await session.addRelation({ kind: 'scan', name: 'rows_of', schema, tasks })
    const order = orderBy === undefined ? '' : ` ORDER BY ${orderBy}`
    return (await session.query(`SELECT * FROM rows_of${order}`)).rows
  } finally {
    await session.close()
  }
}

function uuidOf(n: number): string {
  const hex = createHash('sha256').update(String(n)).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
