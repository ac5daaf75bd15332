import { listTables } from '../../lake/query/list-tables.js'
import { runSql } from '../../lake/query/sql.js'
import type { MaintenanceReport, NightlyResult } from '../../schemas/messages.js'
import type { ScoreBatchResult, TrainModelResult } from '../../schemas/model-messages.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import { displayRow } from '../display-row.js'
import { followWorkflow } from '../follow-workflow.js'
import { startProgress } from '../progress.js'
import type { OwnServerSession } from '../temporal-session.js'
import type { TopicAccount } from './account-for-topic.js'
import type { DemoFeed } from './demo-feed.js'

/** Three nights: forty documents, twenty more, nothing more. */
const NIGHTS = [
  { date: '2026-07-01', documents: 40 },
  { date: '2026-07-02', documents: 60 },
  { date: '2026-07-03', documents: 60 },
] as const
const PIPELINE = 'quantum'
const MODEL = 'convergence_k10'

export interface DemoSummary {
  readonly nights: readonly NightlyResult[]
  readonly training: TrainModelResult
  readonly score: ScoreBatchResult
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
  { client, address, lake }: OwnServerSession,
  feed: DemoFeed,
  signal: AbortSignal,
): Promise<DemoSummary> {
  const started = Date.now()
  const step = async <Result>(
    title: string,
    workflow: string,
    workflowId: string,
    input: object,
  ): Promise<Result> => {
    const progress = startProgress(title)
    try {
      const start = { workflow, workflowId, input, summary: title }
      const result = await followWorkflow<Result>(start, {
        client,
        address,
        progress,
        signal,
        ownServer: true,
      })
      progress.done()
      return result
    } catch (error) {
      progress.failed()
      throw error
    }
  }
  const nights: NightlyResult[] = []
  let delivered = 0
  for (const { date, documents } of NIGHTS) {
    const more = documents - delivered
    if (more > 0) await feed.deliver(delivered, more)
    const title = `night of ${date}: ${more === 0 ? 'nothing new' : `${more} documents`}`
    delivered = documents
    const from = feed.folder === undefined ? {} : { from: feed.folder }
    const input = { pipeline: PIPELINE, ...from, date, maintain: false }
    nights.push(await step(title, 'nightly', workflowIds.nightly(PIPELINE, date), input))
  }
  const model = { pipeline: PIPELINE, model: MODEL }
  const training = await step<TrainModelResult>(
    'training',
    'trainModel',
    workflowIds.train(PIPELINE, MODEL),
    { ...model, seed: 1 },
  )
  const batch = nights[1]?.batch
  const score = await step<ScoreBatchResult>('scoring', 'scoreBatch', workflowIds.score(PIPELINE, MODEL), {
    ...model,
    batch,
  })
  const maintenance = await step<MaintenanceReport>('maintenance', 'maintainLake', workflowIds.maintain(), {
    pipeline: PIPELINE,
  })
  const topic = await feed.account?.(lake.deps)
  return {
    nights,
    training,
    score,
    maintenance,
    tables: await listTables(lake.deps),
    audit: await rows(lake.deps, AUDIT_SQL),
    predictions: await rows(lake.deps, PREDICTIONS_SQL),
    ...(topic === undefined ? {} : { topic }),
    seconds: (Date.now() - started) / 1000,
  }
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
