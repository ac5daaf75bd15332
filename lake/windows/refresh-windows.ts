import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import { headOf } from '../../iceberg/spec/refs.js'
import type { TableChange } from '../../iceberg/write/table-change.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type { RefreshedWindows, WindowRefreshInput, WindowRefreshResult } from '../../schemas/messages.js'
import { nextRowNumber } from '../land/ledger.js'
import { publishedPosition } from './published-position.js'
import { computeWindows, type ComputedWindows } from './compute-windows.js'
import { planRefresh, type RefreshPlan } from './plan-refresh.js'
import type { WatermarkStep, WindowPosition } from './window-marker.js'
import { markerSummary, recordedSteps, windowPosition } from './window-marker.js'
import { openWindowRecords } from './window-records.js'
import { openWindows, type WindowedSource, type WindowTable } from './window-table.js'

/** How often a refresh is computed anew where others changed its tables meanwhile. */
const TRIES_MAX = 5

/**
 * Brings all window tables of a source up to the ledger, in one transaction: the open windows that new records fall in are
 * computed whole from the raw objects, and replaced. Run again, killed anywhere or beside another one, the tables end the
 * same: the marker in the metadata that is committed onto must be the one that it started from. Errors: `check-failed` (the
 * SQL's rows are not one a key and window), `rebuild-needed` (others were first time and again), EngineError of the SQL.
 */
export async function refreshWindows(
  deps: LakeDeps,
  input: WindowRefreshInput,
  control: RunControl = {},
): Promise<WindowRefreshResult> {
  for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
    const result = await tryRefresh(deps, input, control)
    if (result !== undefined) return result
  }
  throw new FirnError(
    'rebuild-needed',
    `the window tables of ${input.pipeline} changed ${TRIES_MAX} times while they were refreshed; try again`,
  )
}

interface PositionedTable extends WindowTable {
  readonly position: WindowPosition
}

/** Undefined: somebody else was first. */
async function tryRefresh(
  deps: LakeDeps,
  input: WindowRefreshInput,
  control: RunControl,
): Promise<WindowRefreshResult | undefined> {
  const opened = await openWindows(deps, input)
  const { tables, steps } = await positions(deps, opened)
  const result = { source: opened.source.name, batch: input.batch }
  if (tables.length === 0) return { ...result, status: 'none', rowEnd: 0, tables: [] }
  const isDone = tables.every(({ position }) => batchOf(position) === input.batch)
  const plan = isDone
    ? undefined
    : planRefresh({
        tables,
        steps,
        ledgerEnd: await nextRowNumber(deps, opened.ledger),
        nowMs: deps.now(),
        ...(input.watermarkMs === undefined ? {} : { watermarkMs: input.watermarkMs }),
      })
  if (plan === undefined) return { ...result, ...recorded(tables, input.batch) }
  const computed = await computeAll(deps, opened, { plan, steps }, control)
  return await commit(deps, { ...input, source: opened.source.name }, plan, computed, tables)
}

async function positions(
  deps: LakeDeps,
  { source, audit, tables }: WindowedSource,
): Promise<{ readonly tables: readonly PositionedTable[]; readonly steps: readonly WatermarkStep[] }> {
  const found = tables.map((table) => ({ ...table, position: windowPosition(table.loaded.metadata) }))
  const positioned: PositionedTable[] = []
  for (const table of found) {
    const published =
      table.position.kind === 'lost' ? await publishedPosition(deps, source, audit, table) : undefined
    positioned.push(published === undefined ? table : { ...table, position: published })
  }
  const steps = recordedSteps(tables.map(({ loaded }) => loaded.metadata))
  const markers = positioned.flatMap(({ position }) =>
    position.kind === 'known' && position.marker.watermarkMs !== undefined
      ? [{ rowEnd: position.marker.rowEnd, watermarkMs: position.marker.watermarkMs }]
      : [],
  )
  return { tables: positioned, steps: [...steps, ...markers].sort((a, b) => a.rowEnd - b.rowEnd) }
}

function batchOf(position: WindowPosition): string | undefined {
  return position.kind === 'known' ? position.marker.batch : undefined
}

/** What the refresh of this name did, where it was the last one. */
function recorded(
  tables: readonly PositionedTable[],
  batch: string,
): Pick<WindowRefreshResult, 'status' | 'rowEnd' | 'watermarkMs' | 'tables'> {
  const markers = tables.flatMap(({ position }) => (position.kind === 'known' ? [position.marker] : []))
  const watermarks = markers.flatMap(({ watermarkMs }) => watermarkMs ?? [])
  return {
    status: markers.some((marker) => marker.batch === batch) ? 'refreshed' : 'nothing-new',
    rowEnd: Math.min(...(markers.length < tables.length ? [0] : markers.map(({ rowEnd }) => rowEnd))),
    ...(watermarks.length === 0 ? {} : { watermarkMs: Math.max(...watermarks) }),
    tables: tables.map(({ loaded, position }) => {
      const marker =
        position.kind === 'known' && position.marker.batch === batch ? position.marker : undefined
      return refreshed(loaded, marker ?? { windows: 0, rows: 0, late: 0 })
    }),
  }
}

