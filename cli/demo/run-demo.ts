import { listTables } from '../../lake/query/list-tables.js'
import { runSql } from '../../lake/query/sql.js'
import type { MaintenanceReport, NightlyResult } from '../../schemas/messages.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import { displayRow } from '../display-row.js'
import type { OwnServerSession } from '../own-server.js'
import type { TopicAccount } from './account-for-topic.js'
import type { DemoFeed } from './demo-feed.js'
import { runDemoModel, type DemoModel } from './demo-model.js'
import { demoStep, type DemoStep } from './demo-step.js'

/** Three nights: forty documents, twenty more, nothing more. */
const NIGHTS = [
  { date: '2026-07-01', documents: 40 },
  { date: '2026-07-02', documents: 60 },
  { date: '2026-07-03', documents: 60 },
] as const
const PIPELINE = 'quantum'

export interface DemoSummary extends DemoModel {
  readonly nights: readonly NightlyResult[]
  readonly maintenance: MaintenanceReport
  readonly tables: Awaited<ReturnType<typeof listTables>>
  readonly audit: readonly Record<string, unknown>[]
  readonly predictions: readonly Record<string, unknown>[]
  /** Where the documents came through a topic. */
  readonly topic?: TopicAccount
  readonly seconds: number
}

/** The main job on the sample documents, every step a workflow on the session's server. */
export async function runDemo(
  session: OwnServerSession,
  feed: DemoFeed,
  signal: AbortSignal,
): Promise<DemoSummary> {
  const started = Date.now()
  const step = demoStep(session, signal)
  const nights = await runNights(feed, step)
  const model = await runDemoModel(session, step, nights[1]?.batch)
  const maintenance = await step<MaintenanceReport>({
    ...{ title: 'maintenance', workflow: 'maintainLake', workflowId: workflowIds.maintain() },
    input: { pipeline: PIPELINE },
  })
  const { deps } = session.lake
  const topic = await feed.account?.(deps)
  return {
    nights,
    ...model,
    maintenance,
    tables: await listTables(deps),
    audit: await rows(deps, AUDIT_SQL),
    predictions: await rows(deps, PREDICTIONS_SQL),
    ...(topic === undefined ? {} : { topic }),
    seconds: (Date.now() - started) / 1000,
  }
}

async function runNights(feed: DemoFeed, step: DemoStep): Promise<readonly NightlyResult[]> {
  const nights: NightlyResult[] = []
  let delivered = 0
  for (const { date, documents } of NIGHTS) {
    const more = documents - delivered
    if (more > 0) await feed.deliver(delivered, more)
    delivered = documents
    const from = feed.folder === undefined ? {} : { from: feed.folder }
    nights.push(
      await step({
        title: `night of ${date}: ${more === 0 ? 'nothing new' : `${more} documents`}`,
        ...{ workflow: 'nightly', workflowId: workflowIds.nightly(PIPELINE, date) },
        input: { pipeline: PIPELINE, ...from, date, maintain: false },
      }),
    )
  }
  return nights
}

const AUDIT_SQL = `
  SELECT processing_batch_id AS batch, processing_name AS name, status, input_from, input_to, duplicates, duration_ms,
         list_sum(record_counts) AS rows
  FROM quantum_features.processing_metadata ORDER BY started_at, processing_name`

const PREDICTIONS_SQL = `
  SELECT p.experiment_id[:12] AS experiment, m.molecule_name AS molecule, v.optimizer, p.model, p.model_version AS version,
         round(p.prediction, 3) AS p_converged, v.success AS converged
  FROM quantum_features.predictions p
  JOIN quantum_features.vqe_results v USING (experiment_id)
  JOIN quantum_features.molecules m USING (experiment_id)
  ORDER BY p.prediction DESC, p.experiment_id LIMIT 8`

async function rows(deps: OwnServerSession['lake']['deps'], sql: string): Promise<Record<string, unknown>[]> {
  const result = await runSql(deps, { sql })
  return result.rows.map((row) => displayRow(row, result.columns))
}
