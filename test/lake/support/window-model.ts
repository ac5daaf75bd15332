import { planScan } from '../../../iceberg/scan/plan-scan.js'
import { ancestorsOf, headOf } from '../../../iceberg/spec/refs.js'
import type { TableMetadata } from '../../../iceberg/spec/table-metadata.js'
import { expireSnapshots } from '../../../iceberg/maintain/expire.js'
import { compactTable } from '../../../iceberg/maintain/compact.js'
import { refreshWindows } from '../../../lake/windows/refresh-windows.js'
import type { LakeDeps } from '../../../schemas/lake-deps.js'
import type { Pipeline } from '../../../schemas/pipeline.js'
import { landEvents, type LandedEvent } from './landed-events.js'
import { testLake, type TestLake } from './lake.js'
import { setHead } from './set-head.js'

export const MINUTE = 60_000
/** Near midnight, so that windows lie in two partitions. */
export const T0 = Date.UTC(2026, 5, 28, 23, 50)

const WINDOWS = {
  per_user: { sizeMs: 5 * MINUTE, latenessMs: 10 * MINUTE },
  visits: { sizeMs: 60 * MINUTE, latenessMs: 0 },
}
export type WindowName = keyof typeof WINDOWS
export const WINDOW_TABLES = Object.keys(WINDOWS) as readonly WindowName[]

/** Two window tables of one source, one written in either mode. */
export const shopPipeline: Pipeline = {
  name: 'shop',
  namespace: 'shop_features',
  directory: '/nowhere',
  sources: {
    clicks: { kind: 'json', topic: 'clicks', schema: { user: 'string', price: 'long' }, identity: ['user'] },
  },
  tables: {
    per_user: {
      sql: 'per_user.sql',
      schema: { user: 'string!', window_end: 'timestamptz!', clicks: 'long', spent: 'long' },
      key: ['user', 'window_end'],
      partition: ['day(window_end)'],
      write: 'overwrite-partitions',
      window: { size: '5m', lateness: '10m' },
    },
    visits: {
      sql: 'visits.sql',
      schema: { user: 'string!', window_end: 'timestamptz!', clicks: 'long', spent: 'long' },
      key: ['window_end', 'user'],
      partition: ['hour(window_end)'],
      write: 'overwrite-partitions',
      window: { size: '1h', mode: 'merge-on-read' },
    },
  },
  sqlTexts: Object.fromEntries(
    WINDOW_TABLES.map((name) => [
      `${name}.sql`,
      `SELECT "user", _window_end AS window_end, count(*) AS clicks, sum(price) AS spent FROM clicks GROUP BY ALL`,
    ]),
  ),
}

export function click(id: string, user: string, timeMs: number, price = 1): LandedEvent {
  return { id, timeMs, document: { user, price } }
}

/** A lake with two window tables beside what a loop over the landed events says that they hold. */
export class WindowModel {
  readonly lake: TestLake = testLake([shopPipeline])
  readonly deps: LakeDeps = this.lake.deps
  /** Events by ledger row. */
  readonly rows: (readonly LandedEvent[])[] = []
  /** Ledger rows that a rollback has left. */
  ledgerEnd = 0
  private readonly watermarks = new Map<number, number>()
  private readonly seen = new Set<bigint>()
  private batches = 0
  private readonly ledgerHeads: { readonly end: number; readonly snapshotId: bigint }[] = []

  /** Rows that a rollback took away come back first, as they were. */
  async land(parts: readonly (readonly LandedEvent[])[]): Promise<void> {
    const lost = this.rows.slice(this.ledgerEnd)
    for (const landed of [lost, parts]) {
      if (landed.length === 0) continue
      this.ledgerEnd = await landEvents(this.deps, 'clicks', landed)
      const head = headOf((await this.lake.catalog.loadTable({ namespace: 'raw', name: 'clicks' })).metadata)
      if (head !== undefined) this.ledgerHeads.push({ end: this.ledgerEnd, snapshotId: head['snapshot-id'] })
    }
    this.rows.push(...parts)
  }

  async rollBackLedger(steps: number): Promise<void> {
    const heads = this.ledgerHeads.filter(({ end }) => end < this.ledgerEnd)
    const to = heads.at(-steps)
    if (to === undefined) return
    await setHead(this.deps.catalog, 'raw.clicks', to.snapshotId)
    this.ledgerEnd = to.end
  }

