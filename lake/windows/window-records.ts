import type { EngineSession } from '../../engine/engine.js'
import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import { ENVELOPE_COLUMNS } from '../../schemas/lake-tables.js'
import type { SourceDefinition } from '../../schemas/pipeline.js'
import { parseDocumentSchema, parseTableSchema } from '../../schemas/table-schema.js'
import type { LedgerRow } from '../land/ledger.js'
import { readLedger, readOverlapping } from '../land/ledger.js'
import { rawKeptFrom } from '../land/raw-kept-from.js'
import type { LandedRun } from './landed-runs.js'
import { runsOf } from './landed-runs.js'
import { watermarkAt } from './plan-refresh.js'
import type { WatermarkStep } from './window-marker.js'

/** What tables share that are as far as each other and have the same windows. */
export interface WindowGroup {
  readonly source: string
  readonly definition: SourceDefinition
  readonly ledger: LoadedTable
  readonly rowFrom: number
  readonly rowEnd: number
  readonly steps: readonly WatermarkStep[]
  readonly sizeMs: number
  readonly latenessMs: number
}

/** A session in which the source's name means all records of the windows that new records fall in. */
export interface WindowRecords {
  readonly session: EngineSession
  /** Ends of these windows, ms since 1970, rising. */
  readonly windowEndsMs: readonly number[]
  /** New records of closed windows, and those that have no time at all. */
  readonly late: number
}

/** Tables of the session that are no relation of the user's SQL. */
const ARRIVED = '_firn_arrived'
const EARLIER = '_firn_earlier'
const RUNS = '_firn_runs'
const AFFECTED = '_firn_affected'

/**
 * Reads the new rows of the ledger, finds the open windows that they fall in, and reads what else was landed for these. Of
 * records with one id in one window the first landed counts. The caller closes the session.
 */
export async function openWindowRecords(
  deps: LakeDeps,
  group: WindowGroup,
  control: RunControl,
): Promise<WindowRecords> {
  const { signal } = control
  const session = await deps.engine.openSession(signal === undefined ? {} : { signal })
  try {
    const { ledger, rowFrom, rowEnd } = group
    const keptFrom = rawKeptFrom(ledger)
    const rows = await readLedger(deps, ledger, { rowFrom: Math.max(rowFrom, keptFrom), rowEnd })
    const mayCount = rows.filter((row) => mayBeOpen(group, row))
    const lateRows = rows.filter((row) => !mayBeOpen(group, row))
    await addArrived(session, group, mayCount)
    const arrived = await arrivedWindows(session, group)
    const whole = await wholeWindows(deps, group, arrived.open, keptFrom)
    const startsMs = whole.map((window) => window.startMs)
    const partial = arrived.open.filter((window) => !whole.includes(window))
    const late = arrived.late + sumOf(lateRows) + sumOf(partial)
    control.onProgress?.(
      `${group.source}: rows ${rowFrom} to ${rowEnd}, ${startsMs.length} windows, ${late} late`,
    )
    if (startsMs.length > 0) await addWindows(deps, session, group, startsMs)
    return { session, late, windowEndsMs: startsMs.map((startMs) => startMs + group.sizeMs) }
  } catch (error) {
    await session.close()
    throw error
  }
}

/** Whether any record of the row may fall in a window that is open to it. */
function mayBeOpen({ steps, sizeMs, latenessMs }: WindowGroup, row: LedgerRow): boolean {
  if (row.maxEventTimeMs === undefined) return false
  const watermarkMs = watermarkAt(steps, row.rowNumber)
  const endMs = Math.floor(row.maxEventTimeMs / sizeMs) * sizeMs + sizeMs
  return watermarkMs === undefined || endMs + latenessMs > watermarkMs
}

async function addArrived(
  session: EngineSession,
  group: WindowGroup,
  rows: readonly LedgerRow[],
): Promise<void> {
  const runs = runsOf(rows, (rowNumber) => watermarkAt(group.steps, rowNumber))
  await session.addRelation({
    kind: 'rows',
    name: RUNS,
    schema: parseTableSchema({ mark: 'long!', watermark_us: 'long' }),
    rows: runs.map(({ mark, watermarkMs }) => ({
      mark: BigInt(mark),
      watermark_us: watermarkMs === undefined ? null : BigInt(watermarkMs) * 1000n,
    })),
  })
  await addRaw(session, `${ARRIVED}_raw`, group, runs)
  const { sizeMs, latenessMs } = group
  const spanUs = (sizeMs + latenessMs) * 1000
  await session.addRelation({
    kind: 'query',
    name: ARRIVED,
    sql: `SELECT * EXCLUDE (watermark_us),
            _firn_start IS NOT NULL AND (watermark_us IS NULL OR _firn_start + ${spanUs} > watermark_us) AS _firn_open
          FROM (
            SELECT r.*, ${startSql(sizeMs)} AS _firn_start, n.watermark_us
            FROM ${ARRIVED}_raw r JOIN ${RUNS} n ON n.mark = r._mark
          )`,
  })
}

