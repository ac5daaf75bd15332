import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { parseBatchId } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier } from '../../schemas/lake-tables.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { publishedState, readBatchFamily, SUMMARY, type AuditRow } from '../publish/audit.js'
import { auditRow } from '../publish/audit-rows.js'
import { writeTableRows } from '../tables/write-table-rows.js'

/**
 * Records that a failed batch's range is not to be built again: an audit row of status `skipped` on main. Done before:
 * nothing happens. Errors: `not-found` where no such batch failed, `invalid-input` where its range is not the one due.
 */
export async function skipFailedBatch(
  deps: LakeDeps,
  pipeline: Pipeline,
  command: { readonly batch: string; readonly skip: string },
): Promise<void> {
  const audit = await deps.catalog.loadTable(auditIdentifier(pipeline.namespace))
  const failed = await dueFailure(deps, pipeline, audit, command.skip)
  if (failed === undefined) return
  const file = await writeTableRows(deps, audit, [skippedRow(deps, pipeline, failed, command.batch)])
  await commitTransaction<'done'>({
    catalog: deps.catalog,
    now: deps.now,
    newUuid: deps.newUuid,
    changes: [
      {
        identifier: audit.identifier,
        snapshotId: deps.newSnapshotId(),
        change: { kind: 'append', files: [file] },
        summary: {
          [SUMMARY.operation]: deps.newUuid(),
          [SUMMARY.batch]: failed.batch,
          [SUMMARY.pipeline]: pipeline.name,
          [SUMMARY.inputFrom]: String(failed.inputFrom),
          [SUMMARY.inputTo]: String(failed.inputTo),
          [SUMMARY.status]: 'skipped',
        },
      },
    ],
    beforeAttempt: async ([table]) => {
      const due = table && (await dueFailure(deps, pipeline, table, command.skip))
      return due === undefined ? 'done' : undefined
    },
  })
}

/** The failed batch, whose range is the next one due; undefined where it was skipped before. */
async function dueFailure(
  deps: LakeDeps,
  pipeline: Pipeline,
  audit: LoadedTable,
  skip: string,
): Promise<AuditRow | undefined> {
  const rows = (await readBatchFamily(deps, audit, pipeline.name, skip)).filter((row) => row.batch === skip)
  const failed = rows.find((row) => row.status === 'failed')
  if (failed === undefined) {
    throw new FirnError(
      'not-found',
      `no batch ${skip} of ${pipeline.name} has failed, so there is nothing to skip; look at ${pipeline.namespace}.processing_metadata`,
    )
  }
  if (rows.some((row) => row.status === 'skipped')) return undefined
  const { end } = await publishedState(deps, audit, pipeline.name)
  if (failed.inputFrom === end) return failed
  throw new FirnError(
    'invalid-input',
    `batch ${skip} failed on ledger rows ${failed.inputFrom} to ${failed.inputTo}, but ${pipeline.name} is built up to row ${end} by now: there is nothing left to skip`,
  )
}

function skippedRow(deps: LakeDeps, pipeline: Pipeline, failed: AuditRow, batch: string) {
  const now = deps.now()
  const row = auditRow({
    request: {
      processingName: pipeline.name,
      batch: parseBatchId(failed.batch),
      inputFrom: failed.inputFrom,
      inputTo: failed.inputTo,
      duplicates: 0,
      fingerprint: '',
      sourceDataInfo: '',
      run: { workflowId: '', runId: '', startedAtMs: now },
    },
    status: 'skipped',
    tables: [],
    reason: `skipped by command when batch ${batch} was planned`,
    endedAtMs: now,
  })
  const unknown = { source_data_info: null, definition_fingerprint: null, workflow_id: null, run_id: null }
  return { ...row, ...unknown }
}
