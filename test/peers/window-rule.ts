import { gunzipSync } from 'node:zlib'
import { ifFound } from '../../iceberg/error.js'
import { readLedger } from '../../lake/land/ledger.js'
import { runSql } from '../../lake/query/sql.js'
import type { PaymentEvent } from '../../pipelines/churn/simulate.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { ledgerIdentifier } from '../../schemas/lake-tables.js'

const TABLE = { namespace: 'ml_features', name: 'realtime_user_features' }
const SIZE_MS = 300_000
const LATENESS_MS = 600_000

export interface LandedPayment extends PaymentEvent {
  readonly row: number
  readonly timeMs: number
}

/** Every record of the ledger in its order, as its raw objects hold it. */
export async function landedPayments(deps: LakeDeps): Promise<readonly LandedPayment[]> {
  const ledger = await deps.catalog.loadTable(ledgerIdentifier('payment_events'))
  const rows = await readLedger(deps, ledger, { rowFrom: 0, rowEnd: Number.MAX_SAFE_INTEGER })
  const landed: LandedPayment[] = []
  for (const { path, rowNumber, records } of rows) {
    if (records === 0) continue
    const lines = gunzipSync(await deps.catalog.io.read(path))
      .toString()
      .trimEnd()
      .split('\n')
    for (const line of lines) {
      const event = JSON.parse((JSON.parse(line) as { payload: string }).payload) as PaymentEvent
      landed.push({ ...event, row: rowNumber, timeMs: new Date(event.event_time).getTime() })
    }
  }
  return landed
}

interface SeenSnapshot {
  readonly id: bigint
  readonly operation: string
  readonly rowEnd: number
  readonly rows: readonly string[]
}

/** Looks at the window table while a stream writes it: the rows of each snapshot, and the watermarks that were recorded. */
export class WindowWatch {
  readonly snapshots: SeenSnapshot[] = []
  private readonly watermarks = new Map<number, number>()
  private readonly seen = new Set<bigint>()

  constructor(private readonly deps: LakeDeps) {}

  async look(): Promise<void> {
    const table = await ifFound(this.deps.catalog.loadTable(TABLE))
    for (const { 'snapshot-id': id, summary } of table?.metadata.snapshots ?? []) {
      if (this.seen.has(id)) continue
      const rowEnd = Number(summary?.['firn.window-row-end'])
      const watermark = Number(summary?.['firn.window-watermark-ms'] ?? NaN)
      if (watermark > (this.watermarks.get(rowEnd) ?? -Infinity)) this.watermarks.set(rowEnd, watermark)
      const rows = await this.read(id)
      this.seen.add(id)
      this.snapshots.push({ id, rowEnd, rows, operation: summary?.operation ?? '' })
    }
  }

  /** The rule of docs/streaming.md, as a loop over the landed records. */
  expected(landed: readonly LandedPayment[], rowEnd: number): readonly string[] {
    return windowRows(landed.filter(({ row }) => row < rowEnd).filter((one) => !this.isLate(one)))
  }

  /** Of all recorded watermarks. */
  isLate({ row, timeMs }: LandedPayment): boolean {
    const judges = [...this.watermarks].filter(([end]) => end <= row).map(([, ms]) => ms)
    return windowEnd(timeMs) + LATENESS_MS <= Math.max(-Infinity, ...judges)
  }

  private async read(id: bigint): Promise<readonly string[]> {
    const sql = `SELECT concat_ws(' ', user_token, epoch_ms(window_end), txn_count_5min, total_amount_5min,
      unique_merchants_5min) AS text FROM ml_features.realtime_user_features`
    const { rows } = await runSql(this.deps, { sql, at: String(id), limit: 1_000_000 })
    return rows.map(({ text }) => text as string).sort()
  }
}

function windowEnd(timeMs: number): number {
  return Math.floor(timeMs / SIZE_MS) * SIZE_MS + SIZE_MS
}

function windowRows(payments: readonly LandedPayment[]): readonly string[] {
  const windows = new Map<string, { ids: Set<string>; cents: number; merchants: Set<string> }>()
  for (const { txn_id, user_token, amount, merchant_id, timeMs } of payments) {
    const key = `${user_token} ${windowEnd(timeMs)}`
    const window = windows.get(key) ?? { ids: new Set(), cents: 0, merchants: new Set() }
    windows.set(key, window)
    if (window.ids.has(txn_id)) continue
    window.ids.add(txn_id)
    window.cents += Math.round(Number(amount) * 100)
    window.merchants.add(merchant_id)
  }
  return [...windows]
    .map(
      ([key, { ids, cents, merchants }]) =>
        `${key} ${ids.size} ${(cents / 100).toFixed(2)} ${merchants.size}`,
    )
    .sort()
}
