import { keysMeet, type KeyedRows } from '../../../engine/duckdb/keys-meet.js'
import type { Pipeline } from '../../../schemas/pipeline.js'
import { sqlOf } from '../../define/dependencies.js'
import { pipelineGraph } from '../pipeline-graph.js'

/** A pipeline is read once, and so is its SQL. */
const known = new WeakMap<Pipeline, Promise<ReadonlySet<string>>>()

/**
 * Tables with `newBy` whose rows are each made from one record, as their SQL proves: built from some of the records at a
 * time, they get the same rows.
 */
export function tablesByRecord(pipeline: Pipeline): Promise<ReadonlySet<string>> {
  const found = known.get(pipeline) ?? findTables(pipeline)
  known.set(pipeline, found)
  found.catch(() => known.delete(pipeline))
  return found
}

/** In dependency order, since a table is such only where those that it reads are. */
async function findTables(pipeline: Pipeline): Promise<ReadonlySet<string>> {
  const { order, onlyNew, reads } = await pipelineGraph(pipeline)
  const relations = new Map<string, KeyedRows>([
    ['batch', 'same'],
    ...Object.keys(pipeline.sources).map((source) => [source, ['_record_id']] as const),
  ])
  const found = new Set<string>()
  for (const table of order) {
    const { sql = '', newBy = '' } = pipeline.tables[table] ?? {}
    if (!onlyNew.has(table) || reads(table).itself) continue
    if ((await keysMeet(sqlOf(pipeline, sql), relations, newBy)) !== undefined) continue
    relations.set(table, [newBy])
    found.add(table)
  }
  return found
}
