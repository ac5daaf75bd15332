import { headOf } from '../../iceberg/spec/refs.js'
import { currentSchema, fieldById } from '../../iceberg/spec/schema.js'
import { defaultSpec } from '../../iceberg/spec/specs.js'
import type {
  AddedRows,
  SparkBuild,
  SparkSource,
  SparkTable,
  SparkTarget,
} from '../../engine/spark/spark-job.js'
import { sparkColumns, sparkStruct } from '../../engine/spark/spark-type.js'
import { instantOf, parseBatchId, processingDateOf } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { ENVELOPE_COLUMNS } from '../../schemas/lake-tables.js'
import { parseDocumentSchema, parseTableSchema } from '../../schemas/table-schema.js'
import { definitionOf, loadedTable, type Batch } from '../features/batch-state.js'
import { readLedger } from '../land/ledger.js'
import { refuseRemovedRaw } from '../land/raw-kept-from.js'
import { rawObjectsOf } from '../land/raw-objects.js'
import { columnKinds, sparkSqlOf } from './spark-sql.js'
import { stageBranch } from './stage-branch.js'

/** What Spark is told to build tables of a batch: heads, ranges and SQL as the batch sees them, no matter what comes later. */
export async function planSparkBuild(
  deps: LakeDeps,
  batch: Batch,
  tables: readonly string[],
  given: {
    readonly attempt: string
    readonly staged: Readonly<Record<string, AddedRows>>
    /** What the rows say; default: the plan's. */
    readonly batch?: string
  },
): Promise<SparkBuild> {
  const { plan, pipeline } = batch
  const id = parseBatchId(given.batch ?? plan.batch)
  const ids = batch.stages.get(batch.idsTable)
  const readsSource = tables.some((table) => batch.graph.reads(table).source)
  return {
    kind: 'build',
    application: `firn ${plan.pipeline} ${plan.batch}`,
    attempt: given.attempt,
    branch: stageBranch(plan.batch),
    batch: {
      batch_id: id,
      pipeline: plan.pipeline,
      processing_timestamp: instantOf(id).toISOString(),
      processing_date: processingDateOf(id),
    },
    ...(readsSource || ids === undefined ? { source: await sparkSource(deps, batch) } : {}),
    ids: {
      ...target(batch, batch.idsTable, ['record_id'], 'append'),
      kept: batch.graph.onlyNew.size > 0,
      ...(ids === undefined ? {} : { duplicates: ids.duplicates }),
    },
    tables: tables.map((table) => sparkTable(batch, table)),
    staged: given.staged,
    types: columnKinds(pipeline),
  }
}

async function sparkSource(deps: LakeDeps, batch: Batch): Promise<SparkSource> {
  const { plan, pipeline, source } = batch
  const definition = pipeline.sources[source]
  if (definition === undefined)
    throw new FirnError('not-found', `pipeline ${pipeline.name} has no source ${source}`)
  refuseRemovedRaw(batch.ledger, plan.inputFrom)
  const ledger = await readLedger(deps, batch.ledger, { rowFrom: plan.inputFrom, rowEnd: plan.inputTo })
  const schema = parseDocumentSchema(definition.schema)
  return {
    name: source,
    objects: rawObjectsOf(ledger).map(({ location, first, end }) => [location, first, end] as const),
    records: ledger.reduce((sum, row) => sum + row.records, 0),
    envelope: sparkColumns(parseTableSchema(ENVELOPE_COLUMNS)),
    struct: sparkStruct(schema),
    lenient: sparkStruct(schema, true),
  }
}

function sparkTable(batch: Batch, table: string): SparkTable {
  const { key, write } = definitionOf(batch, table)
  const { source, tables, itself } = batch.graph.reads(table)
  const onlyNew = batch.graph.onlyNew.has(table)
  return {
    ...target(batch, table, key, write === 'overwrite-partitions' ? write : 'append'),
    ...sparkSqlOf(batch.pipeline, table),
    key,
    onlyNew,
    newByKey: write === 'insert-new' && !onlyNew,
    reads: {
      source,
      tables: [...tables, ...(itself ? [table] : [])].map((name) => {
        const { columns, basis } = target(batch, name, [], 'append')
        const added = onlyNew && batch.graph.onlyNew.has(name) && name !== table
        return { name, table: `${batch.pipeline.namespace}.${name}`, columns, basis, added }
      }),
    },
  }
}

function target(
  batch: Batch,
  table: string,
  key: readonly string[],
  write: SparkTarget['write'],
): SparkTarget {
  const { metadata } = loadedTable(batch, table)
  const schema = currentSchema(metadata)
  const head = headOf(metadata)
  const partition = defaultSpec(metadata).fields.flatMap((field) => {
    const column = fieldById(schema, field['source-id'])?.name
    return field.transform === 'identity' && column !== undefined ? [column] : []
  })
  return {
    name: table,
    table: `${batch.pipeline.namespace}.${table}`,
    columns: sparkColumns(schema),
    order: [...new Set([...partition, ...key])],
    write,
    basis: head === undefined ? null : String(head['snapshot-id']),
  }
}
