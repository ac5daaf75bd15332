import { inspectSql } from '../../engine/duckdb/inspect-sql.js'
import type { Engine, EngineSession, QueryResult } from '../../engine/engine.js'
import type { Schema, Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { FirnError } from '../../schemas/error.js'
import { BATCH_COLUMNS, ENVELOPE_COLUMNS } from '../../schemas/lake-tables.js'
import type { ModelDefinition, Pipeline, TableDefinition } from '../../schemas/pipeline.js'
import { parseDocumentSchema, parseTableSchema } from '../../schemas/table-schema.js'
import { fitsColumn, isNumber } from './column-types.js'
import { definePipeline } from './define-pipeline.js'
import { sqlOf, tableDependencies, unknownRelations } from './dependencies.js'
import { clockOrChance } from './clock-or-chance.js'
import { WINDOW_COLUMNS } from './window-problems.js'

export interface Problem {
  /** `tables.vqe_results`, `checks.energies_finite`, … */
  readonly where: string
  readonly message: string
}

/**
 * Everything that can be said of a pipeline before it runs: its definition, what its SQL reads, circles, aggregates
 * whose result hangs on the order of rows, and, by running each SELECT on empty relations, its columns and types.
 */
export async function checkPipeline(pipeline: Pipeline, engine: Engine): Promise<readonly Problem[]> {
  const definition = await problemsOf(pipeline.name, () =>
    Promise.resolve(definePipeline(definitionOf(pipeline))),
  )
  if (definition.length > 0) return definition
  const session = await engine.openSession()
  try {
    await addEmptyRelations(session, pipeline)
    const problems: Problem[] = []
    for (const [name, table] of Object.entries(pipeline.tables)) {
      if (table.window === undefined) problems.push(...(await tableProblems(session, pipeline, name, table)))
    }
    problems.push(...(await windowTableProblems(engine, pipeline)))
    for (const [name, model] of Object.entries(pipeline.models ?? {})) {
      problems.push(...(await modelProblems(session, pipeline, name, model)))
    }
    for (const [name, check] of Object.entries(pipeline.checks ?? {})) {
      problems.push(...(await checkProblems(session, pipeline, name, check.sql)))
    }
    // Unknown names are told above, table by table; what is left are circles.
    if (problems.length === 0)
      problems.push(...(await problemsOf('tables', () => tableDependencies(pipeline))))
    return problems
  } finally {
    await session.close()
  }
}

function definitionOf(pipeline: Pipeline): Parameters<typeof definePipeline>[0] {
  const { name, namespace, sources, tables, checks, models, schedule } = pipeline
  return {
    ...{ name, namespace, sources, tables },
    ...(checks === undefined ? {} : { checks }),
    ...(models === undefined ? {} : { models }),
    ...(schedule === undefined ? {} : { schedule }),
  }
}

/** A table's name and all_<table> are the same empty relation: checks may say either. */
async function addEmptyRelations(session: EngineSession, pipeline: Pipeline): Promise<void> {
  const empty = async (name: string, schema: Schema): Promise<void> =>
    session.addRelation({ kind: 'scan', name, schema, tasks: [] })
  await empty('batch', parseTableSchema(BATCH_COLUMNS))
  for (const [name, source] of Object.entries(pipeline.sources)) {
    const schema = parseDocumentSchema(source.schema)
    const envelope = parseTableSchema(ENVELOPE_COLUMNS)
    await session.addRelation({ kind: 'raw', name, schema, envelope, objects: [] })
  }
  for (const [name, table] of Object.entries(pipeline.tables)) {
    const schema = parseTableSchema(table.schema)
    await empty(name, schema)
    await empty(`all_${name}`, schema)
  }
}

/** To a window table its source has further columns, and there is nothing else to read. */
async function windowTableProblems(engine: Engine, pipeline: Pipeline): Promise<readonly Problem[]> {
  const windows = Object.entries(pipeline.tables).filter(([, table]) => table.window !== undefined)
  if (windows.length === 0) return []
  const session = await engine.openSession()
  try {
    for (const [name, source] of Object.entries(pipeline.sources)) {
      const schema = parseDocumentSchema(source.schema)
      const raw = `_landed_${name}`
      const envelope = parseTableSchema(ENVELOPE_COLUMNS)
      await session.addRelation({ kind: 'raw', name: raw, schema, envelope, objects: [] })
      const times = WINDOW_COLUMNS.map((column) => `NULL::TIMESTAMPTZ AS ${column}`)
      await session.addRelation({ kind: 'query', name, sql: `SELECT *, ${times.join(', ')} FROM ${raw}` })
    }
    const problems: Problem[] = []
    for (const [name, table] of windows)
      problems.push(...(await tableProblems(session, pipeline, name, table)))
    return problems
  } finally {
    await session.close()
  }
}

async function tableProblems(
  session: EngineSession,
  pipeline: Pipeline,
  name: string,
  table: TableDefinition,
): Promise<readonly Problem[]> {
  const where = `tables.${name}`
  if (table.sql === undefined) {
    const isPredicted = Object.values(pipeline.models ?? {}).some((model) => model.predictions === name)
    return isPredicted
      ? []
      : [{ where, message: 'it has no SQL and no model writes predictions to it; give it one' }]
  }
  const sql = sqlOf(pipeline, table.sql)
  const problems = await sqlProblems(pipeline, where, sql, (names) => unknownRelations(pipeline, names))
  if (problems.length > 0) return problems
  return await columnsOf(session, where, sql, ({ columns }) => {
    const schema = parseTableSchema(table.schema)
    const given = new Map(columns.map((column) => [column.name, column.type]))
    return [
      ...columns
        .filter(({ name: column }) => !Object.hasOwn(table.schema, column))
        .map(({ name: column }) => `the SELECT gives ${column}, which is not in the schema`),
      ...schema.fields.flatMap((field) => {
        const type = given.get(field.name)
        if (type === undefined) return [`the SELECT lacks column ${field.name}`]
        if (fitsColumn(field.type, type)) return []
        return [
          `column ${field.name} is ${type} in the SELECT, declared is ${table.schema[field.name] ?? ''}: cast it`,
        ]
      }),
    ]
  })
}

async function modelProblems(
  session: EngineSession,
  pipeline: Pipeline,
  name: string,
  model: ModelDefinition,
): Promise<readonly Problem[]> {
  const where = `models.${name}`
  const sql = sqlOf(pipeline, model.features)
  const problems = await sqlProblems(pipeline, where, sql, (names) =>
    names
      .filter((table) => !model.reads.includes(table))
      .map((table) => `${table}, which is not among its \`reads\`: ${model.reads.join(', ')}`),
  )
  if (problems.length > 0) return problems
  return await columnsOf(session, where, sql, ({ columns }) => {
    const given = new Map(columns.map((column) => [column.name, column.type]))
    const wanted = ['entity', 'group', 'label', ...model.numeric, ...model.categorical]
    return [
      ...wanted.filter((column) => !given.has(column)).map((column) => `the SELECT lacks column ${column}`),
      ...model.numeric
        .filter((column) => given.has(column) && !isNumber(given.get(column) ?? ''))
        .map(
          (column) =>
            `feature ${column} is ${given.get(column) ?? ''}, not a number: cast it, or name it categorical`,
        ),
    ]
  })
}

async function checkProblems(
  session: EngineSession,
  pipeline: Pipeline,
  name: string,
  sql: string,
): Promise<readonly Problem[]> {
  const where = `checks.${name}`
  const known = new Set(Object.keys(pipeline.tables).map((table) => `all_${table}`))
  const inspected = await problemsOf(where, async () => {
    const { tables } = await inspectSql(sql)
    const unknown = unknownRelations(
      pipeline,
      tables.filter((table) => !known.has(table)),
    )
    if (unknown.length > 0) throw new FirnError('config', `it reads ${unknown.join('; ')}`)
  })
  return inspected.length > 0 ? inspected : await columnsOf(session, where, sql, () => [])
}

/** What the text alone shows. */
async function sqlProblems(
  pipeline: Pipeline,
  where: string,
  sql: string,
  unknown: (names: readonly string[]) => readonly string[],
): Promise<readonly Problem[]> {
  const messages: string[] = []
  const failed = await problemsOf(where, async () => {
    const found = await inspectSql(sql, { isExactColumn: exactColumns(pipeline) })
    if (found.statementType !== 'select') messages.push('it is not a SELECT; write one SELECT')
    messages.push(...unknown(found.tables).map((name) => `it reads ${name}`))
    messages.push(
      ...found.tableFunctions
        .filter((name) => /^read_|_scan$|^(glob|sniff_csv|parquet_.*|query|query_table)$/.test(name))
        .map((name) => `${name}() reads past the lake: use sources and tables`),
      ...found.unorderedFloatAggregates.map(
        (text) => `${text} differs from run to run: give its argument an order, e.g. sum(x ORDER BY key)`,
      ),
      ...clockOrChance(sql).map((call) => `${call} differs from run to run: use the columns of \`batch\``),
    )
  })
  return [...failed, ...messages.map((message) => ({ where, message }))]
}

async function columnsOf(
  session: EngineSession,
  where: string,
  sql: string,
  judge: (result: QueryResult) => readonly string[],
): Promise<readonly Problem[]> {
  const messages: string[] = []
  const failed = await problemsOf(where, async () => {
    messages.push(...judge(await session.query(`SELECT * FROM (\n${sql.replace(/;\s*$/, '')}\n) LIMIT 0`)))
  })
  return [...failed, ...messages.map((message) => ({ where, message }))]
}

async function problemsOf(where: string, run: () => Promise<unknown>): Promise<readonly Problem[]> {
  try {
    await run()
    return []
  } catch (error) {
    return [{ where, message: error instanceof Error ? error.message : String(error) }]
  }
}

/** A column name that means an integer, boolean or decimal wherever the pipeline has it. */
function exactColumns(pipeline: Pipeline): (column: string) => boolean {
  const exact = new Map<string, boolean>()
  const note = (type: Type, name: string): void => {
    if (isPrimitive(type)) {
      const isExact = /^(int|long|boolean|decimal.*)$/.test(type)
      exact.set(name, isExact && exact.get(name) !== false)
    } else if (type.type === 'list') note(type.element, name)
    else if (type.type === 'struct') for (const field of type.fields) note(field.type, field.name)
    else note(type.value, name)
  }
  for (const table of Object.values(pipeline.tables)) note(parseTableSchema(table.schema), '')
  for (const source of Object.values(pipeline.sources)) note(parseDocumentSchema(source.schema), '')
  return (column) => exact.get(column) === true
}
