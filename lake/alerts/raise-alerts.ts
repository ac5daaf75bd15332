import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { isIn } from '../../iceberg/expr/expression.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import type { Row } from '../../engine/engine.js'
import { queryTable } from '../../engine/query-table.js'
import type { Alert, RaiseAlertsInput, RaisedAlerts, Webhook } from '../../schemas/alerts.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { ensureAlertsTable } from '../tables/ensure-tables.js'
import { writeTableRows } from '../tables/write-table-rows.js'

export interface AlertPorts {
  /** Absent: none is set. */
  readonly webhook?: Webhook
  /** One line for each alert. */
  readonly log?: (message: string, alert: Alert) => void
}

/**
 * Tells what was not told before: a log line each, one POST with all of them, rows of `audit.alerts`. A webhook that fails
 * is recorded in the rows and fails nothing. Killed between the POST and the rows, the next attempt posts again, under the
 * same keys; the rows are there once. Errors: `commit-*`, io.
 */
export async function raiseAlerts(
  deps: LakeDeps,
  { alerts, run }: RaiseAlertsInput,
  { webhook, log }: AlertPorts = {},
): Promise<RaisedAlerts> {
  if (alerts.length === 0) return { raised: [], webhook: 'none' }
  const table = await ensureAlertsTable(deps)
  const distinct = [...new Map(alerts.map((alert) => [alert.key, alert])).values()]
  const fresh = await untold(deps, table, distinct)
  if (fresh.length === 0) return { raised: [], webhook: 'none' }
  for (const alert of fresh) log?.(alert.message, alert)
  const outcome = webhook === undefined ? 'none' : await webhook(bodyOf(fresh))
  const raisedAtMs = deps.now()
  await recordAlerts(deps, table, fresh, (alert) => ({
    ...alertRow(alert, run, raisedAtMs),
    webhook: outcome,
  }))
  return { raised: fresh.map(({ key }) => key), webhook: outcome }
}

/** `text` is what chat programs show of a webhook. */
function bodyOf(alerts: readonly Alert[]): object {
  return { text: alerts.map(({ kind, message }) => `[${kind}] ${message}`).join('\n'), alerts }
}

async function untold(
  deps: LakeDeps,
  { metadata }: LoadedTable,
  alerts: readonly Alert[],
): Promise<readonly Alert[]> {
  const keys = alerts.map(({ key }) => key)
  const rows = await queryTable(
    { engine: deps.engine, io: deps.catalog.io, metadata },
    {
      name: 'alerts',
      filter: isIn('alert_key', keys),
      sql: `SELECT DISTINCT alert_key FROM alerts WHERE alert_key IN (${keys.map(quoteText).join(', ')})`,
    },
  )
  const told = new Set(rows.map((row) => row['alert_key']))
  return alerts.filter(({ key }) => !told.has(key))
}

/** Where somebody else has told some of them meanwhile, only the others are recorded. */
async function recordAlerts(
  deps: LakeDeps,
  table: LoadedTable,
  alerts: readonly Alert[],
  rowOf: (alert: Alert) => Row,
): Promise<void> {
  const file = await writeTableRows(deps, table, alerts.map(rowOf))
  let left: readonly Alert[] = alerts
  const result = await commitTransaction<'told'>({
    catalog: deps.catalog,
    now: deps.now,
    newUuid: deps.newUuid,
    changes: [
      {
        identifier: table.identifier,
        snapshotId: deps.newSnapshotId(),
        change: { kind: 'append', files: [file] },
      },
    ],
    beforeAttempt: async ([current]) => {
      if (current === undefined) return undefined
      left = await untold(deps, current, alerts)
      return left.length < alerts.length ? 'told' : undefined
    },
  })
  if (result.kind === 'ended' && left.length > 0) await recordAlerts(deps, table, left, rowOf)
}

function alertRow(alert: Alert, run: RaiseAlertsInput['run'], raisedAtMs: number): Row {
  return {
    alert_key: alert.key,
    kind: alert.kind,
    pipeline: alert.pipeline ?? null,
    processing_batch_id: alert.batch ?? null,
    subject: alert.subject ?? null,
    message: alert.message,
    workflow_id: run.workflowId,
    run_id: run.runId,
    raised_at: BigInt(raisedAtMs) * 1000n,
  }
}
