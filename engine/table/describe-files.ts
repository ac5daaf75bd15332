import type { DataFile } from '../../iceberg/spec/data-file.js'
import { NAME_MAPPING_PROPERTY, parseNameMapping } from '../../iceberg/spec/name-mapping.js'
import { defaultSpec } from '../../iceberg/spec/specs.js'
import {
  isPrimitive,
  type NestedField,
  type PrimitiveType,
  type Schema,
  type Value,
} from '../../iceberg/spec/type.js'
import { withFieldIds, type FileColumn } from '../duckdb/file-columns.js'
import { readFileSchemas } from '../duckdb/file-schemas.js'
import { quoteName, sqlType } from '../duckdb/sql-text.js'
import { EngineError, type EngineSession, type Row } from '../engine.js'
import { lowerBound, upperBound } from '../parquet/bounds.js'
import type { Basis } from './compute-change.js'
import { partitionOfFile, type ColumnRange } from './partition-of-file.js'
import { fileOfPlace, PLACE } from '../row-place.js'
import { rowValue } from './row-value.js'
import { addTarget } from './target-rows.js'

/** Parquet files of other writers as data files of the table's current spec. Errors: `data-invalid` where one does not fit. */
export async function describeFiles(
  basis: Basis,
  locations: readonly string[],
  hivePaths: boolean,
): Promise<readonly DataFile[]> {
  const { metadata, schema } = basis
  const present = await columnsOf(basis, locations)
  const bare = await Promise.all(
    locations.map((location) => bareFile(basis, location, present.get(location)?.rowCount ?? 0)),
  )
  // Without a partition, so that nothing but the files themselves says what is in them.
  const tasks = bare.map((file) => ({
    file,
    sequenceNumber: 0,
    deletes: [],
    residual: { kind: 'true' } as const,
  }))
  const name = await addTarget(basis, '_firn_added', tasks)
  const measured = await measure(await basis.session(), schema, name, locations)
  const spec = defaultSpec(metadata)
  return bare.map((file) => {
    const rows = measured.get(file.filePath)
    if (rows === undefined) throw unfit(file.filePath, 'has no rows', 'leave it out')
    const fields = schema.fields.filter((field) => present.get(file.filePath)?.ids.has(field.id) === true)
    checkRequired(file.filePath, schema, fields, rows)
    const ranges = new Map(fields.map((field) => [field.id, rangeOf(field, schema, rows)]))
    return {
      ...file,
      recordCount: Number(rows['rows']),
      partition: partitionOfFile({ location: file.filePath, schema, spec, ranges, hivePaths }),
      ...metricsOf(fields, ranges),
    }
  })
}

interface Present {
  readonly ids: ReadonlySet<number>
  readonly rowCount: number
}

/** The table's columns that each file has, by id, and its rows. */
async function columnsOf(basis: Basis, locations: readonly string[]): Promise<ReadonlyMap<string, Present>> {
  const session = await basis.session()
  const mappingText = basis.metadata.properties[NAME_MAPPING_PROPERTY]
  const mapping = mappingText === undefined ? undefined : parseNameMapping(mappingText)
  const paths = await session.openFiles(locations)
  const schemas = await readFileSchemas(
    async (sql) => (await session.query(sql, { limit: MOST_COLUMNS })).rows.map((row) => Object.values(row)),
    [...paths.values()],
    new Map(),
  )
  return new Map(
    locations.map((location) => {
      const file = schemas.get(paths.get(location) ?? '')
      const columns = withFieldIds(file?.columns ?? [], mapping, location)
      return [location, { ids: fittingIds(location, basis.schema, columns), rowCount: file?.rowCount ?? 0 }]
    }),
  )
}

const MOST_COLUMNS = 10_000_000

function fittingIds(location: string, schema: Schema, columns: readonly FileColumn[]): ReadonlySet<number> {
  const ids = new Set<number>()
  for (const column of columns) {
    const field = schema.fields.find((candidate) => candidate.id === column.fieldId)
    if (field === undefined) {
      throw unfit(
        location,
        `has a column '${column.name}', which the table lacks`,
        'add it to the schema first',
      )
    }
    if (!fits(field, column)) {
      const type = column.sqlType ?? column.kind
      const wanted = isPrimitive(field.type) ? field.type : field.type.type
      throw unfit(
        location,
        `has ${type} as column '${column.name}' of type ${wanted}`,
        'append it by a SELECT that casts',
      )
    }
    ids.add(field.id)
  }
  return ids
}

/** Types of files that readers take for a column's as they are (Iceberg spec, "Schema Evolution", promotion). */
const ALSO: Readonly<Partial<Record<PrimitiveType, readonly string[]>>> = {
  int: ['TINYINT', 'SMALLINT'],
  long: ['TINYINT', 'SMALLINT', 'INTEGER'],
  double: ['FLOAT'],
  timestamptz: ['TIMESTAMP WITH TIME ZONE'],
}

