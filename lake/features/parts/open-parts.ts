import { FirnError } from '../../../schemas/error.js'
import { findPipeline } from '../../../schemas/find-pipeline.js'
import type { LakeDeps } from '../../../schemas/lake-deps.js'
import type { PlannedBuild } from '../../../schemas/messages.js'
import { parseTableSchema } from '../../../schemas/table-schema.js'
import { isLive, readStage, type StagedTable } from '../../staging/stage.js'
import { batchRows } from '../batch-relations.js'
import { openBatch, type Batch, type BatchPart } from '../batch-state.js'
import { pipelineGraph } from '../pipeline-graph.js'
import { cutRows } from './cut-rows.js'
import { tablesByRecord } from './tables-by-record.js'

/** Ids of a part as staged: each once, with the place of the part's record that counts. */
export const PART_IDS = parseTableSchema({
  record_id: 'string!',
  offset: 'long!',
  partition: 'int!',
  path: 'string',
})

/** A batch in parts is one that builds every table, and its plan comes without their names. */
export async function openWhole(deps: LakeDeps, plan: PlannedBuild): Promise<Batch> {
  const { order } = await pipelineGraph(findPipeline(deps.pipelines, plan.pipeline))
  return await openBatch(deps, { ...plan, groups: [order] })
}

export function countOf({ parts = 1 }: PlannedBuild): number {
  return parts
}

export function partName(plan: PlannedBuild, part: number): string {
  return `${part}-of-${countOf(plan)}`
}

/** Under this name the ids are staged that a part has and another part's record counts for. */
export function lostName(plan: PlannedBuild): string {
  return `lost-of-${countOf(plan)}`
}

/** The tables that are still to be built in parts, in dependency order; one whose upstream is whole by now is not. */
export async function tablesInParts({ pipeline, graph, stages }: Batch): Promise<readonly string[]> {
  const byRecord = await tablesByRecord(pipeline)
  const tables: string[] = []
  for (const table of graph.order) {
    if (!byRecord.has(table) || stages.has(table)) continue
    if (graph.reads(table).tables.every((upstream) => tables.includes(upstream))) tables.push(table)
  }
  return tables
}

/** Whether the batch's ids are staged, and what the parts have to know of each other's. */
export async function areIdsWhole(deps: LakeDeps, batch: Batch): Promise<boolean> {
  const ids = batch.stages.get(batch.idsTable)
  if (ids === undefined) return false
  return (
    ids.duplicates === 0 || (await readPart(deps, batch, batch.idsTable, lostName(batch.plan))) !== undefined
  )
}

/** A batch as one of its parts sees it: its own rows, and of stages the batch's ids and what the part has staged itself. */
export async function openPart(deps: LakeDeps, batch: Batch, number: number): Promise<Batch> {
  const { plan, idsTable } = batch
  const rows = cutRows(await batchRows(deps, batch), countOf(plan))[number]
  if (rows === undefined)
    throw new FirnError(
      'invalid-input',
      `batch ${plan.batch} has ${countOf(plan)} parts and no part ${number}`,
    )
  const ids = batch.stages.get(idsTable)
  const lost = await readPart(deps, batch, idsTable, lostName(plan))
  const part: BatchPart = { number, name: partName(plan, number), rows, lost: lost?.files ?? [] }
  const stages = new Map(ids === undefined ? [] : [[idsTable, ids]])
  return { ...batch, part, stages }
}

/** What is staged of a table for a part; undefined where it was computed from files that are no longer the staged ones. */
export async function readPart(
  deps: LakeDeps,
  { plan }: Batch,
  table: string,
  part: string,
  stages: ReadonlyMap<string, StagedTable> = new Map(),
): Promise<StagedTable | undefined> {
  const stage = await readStage(deps, plan, table, part)
  if (stage === undefined || !isLive(stage, deps.now())) return undefined
  const fits = Object.entries(stage.upstream).every(([name, id]) => stages.get(name)?.stageId === id)
  return fits ? stage : undefined
}
