import type { SparkCheck } from '../../engine/spark/spark-job.js'
import { sparkColumns } from '../../engine/spark/spark-type.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import { BATCH_COLUMNS, ENVELOPE_COLUMNS } from '../../schemas/lake-tables.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { parseDocumentSchema, parseTableSchema } from '../../schemas/table-schema.js'
import type { Problem } from '../define/check-sql.js'
import { ownSparkSql } from '../define/own-spark-sql.js'
import { pipelineGraph } from '../features/pipeline-graph.js'
import { columnKinds, sparkSqlOf } from './spark-sql.js'

/**
 * Whether Spark can build a pipeline's tables: the SQL of each is translated and tried by Spark itself on empty relations.
 * Nothing of the lake is read.
 */
export async function checkOnSpark(
  deps: Pick<LakeDeps, 'spark'>,
  pipeline: Pipeline,
  control: RunControl = {},
): Promise<readonly Problem[]> {
  if (deps.spark === undefined) throw new FirnError('config', 'this process has no Spark')
  const problems: Problem[] = []
  await deps.spark.run(await sparkCheck(pipeline), {
    ...control,
    onProblem: ({ table, message }) => {
      const path = ownSparkSql(pipeline.tables[table ?? '']?.sql ?? `${table ?? ''}.sql`)
      const own = pipeline.sqlTexts[path]
      const next = own === undefined ? `write the table's SQL for Spark in ${path}` : `correct ${path}`
      problems.push({ where: `tables.${table ?? ''}`, message: `${message}; ${next}` })
    },
  })
  return problems
}

async function sparkCheck(pipeline: Pipeline): Promise<SparkCheck> {
  const envelope = sparkColumns(parseTableSchema(ENVELOPE_COLUMNS))
  const sources = Object.entries(pipeline.sources).map(([name, source]) => {
    const document = sparkColumns(parseDocumentSchema(source.schema))
    const landed = envelope.map(([column, type]) => [`_${column}`, type, false] as const)
    return [name, [...document, ...landed]] as const
  })
  const tables = Object.entries(pipeline.tables).map(
    ([name, { schema }]) => [name, sparkColumns(parseTableSchema(schema))] as const,
  )
  const { order } = await pipelineGraph(pipeline)
  return {
    kind: 'check',
    application: `firn check ${pipeline.name}`,
    relations: Object.fromEntries([
      ...[...sources, ...tables],
      ['batch', sparkColumns(parseTableSchema(BATCH_COLUMNS))],
    ]),
    tables: order.map((name) => ({
      name,
      columns: sparkColumns(parseTableSchema(pipeline.tables[name]?.schema ?? {})),
      ...sparkSqlOf(pipeline, name),
    })),
    types: columnKinds(pipeline),
  }
}
