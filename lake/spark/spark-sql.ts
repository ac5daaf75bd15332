import { isPrimitive } from '../../iceberg/spec/type.js'
import type { Type } from '../../iceberg/spec/type.js'
import type { ColumnKinds, SparkSql } from '../../engine/spark/spark-job.js'
import { BATCH_COLUMNS, ENVELOPE_COLUMNS } from '../../schemas/lake-tables.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { parseDocumentSchema, parseTableSchema } from '../../schemas/table-schema.js'
import { sqlOf } from '../define/dependencies.js'
import { ownSparkSql } from '../define/own-spark-sql.js'

/** A table's SELECT for Spark: its own, or DuckDB's to be translated. */
export function sparkSqlOf(pipeline: Pipeline, table: string): SparkSql {
  const { sql = '' } = pipeline.tables[table] ?? {}
  const own = pipeline.sqlTexts[ownSparkSql(sql)]
  return own === undefined
    ? { sql: sqlOf(pipeline, sql), dialect: 'duckdb' }
    : { sql: own.replace(/;\s*$/, ''), dialect: 'spark' }
}

/** What a column's name means, where it means one thing in all of a pipeline's sources and tables. */
export function columnKinds(pipeline: Pipeline): ColumnKinds {
  const kinds = new Map<string, Kind>()
  const note = (type: Type, name: string): void => {
    const kind = kindOf(type)
    kinds.set(name, kinds.get(name) === undefined || kinds.get(name) === kind ? kind : 'other')
    if (isPrimitive(type)) return
    if (type.type === 'struct') for (const field of type.fields) note(field.type, field.name)
    if (type.type === 'list' && !isPrimitive(type.element) && type.element.type === 'struct')
      for (const field of type.element.fields) note(field.type, field.name)
  }
  const schemas = [
    ...Object.values(pipeline.sources).map((source) => parseDocumentSchema(source.schema)),
    ...Object.values(pipeline.tables).map((table) => parseTableSchema(table.schema)),
    parseTableSchema(BATCH_COLUMNS),
  ]
  for (const schema of schemas) for (const field of schema.fields) note(field.type, field.name)
  for (const field of parseTableSchema(ENVELOPE_COLUMNS).fields) note(field.type, `_${field.name}`)
  return Object.fromEntries(
    [...kinds].filter((entry): entry is [string, ColumnKinds[string]] => entry[1] !== 'other'),
  )
}

type Kind = ColumnKinds[string] | 'other'

function kindOf(type: Type): Kind {
  if (!isPrimitive(type)) return type.type === 'list' ? 'list' : 'other'
  if (type === 'int' || type === 'long') return 'integer'
  return type === 'string' || type === 'uuid' ? 'text' : 'other'
}