function refreshed(
  { identifier, metadata }: Pick<LoadedTable, 'identifier' | 'metadata'>,
  { windows, rows, late }: Pick<RefreshedWindows, 'windows' | 'rows' | 'late'>,
): RefreshedWindows {
  const snapshotId = headOf(metadata)?.['snapshot-id'].toString() ?? null
  return { table: formatIdentifier(identifier), windows, rows, late, snapshotId }
}

/** Tables that are as far as each other and have the same windows share what is read. */
async function computeAll(
  deps: LakeDeps,
  { source, ledger, tables }: WindowedSource,
  { plan, steps }: { readonly plan: RefreshPlan; readonly steps: readonly WatermarkStep[] },
  control: RunControl,
): Promise<readonly ComputedWindows[]> {
  const groups = new Map<string, { readonly rowFrom: number; readonly tables: WindowTable[] }>()
  for (const { name, rowFrom } of plan.tables) {
    const table = tables.find((candidate) => candidate.name === name)
    if (table === undefined) continue
    const key = `${rowFrom} ${table.sizeMs} ${table.latenessMs}`
    const group = groups.get(key) ?? { rowFrom, tables: [] }
    groups.set(key, group)
    group.tables.push(table)
  }
  const computed: ComputedWindows[] = []
  for (const { rowFrom, tables: members } of groups.values()) {
    const { sizeMs = 0, latenessMs = 0 } = members[0] ?? {}
    const { name, definition, pipeline } = source
    const group = {
      source: name,
      definition,
      ledger,
      rowFrom,
      rowEnd: plan.rowEnd,
      steps,
      sizeMs,
      latenessMs,
    }
    const records = await openWindowRecords(deps, group, control)
    try {
      for (const table of members) computed.push(await computeWindows(deps, pipeline, table, records))
    } finally {
      await records.session.close()
    }
  }
  return computed
}

async function commit(
  deps: LakeDeps,
  input: WindowRefreshInput & { readonly source: string },
  plan: RefreshPlan,
  computed: readonly ComputedWindows[],
  tables: readonly PositionedTable[],
): Promise<WindowRefreshResult | undefined> {
  const { rowEnd, watermarkMs } = plan
  const { batch, source } = input
  const operationId = deps.newUuid()
  const changes = computed.map(({ table, change, windows, rows, late }): TableChange => {
    const marker = {
      rowEnd,
      batch,
      windows,
      rows,
      late,
      ...(watermarkMs === undefined ? {} : { watermarkMs }),
    }
    return {
      identifier: table.loaded.identifier,
      change,
      snapshotId: deps.newSnapshotId(),
      summary: {
        'firn.operation-id': operationId,
        'firn.pipeline': input.pipeline,
        ...markerSummary(marker),
      },
      // The marker moves on also where every new record was late, or they would be read again and again.
      evenIfEmpty: true,
    }
  })
  const { catalog, now, newUuid } = deps
  try {
    const committed = await commitTransaction<'moved'>({
      ...{ catalog, changes, now, newUuid },
      beforeAttempt: (loaded) => Promise.resolve(isWhereItWas(computed, loaded) ? undefined : 'moved'),
    })
    if (committed.kind === 'ended') return undefined
    const done = committed.tables.map(({ table }, i) => refreshed(table, computed[i] ?? NOTHING))
    const rest = tables.filter(({ name }) => !computed.some(({ table }) => table.name === name))
    return {
      source,
      batch,
      status: 'refreshed',
      rowEnd,
      ...(watermarkMs === undefined ? {} : { watermarkMs }),
      tables: [...done, ...rest.map(({ loaded }) => refreshed(loaded, NOTHING))],
    }
  } catch (error) {
    if (isIcebergError(error, 'rebuild-needed')) return undefined
    throw error
  }
}

const NOTHING = { windows: 0, rows: 0, late: 0 }

/** Whether each table's windows are as far as when they were computed. Compaction is no difference. */
function isWhereItWas(computed: readonly ComputedWindows[], loaded: readonly LoadedTable[]): boolean {
  return computed.every(({ table }, i) => {
    const now = loaded[i]?.metadata
    if (now === undefined) return false
    const [before, after] = [windowPosition(table.loaded.metadata), windowPosition(now)]
    if (before.kind === 'known' && after.kind === 'known') return before.marker.rowEnd === after.marker.rowEnd
    return headOf(now)?.['snapshot-id'] === headOf(table.loaded.metadata)?.['snapshot-id']
  })
}
