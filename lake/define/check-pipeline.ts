import { inspectSql } from '../../engine/duckdb/inspect-sql.js'
import type { Engine, EngineSession } from '../../engine/engine.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { FirnError } from '../../schemas/error.js'
import { BATCH_COLUMNS, ENVELOPE_COLUMNS } from '../../schemas/lake-tables.js'
import type { Pipeline, PipelineDefinition, TableDefinition } from '../../schemas/pipeline.js'
import { parseDocumentSchema, parseTableSchema } from '../../schemas/table-schema.js'
import { fitsColumn } from '../../schemas/column-types.js'
import { definePipeline } from './define-pipeline.js'
import { columnsOf, problemsOf, sqlProblems, type Problem } from './check-sql.js'
import { viewProblems } from './check-views.js'
import { sqlOf, tableDependencies, unknownRelations } from './dependencies.js'
import { WINDOW_COLUMNS } from './window-problems.js'

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
    problems.push(...(await viewProblems(engine, pipeline)))
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

/** The definition alone, as its file has it. */
function definitionOf(pipeline: Pipeline): PipelineDefinition {
  const members = Object.entries(pipeline).filter(([name]) => name !== 'directory' && name !== 'sqlTexts')
  return Object.fromEntries(members) as unknown as PipelineDefinition
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
  const problems = await sqlProblems(pipeline, where, sql, (names) =>
    unknownRelations(pipeline, names).map((name) => `it reads ${name}`),
  )
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
