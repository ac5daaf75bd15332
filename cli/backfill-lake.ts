import type { Client } from '@temporalio/client'
import { readBatchHistory } from '../lake/backfill/batch-history.js'
import { lookAtDates, type LookAtDates } from '../lake/backfill/look-at-dates.js'
import { loadPipelines } from '../lake/define/load-pipeline.js'
import type { BackfilledDate, DatesQuery } from '../schemas/backfill-messages.js'
import type { Pipeline } from '../schemas/pipeline.js'
import { readConfig } from '../workers/config.js'
import { askDates, askStatus, findBackfill } from './backfill-handle.js'
import { hasLake, pipelineNamed, withLake } from './lake.js'

/** A date of a backfill, with what the lake has of it: null where it has nothing. */
export interface DateWithBatch extends Omit<BackfilledDate, 'batch'> {
  readonly batch: string | null
  readonly tag: string | null
  /** By table. */
  readonly snapshotIds: Readonly<Record<string, string>>
  readonly runId: string | null
}

/** Gives `use` the pipeline and its batches' records; where there is no lake yet there are none, and none is made. */
export async function withHistory<T>(
  name: string,
  use: (pipeline: Pipeline, history: LookAtDates['history']) => Promise<T>,
): Promise<T> {
  const config = readConfig()
  if (!hasLake(config)) {
    const pipeline = pipelineNamed(await loadPipelines(config.pipelineFolders), name)
    return use(pipeline, () => Promise.resolve([]))
  }
  return withLake(({ deps }) => {
    const pipeline = pipelineNamed(deps.pipelines, name)
    return use(pipeline, (range) => readBatchHistory(deps, pipeline, range))
  })
}

/** A page of a backfill's dates: its own word of each, beside the audit rows that the nights or rebuilds left. */
export async function datesWithBatches(
  client: Client,
  id: string,
  query: DatesQuery,
): Promise<{ readonly total: number; readonly rows: readonly DateWithBatch[] }> {
  const handle = await findBackfill(client, id)
  const { pipeline: name = '' } = await askStatus(handle)
  const page = await askDates(handle, query)
  if (page.rows.length === 0) return { total: page.total, rows: [] }
  const keys = page.rows.map(({ date }) => date)
  const looked = await withHistory(name, async (pipeline, history) => {
    const rows = []
    while (rows.length < keys.length)
      rows.push(...(await lookAtDates({ pipeline, mode: 'missing', keys: keys.slice(rows.length), history })))
    return rows
  })
  const rows = page.rows.map((row, i): DateWithBatch => {
    const last = looked[i]?.found.at(-1)
    const record = last?.record
    return {
      ...row,
      batch: record?.batch ?? row.batch ?? last?.batch ?? null,
      tag: record?.tag ?? null,
      snapshotIds: record?.snapshotIds ?? {},
      runId: record?.runId ?? null,
    }
  })
  return { total: page.total, rows }
}
