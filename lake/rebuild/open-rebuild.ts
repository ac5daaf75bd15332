import { alwaysTrue, eq, type Expression } from '../../iceberg/expr/expression.js'
import type { Relation } from '../../engine/engine.js'
import { quoteName, quoteText } from '../../engine/duckdb/sql-text.js'
import { currentSchema, fieldByName } from '../../iceberg/spec/schema.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier } from '../../schemas/lake-tables.js'
import type { RebuildPlan } from '../../schemas/rebuild-messages.js'
import { parseTableSchema } from '../../schemas/table-schema.js'
import { currentTasks } from '../features/batch-relations.js'
import { definitionOf, loadedTable, openBatch, type Batch } from '../features/batch-state.js'
import { readBuiltBatches } from '../publish/built-batches.js'
import { BATCH_COLUMN } from './choose-tables.js'

/** A rebuild on its way. */
export interface Rebuild {
  readonly plan: RebuildPlan
  /** Stages under the rebuild's own id. */
  readonly batch: Batch
  /** Batches that were built after the one that is built again. */
  readonly later: readonly string[]
}

/** Record ids of all batches, by batch. */
export const ALL_IDS = '_all_ids'
/** One column, `id`: the later batches. */
export const LATER = '_later_batches'

export async function openRebuild(deps: LakeDeps, plan: RebuildPlan): Promise<Rebuild> {
  const batch = await openBatch(deps, plan.build)
  const audit = await deps.catalog.loadTable(auditIdentifier(batch.pipeline.namespace))
  const batches = await readBuiltBatches(deps, audit, batch.pipeline.name)
  const later = batches.filter((one) => one.inputFrom >= plan.build.inputTo).map((one) => one.batch)
  return { plan, batch, later }
}

export function isRebuilt({ plan }: Rebuild, table: string): boolean {
  return plan.tables.some((one) => one.table === table)
}

/** How SQL tells a table's rows of the batch, and of later ones; it reads the relations of `idRelations`. */
export interface RowsOfBatches {
  readonly ofBatch: string
  readonly ofLater: string
  /** The first as an expression, which chooses files; else all files may hold such rows. */
  readonly filter: Expression
}

/**
 * By the column that says the batch, or by the source's record ids where a table of new records has none that every row
 * fills. Undefined: its rows do not say which batch made them.
 */
export function rowsOfBatches({ plan, batch }: Rebuild, table: string): RowsOfBatches | undefined {
  const id = quoteText(plan.rebuilds)
  const column = fieldByName(currentSchema(loadedTable(batch, table).metadata), BATCH_COLUMN)
  const { newBy } = table === batch.idsTable ? {} : definitionOf(batch, table)
  if (newBy !== undefined && column?.required !== true) {
    const ids = (which: string): string =>
      `${quoteName(newBy)} IN (SELECT record_id FROM ${ALL_IDS} WHERE ${BATCH_COLUMN} ${which})`
    return {
      ofBatch: ids(`= ${id}`),
      ofLater: ids(`IN (SELECT id FROM ${LATER})`),
      filter: alwaysTrue,
    }
  }
  if (column === undefined) return undefined
  return {
    ofBatch: `coalesce(${BATCH_COLUMN} = ${id}, false)`,
    ofLater: `coalesce(${BATCH_COLUMN} IN (SELECT id FROM ${LATER}), false)`,
    filter: eq(BATCH_COLUMN, plan.rebuilds),
  }
}

/** Of the table of ids, those that the batch was the first to build. */
export function idsOfBatch({ plan }: Rebuild): string {
  return `${BATCH_COLUMN} = ${quoteText(plan.rebuilds)}`
}

export async function idRelations(deps: LakeDeps, { batch, later }: Rebuild): Promise<readonly Relation[]> {
  const { metadata } = loadedTable(batch, batch.idsTable)
  return [
    {
      kind: 'rows',
      name: LATER,
      schema: parseTableSchema({ id: 'string!' }),
      rows: later.map((id) => ({ id })),
    },
    {
      kind: 'scan',
      name: ALL_IDS,
      schema: currentSchema(metadata),
      tasks: await currentTasks(deps, batch, batch.idsTable),
      metadata,
    },
  ]
}
