import type { MaintenanceDetail, Shown } from '../schemas/maintenance.js'
import type { TableMaintenance } from '../schemas/messages.js'

/** Temporal warns of payloads above 256 KB and refuses those above 2 MB. */
const BUDGET_CHARS = 150_000
const NOTES_MIN = 3

/**
 * The reports of many tables as one that Temporal carries: once the first have used up the room, those that follow keep
 * their counts, their first notes and where their lists lie, and no lists.
 */
export function boundReport(tables: readonly TableMaintenance[]): readonly TableMaintenance[] {
  let used = 0
  return tables.map((table) => {
    const size = JSON.stringify(table).length
    const whole = used + size <= BUDGET_CHARS
    if (whole) used += size
    return whole ? table : withoutLists(table)
  })
}

/** Counts and a few notes. */
export function withoutLists(table: TableMaintenance): TableMaintenance {
  const { detail, raw, notes } = table
  const more = notes.length - NOTES_MIN
  return {
    ...table,
    notes: more > 0 ? [...notes.slice(0, NOTES_MIN), `and ${more} notes more`] : notes,
    ...(raw === undefined ? {} : { raw: { ...raw, files: [] } }),
    ...(detail === undefined ? {} : { detail: totalsOf(detail) }),
  }
}

function totalsOf({ files, snapshots, refs, ...rest }: MaintenanceDetail): MaintenanceDetail {
  const none = ({ total }: Shown<unknown>) => ({ total, shown: [] })
  return {
    ...rest,
    files: none(files),
    ...(snapshots === undefined ? {} : { snapshots: none(snapshots) }),
    ...(refs === undefined ? {} : { refs: none(refs) }),
  }
}
