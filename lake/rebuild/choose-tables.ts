import { FirnError } from '../../schemas/error.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import type { RebuildMode } from '../../schemas/rebuild-messages.js'
import { withReaders } from '../features/definition-change.js'
import type { PipelineGraph } from '../features/pipeline-graph.js'

/** Column by which a row says which batch made it. */
export const BATCH_COLUMN = 'processing_batch_id'

/** The tables that were asked for and those that read them, in dependency order. */
export function chooseTables(
  pipeline: Pipeline,
  graph: PipelineGraph,
  asked: readonly string[] | undefined,
): readonly string[] {
  if (asked === undefined) return graph.order
  const plain = asked.map((name) => name.replace(`${pipeline.namespace}.`, ''))
  const unknown = plain.find((name) => !graph.order.includes(name))
  if (unknown === undefined && plain.length > 0) return withReaders(graph, new Set(plain))
  const why = graph.windows.has(unknown ?? '')
    ? `${unknown} is a window table, which only its stream writes`
    : unknown === undefined
      ? 'no table is named'
      : `no batch of ${pipeline.name} builds a table ${unknown}`
  throw new FirnError('invalid-input', `${why}; there are ${graph.order.join(', ')}`)
}

/** Refuses tables whose rows of one batch can't be told from others, or can't be computed from what there is now. */
export function refuseTables(pipeline: Pipeline, graph: PipelineGraph, tables: readonly string[]): void {
  for (const table of tables) {
    const { write, newBy, schema } = pipeline.tables[table] ?? {}
    if (write === 'overwrite-partitions' && graph.reads(table).itself) {
      throw new FirnError(
        'invalid-input',
        `table ${table} reads the rows that it wrote before, and those it had before the batch are gone: it can't be built again. Give it another name, which is then filled from all history by --on-change rebuild; or name other tables`,
      )
    }
    const hasBatch = schema !== undefined && Object.hasOwn(schema, BATCH_COLUMN)
    if (write === 'overwrite-partitions' || newBy !== undefined || hasBatch) continue
    throw new FirnError(
      'invalid-input',
      `table ${table} has no column ${BATCH_COLUMN} (batch_id of the relation batch), so nobody can tell which of its rows one batch made; name other tables`,
    )
  }
}

/** What a rebuild leaves open, in words. */
export function notesOf(
  pipeline: Pipeline,
  tables: readonly string[],
  { mode, later }: { readonly mode: RebuildMode; readonly later: number },
): readonly string[] {
  const notes: string[] = []
  const unmarked = partitionsWithoutBatch(pipeline, tables)
  if (unmarked.length > 0) {
    notes.push(
      `${unmarked.join(', ')}: without a column ${BATCH_COLUMN}, partitions that are written no more stay`,
    )
  }
  if (mode === 'forward' || later === 0) return notes
  const byKey = tables.filter((table) => isByKey(pipeline, table))
  if (byKey.length > 0) {
    notes.push(
      `${byKey.join(', ')}: rows that later batches left out because this batch had their keys stay out, and keys that they have stay theirs; --forward builds later batches again too`,
    )
  }
  const current = tables.filter((table) => pipeline.tables[table]?.write === 'overwrite-partitions')
  if (current.length > 0) {
    notes.push(
      `${current.join(', ')}: partitions are computed over the rows of all batches; one that this batch wrote before and does not write now stays, unless it was computed from the source alone`,
    )
  }
  return notes
}

/** Insert-new by key: what is new depends on the rows of other batches. */
export function isByKey(pipeline: Pipeline, table: string): boolean {
  const { write, newBy } = pipeline.tables[table] ?? {}
  return write === 'insert-new' && newBy === undefined
}

function partitionsWithoutBatch(pipeline: Pipeline, tables: readonly string[]): readonly string[] {
  return tables.filter((table) => {
    const { write, schema = {} } = pipeline.tables[table] ?? {}
    return write === 'overwrite-partitions' && !Object.hasOwn(schema, BATCH_COLUMN)
  })
}
