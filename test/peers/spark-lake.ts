import { dirname, join } from 'node:path'
import type { Row, RowValue } from '../../engine/engine.js'
import { runSql } from '../../lake/query/sql.js'
import { buildTables } from '../../lake/features/build-tables.js'
import { planBuild } from '../../lake/features/plan-build.js'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import { publishBatch } from '../../lake/publish/publish-batch.js'
import { checkRebuild } from '../../lake/rebuild/check-rebuild.js'
import { planRebuild } from '../../lake/rebuild/plan-rebuild.js'
import { publishRebuild } from '../../lake/rebuild/publish-rebuild.js'
import { rebuildTables } from '../../lake/rebuild/rebuild-tables.js'
import { runChecks } from '../../lake/quality/run-checks.js'
import { buildOnSpark } from '../../lake/spark/build-on-spark.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type { PlannedBuild } from '../../schemas/messages.js'
import type { PublishResult } from '../../schemas/publish.js'
import { peers } from './peer-process.js'

/** Settings of a small Spark on this machine, out of the peers' cache. */
export function sparkEnv(): Record<string, string> {
  return {
    FIRN_SPARK_SUBMIT: join(dirname(peers.python!), 'spark-submit'),
    FIRN_SPARK_MASTER: 'local[2]',
    FIRN_SPARK_JARS: peers.sparkJars?.find((jar) => jar.includes('spark-runtime')) ?? '',
    FIRN_SPARK_CONF: JSON.stringify({
      'spark.driver.memory': '1g',
      'spark.sql.shuffle.partitions': '2',
      ...peers.spark,
      // A handful of rows: to compile for them costs more than they do.
      'spark.sql.codegen.wholeStage': 'false',
      'spark.sql.codegen.factoryMode': 'NO_CODEGEN',
      'spark.sql.adaptive.enabled': 'false',
    }),
  }
}

const RUN = { workflowId: 'w', runId: 'r', startedAtMs: 0 }
const QUIET = { onProgress: () => undefined, signal: new AbortController().signal }

/** Lands what is in a folder and plans the batch. */
export async function landAndPlan(
  deps: LakeDeps,
  night: { readonly pipeline: string; readonly batch: string; readonly from: string },
): Promise<PlannedBuild> {
  const landing = await planLanding(deps, night)
  await commitLanding(deps, landing, [await fetchLanding(deps, landing, 0, QUIET)])
  const plan = await planBuild(deps, night)
  if (plan.kind !== 'build') throw new Error(`nothing to build: ${plan.kind}`)
  return plan
}

export async function build(deps: LakeDeps, plan: PlannedBuild, control: RunControl = {}): Promise<void> {
  const onSpark = plan.engine === 'spark'
  for (const tables of plan.groups)
    await (onSpark ? buildOnSpark : buildTables)(deps, plan, tables, { ...QUIET, ...control })
}

/** A batch that was published, once more. */
export async function rebuild(
  deps: LakeDeps,
  of: { readonly pipeline: string; readonly batch: string },
): Promise<PublishResult> {
  const plan = await planRebuild(deps, of)
  await rebuildTables(deps, plan, QUIET)
  return await publishRebuild(deps, { plan, checks: await checkRebuild(deps, plan), run: RUN })
}

export async function publish(deps: LakeDeps, plan: PlannedBuild): Promise<PublishResult> {
  const checks = await runChecks(deps, plan)
  return await publishBatch(deps, { plan, checks, run: RUN })
}

/** What differs between a table's rows in two lakes, in words; floats may by 1e-12 of their size. At most three. */
export async function differences(
  here: LakeDeps,
  there: LakeDeps,
  table: string,
  order: readonly string[],
): Promise<readonly string[]> {
  const sql = `SELECT * FROM ${table} ORDER BY ${order.join(', ')}`
  const [left, right] = await Promise.all(
    [here, there].map(async (deps) => (await runSql(deps, { sql, limit: 1_000_000 })).rows),
  )
  if (left!.length !== right!.length) return [`${table}: ${left!.length} rows and ${right!.length}`]
  return left!.flatMap((row, at) => columnsApart(table, at, row, right![at]!)).slice(0, 3)
}

function columnsApart(table: string, at: number, left: Row, right: Row): readonly string[] {
  return Object.keys({ ...left, ...right })
    .filter((column) => !equal(left[column] ?? null, right[column] ?? null))
    .map((column) => `${table}.${column}, row ${at}: ${text(left[column])} and ${text(right[column])}`)
}

function equal(left: RowValue, right: RowValue): boolean {
  if (typeof left === 'number' && typeof right === 'number')
    return (
      Object.is(left, right) || Math.abs(left - right) <= 1e-12 * Math.max(Math.abs(left), Math.abs(right))
    )
  if (Array.isArray(left) && Array.isArray(right))
    return (
      left.length === right.length && left.every((one, at) => equal(one as RowValue, right[at] as RowValue))
    )
  return text(left) === text(right)
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? `${one}n` : one))
}