function fits({ type }: NestedField, column: FileColumn): boolean {
  if (!isPrimitive(type)) return type.type === column.kind
  const given = column.sqlType ?? ''
  const wanted = sqlType(type)
  if (given === wanted || ALSO[type]?.includes(given) === true) return true
  const [from, to] = [given, wanted].map((text) => /^DECIMAL\((\d+),\s*(\d+)\)$/.exec(text))
  return from?.[2] !== undefined && from[2] === to?.[2] && Number(from[1]) <= Number(to[1])
}

async function bareFile(
  { metadata, context }: Basis,
  location: string,
  recordCount: number,
): Promise<DataFile> {
  const { sizeBytes } = await context.catalog.io.stat(location)
  return {
    content: 'data',
    filePath: location,
    fileFormat: 'parquet',
    specId: metadata['default-spec-id'],
    partition: defaultSpec(metadata).fields.map(() => null),
    recordCount,
    fileSizeInBytes: sizeBytes,
  }
}

/** One row for each file: `rows`, and for the column at `i` its nulls `n{i}`, NaNs `x{i}`, least and greatest value. */
async function measure(
  session: EngineSession,
  schema: Schema,
  name: string,
  locations: readonly string[],
): Promise<ReadonlyMap<string, Row>> {
  const columns = schema.fields.flatMap((field, at) => {
    const column = quoteName(field.name)
    const nulls = `(count(*) - count(${column}))::DOUBLE AS n${at}`
    if (!isPrimitive(field.type)) return [nulls]
    const isFloat = field.type === 'float' || field.type === 'double'
    const only = isFloat ? ` FILTER (WHERE NOT isnan(${column}))` : ''
    const nans = isFloat ? [`(count(*) FILTER (WHERE isnan(${column})))::DOUBLE AS x${at}`] : []
    return [nulls, ...nans, `min(${column})${only} AS l${at}`, `max(${column})${only} AS u${at}`]
  })
  const { rows } = await session.query(
    `SELECT ${fileOfPlace(PLACE)}::DOUBLE AS file, ${['count(*)::DOUBLE AS rows', ...columns].join(', ')}
     FROM ${name} GROUP BY 1`,
    { limit: locations.length },
  )
  return new Map(rows.map((row) => [locations[Number(row['file'])] ?? '', row]))
}

function rangeOf(field: NestedField, schema: Schema, rows: Row): ColumnRange {
  const at = schema.fields.indexOf(field)
  const count = Number(rows['rows'])
  const value = (of: 'l' | 'u'): Value | null =>
    isPrimitive(field.type) ? rowValue(field.type, rows[`${of}${at}`]) : null
  const nans = rows[`x${at}`]
  return {
    rows: count,
    nulls: Number(rows[`n${at}`]),
    least: value('l'),
    greatest: value('u'),
    ...(nans !== undefined && { nans: Number(nans) }),
  }
}

function metricsOf(
  fields: readonly NestedField[],
  ranges: ReadonlyMap<number, ColumnRange>,
): Pick<DataFile, 'valueCounts' | 'nullValueCounts' | 'nanValueCounts' | 'lowerBounds' | 'upperBounds'> {
  const valueCounts = new Map<number, number>()
  const nullValueCounts = new Map<number, number>()
  const nanValueCounts = new Map<number, number>()
  const lowerBounds = new Map<number, Uint8Array>()
  const upperBounds = new Map<number, Uint8Array>()
  for (const { id, type } of fields) {
    const range = ranges.get(id)
    if (range === undefined || !isPrimitive(type)) continue
    valueCounts.set(id, range.rows)
    nullValueCounts.set(id, range.nulls)
    if (range.nans !== undefined) nanValueCounts.set(id, range.nans)
    if (range.least === null || range.greatest === null) continue
    lowerBounds.set(id, lowerBound(type, range.least))
    const upper = upperBound(type, range.greatest)
    if (upper !== undefined) upperBounds.set(id, upper)
  }
  return { valueCounts, nullValueCounts, nanValueCounts, lowerBounds, upperBounds }
}

function checkRequired(location: string, schema: Schema, present: readonly NestedField[], rows: Row): void {
  for (const [at, field] of schema.fields.entries()) {
    if (!field.required) continue
    const what = present.includes(field) ? `null in ${Number(rows[`n${at}`])} rows of` : 'absent from'
    if (present.includes(field) && Number(rows[`n${at}`]) === 0) continue
    throw unfit(
      location,
      `does not fit: required column '${field.name}' is ${what} it`,
      'make the column optional',
    )
  }
}

function unfit(location: string, what: string, advice: string): EngineError {
  return new EngineError('data-invalid', `${location} ${what}: ${advice}`, { context: { location } })
}
