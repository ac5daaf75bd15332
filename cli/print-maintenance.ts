import type { MaintenanceReport } from '../schemas/messages.js'
import { formatBytes, print, printTable } from './output.js'

/** What maintenance did a table, or would do. */
export function printMaintenance(report: MaintenanceReport): void {
  print(report.dryRun ? 'maintenance would do (dry run, nothing changed):' : 'maintenance did:')
  printTable(
    [
      'table',
      'compacted',
      'into',
      'expired',
      'tags dropped',
      'files deleted',
      'freed',
      'orphans',
      'held by tags',
    ],
    report.tables.map((t) => [
      t.table,
      t.compactedFiles,
      t.writtenFiles,
      t.expiredSnapshots,
      t.droppedTags.length,
      t.deletedFiles,
      formatBytes(t.deletedBytes),
      t.orphans,
      formatBytes(t.taggedBytes),
    ]),
  )
  for (const table of report.tables) for (const note of table.notes) print(`  ${table.table}: ${note}`)
}
