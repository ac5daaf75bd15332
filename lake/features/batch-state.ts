import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { ledgerIdentifier, sourceIdsName } from '../../schemas/lake-tables.js'
import type { PlannedBuild } from '../../schemas/messages.js'
import type { Pipeline, TableDefinition } from '../../schemas/pipeline.js'
import type { LedgerRow } from '../land/ledger.js'
import { sourceOf } from '../land/source-of.js'
import { isLive, readStage, type StagedTable } from '../staging/stage.js'
import { pipelineGraph, type PipelineGraph } from './pipeline-graph.js'

/** A batch on its way: its plan, the tables as one catalog read shows them, and what is staged so far. */
export interface Batch {
  readonly plan: PlannedBuild
  readonly pipeline: Pipeline
  readonly source: string
  readonly graph: PipelineGraph
  readonly ledger: LoadedTable
  /** Unqualified name of the table of the source's built record ids. */
  readonly idsTable: string
  /** By unqualified name: the pipeline's tables and the ids. */
  readonly tables: ReadonlyMap<string, LoadedTable>
  /** Grows as tables are staged. Holds live stages only, each computed from the others that are in it. */
  readonly stages: Map<string, StagedTable>
  /** Only this of it is built here, and staged as such. */
  readonly part?: BatchPart
}

/** One of the parts that a large batch is built in. */
export interface BatchPart {
  /** From 0. */
  readonly number: number
  /** As it is staged: `<number>-of-<count>`. */
  readonly name: string
  readonly rows: readonly LedgerRow[]
  /** Files of the ids whose record that counts is in another part than the one named. */
  readonly lost: readonly DataFile[]
}

export async function openBatch(deps: LakeDeps, plan: PlannedBuild): Promise<Batch> {
  const { pipeline, name: source } = sourceOf(deps, plan)
  const graph = await pipelineGraph(pipeline)
  const idsTable = sourceIdsName(source)
  const names = [...Object.keys(pipeline.tables), idsTable]
  const { namespace } = pipeline
  const [ledger, ...tables] = await deps.catalog.loadTables([
    ledgerIdentifier(source),
    ...names.map((name) => ({ namespace, name })),
  ])
  if (ledger === undefined)
    throw new FirnError('not-found', `there is no ledger of source ${source}; land first`)
  return {
    plan,
    pipeline,
    source,
    graph,
    ledger,
    idsTable,
    tables: new Map(tables.map((table) => [table.identifier.name, table])),
    stages: await usableStages(deps, plan, [idsTable, ...graph.order]),
  }
}

export function definitionOf(batch: Batch, table: string): TableDefinition {
  const definition = batch.pipeline.tables[table]
  if (definition !== undefined) return definition
  throw new FirnError('not-found', `pipeline ${batch.pipeline.name} has no table ${table}`)
}

export function loadedTable(batch: Batch, table: string): LoadedTable {
  const loaded = batch.tables.get(table)
  if (loaded !== undefined) return loaded
  throw new FirnError('not-found', `pipeline ${batch.pipeline.name} has no table ${table}`)
}

export function stageOf(batch: Batch, table: string): StagedTable {
  const stage = batch.stages.get(table)
  if (stage !== undefined) return stage
  throw new FirnError(
    'stage-expired',
    `table ${table} of batch ${batch.plan.batch} is not staged (any longer); build the batch again`,
    { context: { batch: batch.plan.batch, tables: [table] } },
  )
}

/** Stages in dependency order; one that was computed from files that are no longer the staged ones is left out. */
async function usableStages(
  deps: LakeDeps,
  plan: PlannedBuild,
  order: readonly string[],
): Promise<Map<string, StagedTable>> {
  const found = await Promise.all(order.map((table) => readStage(deps, plan, table)))
  const usable = new Map<string, StagedTable>()
  for (const stage of found) {
    if (stage === undefined || !isLive(stage, deps.now())) continue
    const fits = Object.entries(stage.upstream).every(([table, id]) => usable.get(table)?.stageId === id)
    if (fits) usable.set(stage.table, stage)
  }
  return usable
}
