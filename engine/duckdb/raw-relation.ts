import type { Schema, Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import type { RawObject, Relation } from '../engine.js'
import { EngineError } from '../engine.js'
import type { LocalFiles } from '../local-files.js'
import { quoteName, quotePath, quoteText, sqlType } from './sql-text.js'

/**
 * SELECT of landed records: the document's fields under their names, the envelope's with an underscore. Documents were
 * checked when they landed; what a field's type cannot hold is null, fields that the schema lacks are left out. A schema
 * without fields leaves the documents unread.
 */
export async function rawSql(
  files: LocalFiles,
  relation: Extract<Relation, { readonly kind: 'raw' }>,
): Promise<string> {
  const { envelope, schema, objects, marked = false } = relation
  refuseClashes(schema, envelope)
  const documentColumns = schema.fields.map((field) => `d.${quoteName(field.name)}`)
  const envelopeColumns = envelope.fields.map((field) => quoteName(`_${field.name}`))
  if (objects.length === 0) return emptySql(schema, envelope, marked)
  const opened = await files.open(objects.map(({ location }) => ({ location })))
  const pathOf = (object: RawObject): string => opened.get(object.location) ?? object.location
  const paths = objects.map((object) => quotePath(pathOf(object)))
  const ranges = objects.map(
    (object) => `(${quoteText(pathOf(object))}, ${object.first}, ${object.end}, ${object.mark ?? 0}::BIGINT)`,
  )
  const columns = [...envelope.fields.map((field) => `${quoteName(field.name)}: ${jsonColumn(field.type)}`)]
  const read = envelope.fields.map((field) => `l.${quoteName(field.name)} AS ${quoteName(`_${field.name}`)}`)
  const markColumn = marked ? [MARK] : []
  if (marked) read.push(`r.mark AS ${MARK}`)
  const fields = [...columns, ...(schema.fields.length === 0 ? [] : ["payload: 'VARCHAR'"])]
  const document =
    schema.fields.length === 0
      ? 'NULL'
      : `json_transform(l.payload, ${quoteText(JSON.stringify(jsonStructure(schema)))})`
  return `SELECT ${[...documentColumns, ...envelopeColumns, ...markColumn].join(', ')} FROM (
    SELECT ${document} AS d, ${read.join(', ')}
    FROM read_json([${paths.join(', ')}], format = 'newline_delimited', filename = '_firn_file', hive_partitioning = false,
      maximum_object_size = ${longestLine(objects)}, columns = {${fields.join(', ')}}) l
    JOIN (VALUES ${ranges.join(', ')}) r(file, first, past, mark) ON l."_firn_file" = r.file
    WHERE l."offset" >= r.first AND l."offset" < r.past)`
}

const MARK = '_mark'

/** DuckDB's own limit for one line. Each thread allocates twice the limit, so it is raised for long lines only. */
const LINE_BYTES = 16 * 1024 * 1024
const UNKNOWN_LINE_BYTES = 128 * 1024 * 1024

function longestLine(objects: readonly RawObject[]): number {
  return objects.reduce(
    (most, { maxLineBytes }) => Math.max(most, maxLineBytes ?? UNKNOWN_LINE_BYTES),
    LINE_BYTES,
  )
}

function jsonColumn(type: Type): string {
  return quoteText(sqlType(type))
}

/** The structure that `json_transform` takes: names and SQL types, nested as the document is. */
function jsonStructure(type: Type): unknown {
  if (isPrimitive(type)) return sqlType(type)
  switch (type.type) {
    case 'struct':
      return Object.fromEntries(type.fields.map((field) => [field.name, jsonStructure(field.type)]))
    case 'list':
      return [jsonStructure(type.element)]
    case 'map':
      if (type.key !== 'string') throw new EngineError('unsupported', 'a map in a document has string keys')
      return sqlType(type)
  }
}

function emptySql(schema: Schema, envelope: Schema, marked: boolean): string {
  const columns = [
    ...schema.fields.map((field) => [field.name, field.type] as const),
    ...envelope.fields.map((field) => [`_${field.name}`, field.type] as const),
  ]
  return `SELECT ${columns.map(([name, type]) => `NULL::${sqlType(type)} AS ${quoteName(name)}`).join(', ')}${marked ? `, NULL::BIGINT AS ${MARK}` : ''} WHERE false`
}

function refuseClashes(schema: Schema, envelope: Schema): void {
  const names = new Set(envelope.fields.map((field) => `_${field.name}`))
  const clash = schema.fields.find((field) => names.has(field.name.toLowerCase()))
  if (clash === undefined) return
  throw new EngineError('sql-invalid', `document field '${clash.name}' has the name of an envelope column`)
}
