import { currentSchema, fieldByName } from '../../iceberg/spec/schema.js'
import { EngineError, type EngineSession, type QueryResult } from '../../engine/engine.js'
import { inspectSql } from '../../engine/duckdb/inspect-sql.js'
import { quoteName } from '../../engine/duckdb/sql-text.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type { CheckedBatch, PlannedBuild } from '../../schemas/messages.js'
import type { CheckDefinition } from '../../schemas/pipeline.js'
import type { CheckResult } from '../../schemas/publish.js'
import { attachBatch, currentTasks, withoutReplaced } from '../features/batch-relations.js'
import { loadedTable, openBatch, stageOf, type Batch } from '../features/batch-state.js'
import { tasksOf } from '../staging/staged-tasks.js'
import { sampleText } from './sample-text.js'

interface Check extends CheckDefinition {
  readonly name: string
  /** What the staged files' metrics say already: no row to look for. */
  readonly isProven?: boolean
}

const SAMPLE_ROWS = 5
/** Of the samples of one batch together: results travel through the workflow, whose messages are limited. */
const SAMPLES_CHARACTERS = 60_000

/**
 * Runs the built-in checks (no null key, no two rows of one key) and the pipeline's own on the staged state of a batch.
 * Passed: no blocking check found a row. Errors: `stage-expired`, EngineError of a check's SQL.
 */
export async function runChecks(
  deps: LakeDeps,
  plan: PlannedBuild,
  control: RunControl = {},
): Promise<CheckedBatch> {
  const batch = await openBatch(deps, plan)
  return await checkState(deps, batch, stagedState(deps, batch), control)
}

/** How a check sees the tables. */
export interface CheckedState {
  /** Tables whose keys are looked at. */
  readonly tables: readonly string[]
  /** Adds the relation `batch`. */
  attachBatch(session: EngineSession): Promise<void>
  /** Adds, as `name`, what the batch adds to a table, or with `all` the table as it will be. */
  attach(session: EngineSession, table: string, name: string, all: boolean): Promise<void>
}

/** As `runChecks`, of whatever state. */
export async function checkState(
  deps: Pick<LakeDeps, 'engine'>,
  batch: Batch,
  state: CheckedState,
  { onProgress, signal }: RunControl = {},
): Promise<CheckedBatch> {
  const { plan } = batch
  const checks = [...state.tables.flatMap((table) => keyChecks(batch, table)), ...ownChecks(batch)]
  const session = await deps.engine.openSession(signal === undefined ? {} : { signal })
  try {
    await state.attachBatch(session)
    const attached = new Set(['batch'])
    const results: CheckResult[] = []
    for (const check of checks) {
      if (signal?.aborted === true)
        throw new FirnError('cancelled', `checks of ${plan.batch} were stopped as asked`)
      if (check.isProven !== true) await attachReferenced(session, batch, state, check, attached)
      results.push(await runCheck(session, check, SAMPLES_CHARACTERS - sampled(results)))
      onProgress?.(`${results.length} of ${checks.length} checks`)
    }
    return { passed: results.every((result) => result.passed || result.severity === 'warning'), results }
  } finally {
    await session.close()
  }
}

/** What holds for every table, whatever its pipeline says. */
function keyChecks(batch: Batch, table: string): readonly Check[] {
  const { key } = batch.pipeline.tables[table] ?? { key: [] }
  const columns = key.map(quoteName).join(', ')
  const isNull = key.map((column) => `${quoteName(column)} IS NULL`).join(' OR ')
  return [
    {
      name: `${table}: no null key`,
      severity: 'blocking',
      sql: `SELECT ${columns} FROM ${quoteName(table)} WHERE ${isNull}`,
      isProven: metricsShowNoNulls(batch, table, key),
    },
    {
      name: `${table}: no duplicate key`,
      severity: 'blocking',
      sql: `SELECT ${columns}, count(*) AS row_count FROM ${quoteName(table)} GROUP BY ${columns} HAVING count(*) > 1`,
    },
  ]
}

function metricsShowNoNulls(batch: Batch, table: string, key: readonly string[]): boolean {
  const schema = currentSchema(loadedTable(batch, table).metadata)
  const ids = key.map((column) => fieldByName(schema, column)?.id ?? -1)
  return stageOf(batch, table).files.every((file) => ids.every((id) => file.nullValueCounts?.get(id) === 0))
}

function ownChecks(batch: Batch): readonly Check[] {
  return Object.entries(batch.pipeline.checks ?? {}).map(([name, check]) => ({ ...check, name }))
}

function sampled(results: readonly CheckResult[]): number {
  return results.reduce((sum, { sample = '' }) => sum + sample.length, 0)
}

async function runCheck(
  session: EngineSession,
  check: Check,
  sampleCharacters: number,
): Promise<CheckResult> {
  const { name, severity } = check
  if (check.isProven === true) return { name, severity, passed: true, failingRows: 0 }
  const sql = check.sql.replace(/[;\s]+$/, '')
  const { rows } = await queryCheck(session, check, `SELECT count(*) AS failing FROM (\n${sql}\n)`)
  const failingRows = Number(rows[0]?.['failing'] ?? 0)
  if (failingRows === 0) return { name, severity, passed: true, failingRows }
  const sample = await queryCheck(
    session,
    check,
    `SELECT * FROM (\n${sql}\n) ORDER BY ALL LIMIT ${SAMPLE_ROWS}`,
  )
  return { name, severity, passed: false, failingRows, sample: sampleText(sample, sampleCharacters) }
}

async function queryCheck(session: EngineSession, check: Check, sql: string): Promise<QueryResult> {
  try {
    return await session.query(sql)
  } catch (error) {
    if (!(error instanceof EngineError)) throw error
    throw new EngineError(error.kind, `check ${check.name}: ${error.message}`, {
      context: { ...error.context, check: check.name },
      cause: error,
    })
  }
}

/** Attaches the relations that a check names and the session lacks: the batch's rows, or `all_<table>`. */
async function attachReferenced(
  session: EngineSession,
  batch: Batch,
  state: CheckedState,
  check: Check,
  attached: Set<string>,
): Promise<void> {
  const { tables } = await inspectSql(check.sql)
  for (const name of tables.filter((named) => !attached.has(named))) {
    const table = batch.tables.has(name) ? name : name.replace(/^all_/, '')
    if (!batch.tables.has(table)) {
      throw new FirnError(
        'config',
        `check ${check.name} reads ${name}, which is no table of ${batch.pipeline.name}; it has ${batch.graph.order.join(', ')}, and all_<table> of each`,
      )
    }
    await state.attach(session, table, name, name !== table)
    attached.add(name)
  }
}

function stagedState(deps: LakeDeps, batch: Batch): CheckedState {
  return {
    tables: batch.graph.order,
    attachBatch: (session) => attachBatch(session, batch),
    async attach(session, table, name, all) {
      const { metadata } = loadedTable(batch, table)
      const tasks = await tasksFor(deps, batch, table, all)
      await session.addRelation({ kind: 'scan', name, metadata, schema: currentSchema(metadata), tasks })
    },
  }
}

async function tasksFor(deps: LakeDeps, batch: Batch, table: string, withCurrent: boolean) {
  const isBuilt = table === batch.idsTable || batch.graph.order.includes(table)
  const staged = isBuilt ? stageOf(batch, table).files : []
  const current = withCurrent ? await currentTasks(deps, batch, table) : []
  return [...withoutReplaced(batch, table, current, staged), ...tasksOf(staged)]
}
