import type { WatermarkStep, WindowPosition } from './window-marker.js'

/** What decides on a refresh: how far each table is, which watermarks were recorded, and where the ledger ends. */
export interface RefreshState {
  readonly tables: readonly { readonly name: string; readonly position: WindowPosition }[]
  /** By row. */
  readonly steps: readonly WatermarkStep[]
  readonly ledgerEnd: number
  readonly nowMs: number
  /** As the caller knows it. */
  readonly watermarkMs?: number
}

export interface RefreshPlan {
  /** One past the last ledger row that it takes in. */
  readonly rowEnd: number
  /** To be recorded: what rows from `rowEnd` on are judged by. */
  readonly watermarkMs?: number
  readonly tables: readonly TableRefresh[]
}

export interface TableRefresh {
  readonly name: string
  /** The first ledger row that is not in the table's windows yet, as far as is known. */
  readonly rowFrom: number
}

/**
 * The ledger rows that each table lacks; undefined where none lacks any, also where the ledger was rolled back behind the
 * tables: the same rows come back under their old numbers. A table that was compacted by others lacks none, but says
 * again how far it is, before the snapshot that said so expires. The recorded watermark never falls, and is never later than the
 * clock: one record from the future must not close the windows that the present still fills.
 */
export function planRefresh(state: RefreshState): RefreshPlan | undefined {
  const { ledgerEnd: rowEnd, steps, nowMs } = state
  const tables = state.tables
    .map(({ name, position }) => ({
      name,
      rowFrom: position.kind === 'known' ? position.marker.rowEnd : 0,
      isSilent: position.kind === 'known' && position.silent === true,
    }))
    .filter(({ rowFrom, isSilent }) => rowFrom < rowEnd || (isSilent && rowFrom === rowEnd))
    .map(({ name, rowFrom }) => ({ name, rowFrom }))
  if (tables.length === 0) return undefined
  const known = watermarkAt(steps, rowEnd)
  // What the rows to come are judged by was decided where a history that was rolled back had taken them in before.
  const isDecided = steps.some((step) => step.rowEnd > rowEnd)
  const told = state.watermarkMs === undefined || isDecided ? undefined : Math.min(state.watermarkMs, nowMs)
  const watermarkMs = known === undefined || told === undefined ? (known ?? told) : Math.max(known, told)
  return { rowEnd, tables, ...(watermarkMs === undefined ? {} : { watermarkMs }) }
}

/**
 * The watermark that a ledger row is judged by: the largest one recorded by a refresh that ended before it. So which windows
 * take a record hangs on the order of the ledger and on recorded watermarks alone, whenever it is computed.
 */
export function watermarkAt(steps: readonly WatermarkStep[], row: number): number | undefined {
  let largest: number | undefined
  for (const { rowEnd, watermarkMs } of steps) {
    if (rowEnd <= row && (largest === undefined || watermarkMs > largest)) largest = watermarkMs
  }
  return largest
}
