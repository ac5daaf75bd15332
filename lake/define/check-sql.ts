import { inspectSql } from '../../engine/duckdb/inspect-sql.js'
import type { EngineSession, QueryResult } from '../../engine/engine.js'
import type { Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { parseDocumentSchema, parseTableSchema } from '../../schemas/table-schema.js'
import { clockOrChance } from './clock-or-chance.js'

/** What is wrong with a part of a pipeline. */
export interface Problem {
  /** `tables.vqe_results`, `checks.energies_finite`, … */
  readonly where: string
  readonly message: string
}

/** What the text alone shows. */
export async function sqlProblems(
  pipeline: Pipeline,
  where: string,
  sql: string,
  ofNames: (names: readonly string[]) => readonly string[],
  instead = 'the columns of `batch`',
): Promise<readonly Problem[]> {
  const messages: string[] = []
  const failed = await problemsOf(where, async () => {
    const found = await inspectSql(sql, { isExactColumn: exactColumns(pipeline) })
    if (found.statementType !== 'select') messages.push('it is not a SELECT; write one SELECT')
    messages.push(...ofNames(found.tables))
    messages.push(
      ...found.tableFunctions
        .filter((name) => /^read_|_scan$|^(glob|sniff_csv|parquet_.*|query|query_table)$/.test(name))
        .map((name) => `${name}() reads past the lake: use sources and tables`),
      ...found.unorderedFloatAggregates.map(
        (text) => `${text} differs from run to run: give its argument an order, e.g. sum(x ORDER BY key)`,
      ),
      ...clockOrChance(sql).map((call) => `${call} differs from run to run: use ${instead}`),
    )
  })
  return [...failed, ...messages.map((message) => ({ where, message }))]
}

/** What running it on empty relations shows. */
export async function columnsOf(
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

/** What was thrown, as a problem. */
export async function problemsOf(where: string, run: () => Promise<unknown>): Promise<readonly Problem[]> {
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
