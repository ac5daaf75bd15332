import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import type { Row } from '../../engine/engine.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { MAINTENANCE_RUNS } from '../../schemas/lake-tables.js'
import type { TableMaintenance } from '../../schemas/messages.js'
import { ensureMaintenanceRuns } from '../tables/ensure-tables.js'
import { writeTableRows } from '../tables/write-table-rows.js'
import { removeOldLists } from './report-detail.js'

export interface MaintenanceRun {
  readonly runId: string
  readonly workflowId: string
  readonly tables: readonly TableMaintenance[]
}

/** Of a snapshot: the run whose rows it added. */
const RUN_ID = 'firn.maintenance-run'

/**
 * Adds a run's rows to `audit.maintenance_runs`, in one commit for all its tables; tables where nothing was due have none.
 * Recorded once however often it is called. Lists of old reports go. Returns how many rows were added.
 */
export async function recordRuns(deps: LakeDeps, run: MaintenanceRun): Promise<number> {
  await removeOldLists(deps, deps.now())
  const own = formatIdentifier(MAINTENANCE_RUNS)
  const tables = run.tables.filter(({ outcome }) => outcome !== 'nothing-due')
  // Else the record of its own upkeep would be what is next to keep up.
  if (tables.every(({ table, error }) => table === own && error === undefined)) return 0
  const table = await ensureMaintenanceRuns(deps)
  const isRecorded = (snapshots: typeof table.metadata.snapshots): boolean =>
    snapshots.some(({ summary }) => summary?.[RUN_ID] === run.runId)
  if (isRecorded(table.metadata.snapshots)) return 0
  const file = await writeTableRows(
    deps,
    table,
    tables.map((one) => rowOf(run, one, deps.now())),
  )
  const { catalog, now, newUuid } = deps
  const result = await commitTransaction<'recorded'>({
    ...{ catalog, now, newUuid },
    changes: [
      {
        identifier: MAINTENANCE_RUNS,
        snapshotId: deps.newSnapshotId(),
        change: { kind: 'append', files: [file] },
        summary: { [RUN_ID]: run.runId },
      },
    ],
    beforeAttempt: ([newest]) =>
      Promise.resolve(newest !== undefined && isRecorded(newest.metadata.snapshots) ? 'recorded' : undefined),
  })
  return result.kind === 'committed' ? tables.length : 0
}

const TEXT_MAX = 2000

function rowOf({ runId, workflowId }: MaintenanceRun, table: TableMaintenance, nowMs: number): Row {
  const count = (value: number | undefined): bigint => BigInt(value ?? 0)
  const { startedAtMs = nowMs, error, due = [], raw } = table
  return {
    run_id: runId,
    workflow_id: workflowId,
    table_name: table.table,
    started_at: BigInt(startedAtMs) * 1000n,
    duration_ms: count(table.durationMs),
    outcome: error === undefined ? (table.outcome ?? 'done') : 'failed',
    steps: due.map(({ step, why }) => `${step}: ${why}`),
    compacted_files: count(table.compactedFiles),
    written_files: count(table.writtenFiles),
    bytes_read: count(table.bytesRead),
    bytes_written: count(table.bytesWritten),
    rewritten_delete_files: count(table.rewrittenDeleteFiles),
    rewritten_manifests: count(table.rewrittenManifests),
    expired_snapshots: count(table.expiredSnapshots),
    dropped_refs: table.droppedTags,
    deleted_files: count(
      table.deletedFiles + (raw === undefined ? 0 : raw.retired + raw.orphans + raw.plans),
    ),
    deleted_bytes: count(table.deletedBytes + (raw?.bytes ?? 0)),
    orphans: count(table.orphans + (raw?.orphans ?? 0)),
    failed_files: count(table.failedFiles),
    kept: table.notes,
    error: error?.slice(0, TEXT_MAX) ?? null,
  }
}