/** The start of a record's window in µs since 1970; floored, also before 1970. */
function startSql(sizeMs: number): string {
  const us = 'epoch_us(_timestamp)'
  const size = sizeMs * 1000
  return `${us} - ((${us} % ${size} + ${size}) % ${size})`
}

interface ArrivedWindow {
  readonly startMs: number
  /** New ones. */
  readonly records: number
}

async function arrivedWindows(
  session: EngineSession,
  { sizeMs }: WindowGroup,
): Promise<{ readonly open: readonly ArrivedWindow[]; readonly late: number }> {
  const { rows } = await session.query(
    `SELECT (_firn_start // 1000)::DOUBLE AS start_ms, _firn_open AS is_open, count(*)::DOUBLE AS records
     FROM ${ARRIVED} GROUP BY ALL ORDER BY 1`,
    { limit: MOST_WINDOWS },
  )
  const windows = rows.map((row) => ({
    isOpen: row['is_open'] === true,
    // Whole multiples of the size: `//` cuts nothing off.
    startMs: Math.round(Number(row['start_ms']) / sizeMs) * sizeMs,
    records: Number(row['records']),
  }))
  return {
    open: windows.filter((window) => window.isOpen),
    late: sumOf(windows.filter((window) => !window.isOpen)),
  }
}

function sumOf(parts: readonly { readonly records: number }[]): number {
  return parts.reduce((sum, { records }) => sum + records, 0)
}

/**
 * A window whose raw objects retention has begun to remove stays as it is: it could be computed from a part of its records
 * only. Retention spares open windows, so this is one of a table that begins anew, or whose lateness was raised.
 */
async function wholeWindows(
  deps: LakeDeps,
  { ledger, sizeMs }: WindowGroup,
  windows: readonly ArrivedWindow[],
  keptFrom: number,
): Promise<readonly ArrivedWindow[]> {
  if (keptFrom === 0 || windows.length === 0) return windows
  const fromMs = windows[0]?.startMs ?? 0
  const endMs = (windows.at(-1)?.startMs ?? 0) + sizeMs
  const removed = await readOverlapping(deps, ledger, { rowEnd: keptFrom, fromMs, endMs })
  return windows.filter(({ startMs }) => !removed.some((row) => overlaps(row, startMs, sizeMs)))
}

function overlaps(
  { minEventTimeMs: minMs, maxEventTimeMs: maxMs }: LedgerRow,
  startMs: number,
  sizeMs: number,
): boolean {
  return minMs !== undefined && maxMs !== undefined && maxMs >= startMs && minMs < startMs + sizeMs
}

const MOST_WINDOWS = 10_000_000

/** The relation that the tables' SQL calls by the source's name. */
async function addWindows(
  deps: LakeDeps,
  session: EngineSession,
  group: WindowGroup,
  startsMs: readonly number[],
): Promise<void> {
  const { source, sizeMs, rowFrom } = group
  const rows = startsMs.map((startMs) => ({ start: BigInt(startMs) * 1000n }))
  await session.addRelation({
    kind: 'rows',
    name: AFFECTED,
    schema: parseTableSchema({ start: 'long!' }),
    rows,
  })
  const earlier = rowFrom === 0 ? [] : await earlierRows(deps, group, startsMs)
  // Earlier records of a window that is open to a later one were open to it themselves: watermarks never fall.
  await addRaw(
    session,
    EARLIER,
    group,
    runsOf(earlier, () => undefined),
  )
  const size = sizeMs * 1000
  await session.addRelation({
    kind: 'query',
    name: source,
    sql: `SELECT * EXCLUDE (_mark, _firn_start), _timestamp AS _event_time,
            make_timestamptz(_firn_start) AS _window_start, make_timestamptz(_firn_start + ${size}) AS _window_end
          FROM (
            SELECT * EXCLUDE (_firn_open) FROM ${ARRIVED} WHERE _firn_open
            UNION ALL
            SELECT *, ${startSql(sizeMs)} AS _firn_start FROM ${EARLIER}
          ) SEMI JOIN ${AFFECTED} ON _firn_start = start
          QUALIFY row_number() OVER (PARTITION BY _firn_start, _record_id ORDER BY _mark, _offset) = 1`,
  })
}

/** Of the ledger only what overlaps these windows; between distant windows rows may lie that overlap none. */
async function earlierRows(
  deps: LakeDeps,
  { ledger, rowFrom, sizeMs }: WindowGroup,
  startsMs: readonly number[],
): Promise<readonly LedgerRow[]> {
  const fromMs = startsMs[0] ?? 0
  const endMs = (startsMs.at(-1) ?? 0) + sizeMs
  const rows = await readOverlapping(deps, ledger, { rowEnd: rowFrom, fromMs, endMs })
  return rows.filter((row) => startsMs.some((startMs) => overlaps(row, startMs, sizeMs)))
}

async function addRaw(
  session: EngineSession,
  name: string,
  { definition }: WindowGroup,
  runs: readonly LandedRun[],
): Promise<void> {
  await session.addRelation({
    kind: 'raw',
    name,
    schema: parseDocumentSchema(definition.schema),
    envelope: parseTableSchema(ENVELOPE_COLUMNS),
    objects: runs.flatMap((run) => run.objects),
    marked: true,
  })
}
