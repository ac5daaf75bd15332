import type { Row } from '../../engine/engine.js'
import { batchTimes } from '../../schemas/batch.js'
import type { CheckResult, PublishedTable, PublishRequest } from '../../schemas/publish.js'
import type { AuditStatus } from './audit.js'

/** The row of `processing_metadata` (schemas/lake-tables): the durable marker of a batch. */
export function auditRow(audit: {
  readonly request: Omit<PublishRequest, 'namespace' | 'tables' | 'tag' | 'tagTables' | 'checks'>
  readonly status: AuditStatus
  readonly tables: readonly PublishedTable[]
  readonly reason: string | null
  readonly endedAtMs: number
}): Row {
  const { request, tables, status, reason } = audit
  const { timestamp, date } = batchTimes(request.batch)
  return {
    processing_batch_id: request.batch,
    processing_name: request.processingName,
    processing_timestamp: timestamp,
    processing_date: date,
    table_names: tables.map((table) => table.table),
    table_versions: tables.map((table) => table.version),
    record_counts: tables.map((table) => BigInt(table.rows)),
    source_data_info: request.sourceDataInfo,
    snapshot_ids: tables.map((table) => (table.snapshotId === null ? null : BigInt(table.snapshotId))),
    input_from: BigInt(request.inputFrom),
    input_to: BigInt(request.inputTo),
    duplicates: BigInt(request.duplicates),
    definition_fingerprint: request.fingerprint,
    workflow_id: request.run.workflowId,
    run_id: request.run.runId,
    status,
    reason,
    started_at: BigInt(request.run.startedAtMs) * 1000n,
    duration_ms: BigInt(Math.max(audit.endedAtMs - request.run.startedAtMs, 0)),
  }
}

/** A row of `audit.check_results` (schemas/lake-tables). */
export function checkResultRow(request: PublishRequest, check: CheckResult): Row {
  return {
    processing_batch_id: request.batch,
    processing_name: request.processingName,
    check_name: check.name,
    severity: check.severity,
    passed: check.passed,
    failing_rows: BigInt(check.failingRows),
    sample: check.sample ?? null,
  }
}
