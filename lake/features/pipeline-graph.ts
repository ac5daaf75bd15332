import { inspectSql } from '../../engine/duckdb/inspect-sql.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { sqlOf, tableDependencies } from '../define/dependencies.js'

export interface TableReads {
  /** Whether it reads the pipeline's source. */
  readonly source: boolean
  /** Other tables of the pipeline. */
  readonly tables: readonly string[]
  /** Whether it reads its own state before the batch. */
  readonly itself: boolean
}

/** How the tables of a pipeline that have SQL hang together. */
export interface PipelineGraph {
  /** In dependency order. */
  readonly order: readonly string[]
  /** Tables with `newBy`: they see the batch's new records only. */
  readonly onlyNew: ReadonlySet<string>
  /** Window tables, which no batch builds, with the source of each. */
  readonly windows: ReadonlyMap<string, string>
  readonly reads: (table: string) => TableReads
}

/** A pipeline is read once, and so is its SQL. */
const graphs = new WeakMap<Pipeline, Promise<PipelineGraph>>()

export function pipelineGraph(pipeline: Pipeline): Promise<PipelineGraph> {
  const known = graphs.get(pipeline)
  if (known !== undefined) return known
  const graph = readGraph(pipeline)
  graphs.set(pipeline, graph)
  graph.catch(() => graphs.delete(pipeline))
  return graph
}

async function readGraph(pipeline: Pipeline): Promise<PipelineGraph> {
  const { reads, windows, groups } = await tableDependencies(pipeline)
  const order = groups.flat()
  const details = new Map<string, TableReads>()
  for (const table of order) {
    const names = reads.get(table) ?? []
    const { tables } = await inspectSql(sqlOf(pipeline, pipeline.tables[table]?.sql ?? ''))
    details.set(table, {
      source: names.some((name) => Object.hasOwn(pipeline.sources, name)),
      tables: names.filter((name) => Object.hasOwn(pipeline.tables, name)),
      itself: tables.includes(table),
    })
  }
  return {
    order,
    windows,
    onlyNew: new Set(order.filter((table) => pipeline.tables[table]?.newBy !== undefined)),
    reads: (table) => details.get(table) ?? { source: false, tables: [], itself: false },
  }
}