  nextBatch(): string {
    const instant = new Date(Date.UTC(2026, 6, 1) + ++this.batches * 30_000)
    return `${instant.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
  }

  async refresh(watermarkMs?: number, options: { deps?: LakeDeps; batch?: string } = {}) {
    const { deps = this.deps, batch = this.nextBatch() } = options
    const watermark = watermarkMs === undefined ? {} : { watermarkMs }
    return await refreshWindows(deps, { pipeline: 'shop', batch, ...watermark })
  }

  async compact(name: WindowName | 'ledger'): Promise<void> {
    const identifier = identifierOf(name)
    const { catalog, rewriter, now, newUuid, newSnapshotId } = this.deps
    const common = { catalog, identifier, rewriter, now, newUuid, newSnapshotId }
    await compactTable({ ...common, isClosed: () => true, rewriteAll: true })
  }

  async rollBack(name: WindowName, steps: number): Promise<void> {
    const metadata = await this.metadataOf(name)
    const head = headOf(metadata)
    if (head === undefined) return
    const target = [...ancestorsOf(metadata, head['snapshot-id'])][steps]
    if (target === undefined) return
    await setHead(this.deps.catalog, `shop_features.${name}`, target['snapshot-id'])
  }

  /** Only the heads stay. */
  async expire(): Promise<void> {
    const { catalog } = this.deps
    for (const name of WINDOW_TABLES) {
      await expireSnapshots({
        catalog,
        identifier: identifierOf(name),
        nowMs: this.deps.now(),
        maxSnapshotAgeMs: 0,
        minSnapshotsToKeep: 1,
      })
    }
  }

  async metadataOf(name: WindowName): Promise<TableMetadata> {
    return (await this.lake.catalog.loadTable(identifierOf(name))).metadata
  }

  /** Reads every snapshot that was not looked at before; gives back what is wrong with it. */
  async strangeSnapshots(): Promise<readonly string[]> {
    const wrong: string[] = []
    await this.noteWatermarks()
    for (const name of WINDOW_TABLES) {
      const metadata = await this.metadataOf(name)
      for (const snapshot of metadata.snapshots) {
        const id = snapshot['snapshot-id']
        if (this.seen.has(id)) continue
        this.seen.add(id)
        const from = [...ancestorsOf(metadata, id)].find(({ summary }) => summary?.operation !== 'replace')
        const end = Number(from?.summary?.['firn.window-row-end'] ?? NaN)
        if (Number.isNaN(end)) continue
        const [is, shall] = [await this.read(name, id), this.expected(name, end)]
        if (JSON.stringify(is) !== JSON.stringify(shall)) {
          wrong.push(
            `${name} at row ${end}, ${snapshot.summary?.operation}: ${is.join(', ')} instead of ${shall.join(', ')}`,
          )
        }
      }
    }
    return wrong
  }

  async read(name: WindowName, snapshotId?: bigint): Promise<readonly string[]> {
    const metadata = await this.metadataOf(name)
    const target = snapshotId === undefined ? {} : { target: { kind: 'snapshot' as const, snapshotId } }
    const { schema, tasks } = await planScan({ metadata, io: this.lake.catalog.io, ...target })
    const session = await this.deps.engine.openSession()
    try {
      await session.addRelation({ kind: 'scan', name: 'w', schema, tasks, metadata })
      const { rows } = await session.query(
        `SELECT concat_ws(' ', "user", (epoch_ms(window_end) - ${T0}) // ${MINUTE}, clicks, spent) AS row FROM w ORDER BY row`,
      )
      return rows.map((row) => row['row'] as string)
    } finally {
      await session.close()
    }
  }

  /** The rule, as a loop. */
  expected(name: WindowName, rowEnd: number): readonly string[] {
    const { sizeMs, latenessMs } = WINDOWS[name]
    const counted = new Set<string>()
    const windows = new Map<string, { clicks: number; spent: number }>()
    for (const [row, events] of this.rows.slice(0, rowEnd).entries()) {
      const watermarkMs = Math.max(
        -Infinity,
        ...[...this.watermarks].filter(([end]) => end <= row).map(([, ms]) => ms),
      )
      for (const { id, timeMs, document } of events) {
        const endMs = Math.floor(timeMs / sizeMs) * sizeMs + sizeMs
        if (endMs + latenessMs <= watermarkMs || counted.has(`${endMs} ${id}`)) continue
        counted.add(`${endMs} ${id}`)
        const key = `${String(document['user'])} ${(endMs - T0) / MINUTE}`
        const window = windows.get(key) ?? { clicks: 0, spent: 0 }
        windows.set(key, { clicks: window.clicks + 1, spent: window.spent + Number(document['price']) })
      }
    }
    return [...windows].map(([key, { clicks, spent }]) => `${key} ${clicks} ${spent}`).sort()
  }

  /** The watermarks that snapshots tell by now; to be called before they expire. */
  async noteWatermarks(): Promise<void> {
    for (const name of WINDOW_TABLES) {
      for (const { summary } of (await this.metadataOf(name)).snapshots) {
        const end = Number(summary?.['firn.window-row-end'] ?? NaN)
        const watermark = Number(summary?.['firn.window-watermark-ms'] ?? NaN)
        if (watermark > (this.watermarks.get(end) ?? -Infinity)) this.watermarks.set(end, watermark)
      }
    }
  }
}

function identifierOf(name: WindowName | 'ledger') {
  return name === 'ledger' ? { namespace: 'raw', name: 'clicks' } : { namespace: 'shop_features', name }
}
