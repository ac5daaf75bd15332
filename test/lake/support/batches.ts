import { planBuild } from '../../../lake/features/plan-build.js'
import { buildTables } from '../../../lake/features/build-tables.js'
import { commitLanding } from '../../../lake/land/commit-landing.js'
import { fetchLanding } from '../../../lake/land/fetch-landing.js'
import { planLanding } from '../../../lake/land/plan-landing.js'
import { publishBatch } from '../../../lake/publish/publish-batch.js'
import { runChecks } from '../../../lake/quality/run-checks.js'
import type { LakeDeps } from '../../../schemas/lake-deps.js'
import type { BuildPlan, CheckedBatch, PlannedBuild } from '../../../schemas/messages.js'
import type { Pipeline } from '../../../schemas/pipeline.js'
import type { PublishResult, RunInfo } from '../../../schemas/publish.js'
import type { TestLake } from './lake.js'

const PROCESSED = { processing_date: 'date!', processing_batch_id: 'string!' } as const

/** A small pipeline with every kind of table: new records only, what is computed from them, and current state. */
export const labPipeline: Pipeline = {
  name: 'lab',
  namespace: 'lab_features',
  directory: '/nowhere',
  sources: {
    runs: {
      kind: 'json',
      topic: 'lab.runs',
      schema: { id: 'string', grp: 'string', values: 'list<double>', 'note?': 'string' },
      identity: ['id'],
    },
  },
  tables: {
    results: {
      sql: 'results.sql',
      schema: { run_id: 'string!', grp: 'string!', size: 'int', ...PROCESSED },
      key: ['run_id'],
      partition: ['processing_date', 'grp'],
      write: 'insert-new',
      newBy: 'run_id',
    },
    points: {
      sql: 'points.sql',
      schema: { run_id: 'string!', step: 'int!', value: 'double', ...PROCESSED },
      key: ['run_id', 'step'],
      partition: ['processing_date'],
      write: 'insert-new',
      newBy: 'run_id',
    },
    summaries: {
      sql: 'summaries.sql',
      schema: { run_id: 'string!', total: 'double', size: 'int' },
      key: ['run_id'],
      partition: [],
      write: 'insert-new',
      newBy: 'run_id',
    },
    groups: {
      sql: 'groups.sql',
      schema: { grp: 'string!', runs: 'long', total: 'double' },
      key: ['grp'],
      partition: ['grp'],
      write: 'overwrite-partitions',
    },
    notes: {
      sql: 'notes.sql',
      schema: { note: 'string!', first_run: 'string' },
      key: ['note'],
      partition: [],
      write: 'insert-new',
    },
    predictions: {
      schema: { run_id: 'string!', score: 'double' },
      key: ['run_id'],
      partition: [],
      write: 'overwrite-partitions',
    },
  },
  checks: {
    values_not_negative: {
      severity: 'blocking',
      sql: 'SELECT run_id, step, value FROM points WHERE value < 0',
    },
    runs_are_long: { severity: 'warning', sql: 'SELECT run_id FROM all_results WHERE size < 2;' },
  },
  sqlTexts: {
    'results.sql': `
      SELECT r._record_id AS run_id, r.grp, CAST(len(r.values) AS INTEGER) AS size, b.processing_date,
        b.batch_id AS processing_batch_id
      FROM runs r CROSS JOIN batch b;`,
    'points.sql': `
      WITH p AS (SELECT _record_id AS run_id, unnest(values) AS value, generate_subscripts(values, 1) AS step FROM runs)
      SELECT run_id, CAST(step AS INTEGER) AS step, value, processing_date, batch_id AS processing_batch_id
      FROM p CROSS JOIN batch`,
    'summaries.sql': `
      SELECT r.run_id, sum(p.value ORDER BY p.step) AS total, any_value(r.size) AS size
      FROM results r LEFT JOIN points p ON p.run_id = r.run_id GROUP BY r.run_id`,
    'groups.sql': `
      SELECT r.grp, count(*) AS runs, sum(s.total ORDER BY r.run_id) AS total
      FROM results r JOIN summaries s USING (run_id)
      WHERE r.grp IN (SELECT grp FROM runs) GROUP BY r.grp`,
    'notes.sql': `
      SELECT note, min(_record_id) AS first_run FROM runs WHERE note IS NOT NULL GROUP BY note`,
  },
}

export const RUN: RunInfo = { workflowId: 'build-lab', runId: 'run', startedAtMs: 0 }

export interface LabRun {
  readonly id: string
  readonly grp: string
  readonly values: readonly number[]
  readonly note?: string
}

let files = 0

/** Puts documents into the inbox and lands them. */
export async function land(lake: TestLake, batch: string, runs: readonly LabRun[]): Promise<void> {
  for (const run of runs) lake.put(`${String(++files).padStart(6, '0')}.json`, run)
  const plan = await planLanding(lake.deps, { pipeline: 'lab', from: lake.inbox, batch })
  await commitLanding(lake.deps, plan, [await fetchLanding(lake.deps, plan)])
}

export async function plan(deps: LakeDeps, batch: string, skip?: string): Promise<BuildPlan> {
  return await planBuild(deps, { pipeline: 'lab', batch, ...(skip === undefined ? {} : { skip }) })
}

export async function planned(deps: LakeDeps, batch: string): Promise<PlannedBuild> {
  const found = await plan(deps, batch)
  if (found.kind !== 'build') throw new Error(`expected a build, got ${found.kind}`)
  return found
}

/** Everything up to the publish. */
export async function stage(deps: LakeDeps, build: PlannedBuild): Promise<CheckedBatch> {
  for (const group of build.groups) await buildTables(deps, build, group)
  return await runChecks(deps, build)
}

export async function build(
  deps: LakeDeps,
  batch: string,
  skip?: string,
): Promise<PublishResult | undefined> {
  const found = await plan(deps, batch, skip)
  if (found.kind === 'nothing-new') return undefined
  if (found.kind === 'already-published') return found.result
  if (found.kind !== 'build') throw new Error(`expected a build, got ${found.kind}`)
  const checks = await stage(deps, found)
  return await publishBatch(deps, { plan: found, checks, run: RUN })
}

/** All rows of all the pipeline's tables that do not tell when or by whom they were written. */
export async function contents(lake: TestLake): Promise<Record<string, unknown>> {
  const tables: Record<string, unknown> = {}
  for (const [table, { key }] of Object.entries(labPipeline.tables)) {
    tables[table] = await lake.rows(`lab_features.${table}`, key.join(', '))
  }
  tables['runs_ids'] = await lake.rows('lab_features.runs_ids', 'record_id')
  return tables
}

export async function auditRows(lake: TestLake) {
  return await lake.rows('lab_features.processing_metadata', 'input_to, processing_batch_id, status')
}
