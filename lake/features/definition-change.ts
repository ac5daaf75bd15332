import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import type { DefinitionChange } from '../../schemas/definition-change.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { changedTables, changeText } from '../define/compare-definitions.js'
import { definitionFingerprint, tableDefinitions } from '../define/fingerprint.js'
import { lastFingerprint, readBuiltBatches, type BuiltBatch } from '../publish/built-batches.js'
import { pipelineGraph, type PipelineGraph } from './pipeline-graph.js'

/**
 * How the definition differs from the one that the last batch's rows were computed with; undefined where they are equal.
 * An equal one costs a look at the audit table's metadata.
 */
export async function findDefinitionChange(
  deps: LakeDeps,
  pipeline: Pipeline,
  audit: LoadedTable,
): Promise<DefinitionChange | undefined> {
  const { pipeline: current } = definitionFingerprint(pipeline)
  if (lastFingerprint(audit, pipeline.name) === current) return undefined
  const last = (await readBuiltBatches(deps, audit, pipeline.name)).at(-1)
  if (last === undefined || last.fingerprint === current) return undefined
  if (last.definitions === undefined) return { since: last.batch, tables: [], readers: [] }
  const tables = changedTables(last.definitions, await tableDefinitions(deps, pipeline))
  if (tables.length === 0) return undefined
  const changed = new Set(tables.map(({ table }) => table))
  const graph = await pipelineGraph(pipeline)
  const readers = withReaders(graph, changed).filter((table) => !changed.has(table))
  return { since: last.batch, tables, readers }
}

/** Published batches from the first one on whose rows another definition made. */
export async function outdatedBatches(
  deps: LakeDeps,
  pipeline: Pipeline,
  audit: LoadedTable,
): Promise<readonly BuiltBatch[]> {
  const { pipeline: current } = definitionFingerprint(pipeline)
  const batches = await readBuiltBatches(deps, audit, pipeline.name)
  const first = batches.findIndex(({ fingerprint }) => fingerprint !== current)
  return first === -1 ? [] : batches.slice(first)
}

/** These tables and all that are computed from them, in dependency order. */
export function withReaders(graph: PipelineGraph, tables: ReadonlySet<string>): readonly string[] {
  const found = new Set(tables)
  return graph.order.filter((table) => {
    if (graph.reads(table).tables.some((name) => found.has(name))) found.add(table)
    return found.has(table)
  })
}

export function definitionChanged(pipeline: string, change: DefinitionChange): FirnError {
  return new FirnError(
    'definition-changed',
    `the definition of pipeline ${pipeline} has changed since batch ${change.since}: ${changeText(change)}. ` +
      'Say what becomes of the rows that are published: `--on-change forward` leaves them as they are and builds new ' +
      'rows by the new definition; `--on-change rebuild` computes all published batches again first. ' +
      '(In a workflow\'s input: "onChange": "forward".)',
    { context: { pipeline, ...change } },
  )
}
