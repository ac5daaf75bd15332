import { planBuild } from '../../../lake/features/plan-build.js'
import { publishBatch } from '../../../lake/publish/publish-batch.js'
import { checkRebuild } from '../../../lake/rebuild/check-rebuild.js'
import { planRebuild } from '../../../lake/rebuild/plan-rebuild.js'
import { publishRebuild } from '../../../lake/rebuild/publish-rebuild.js'
import { rebuildTables } from '../../../lake/rebuild/rebuild-tables.js'
import type { LakeDeps } from '../../../schemas/lake-deps.js'
import type { Pipeline } from '../../../schemas/pipeline.js'
import type { PublishResult } from '../../../schemas/publish.js'
import type { RebuildBatchInput } from '../../../schemas/rebuild-messages.js'
import { labPipeline, RUN, stage } from './batches.js'
import type { TestLake } from './lake.js'

const { results, points, summaries, groups, notes } = labPipeline.tables
const BY = { processing_batch_id: 'string' } as const

/** The lab with every write mode, tables that read tables of each, and rows that say their batch, but for summaries. */
export const rebuildPipeline: Pipeline = {
  ...labPipeline,
  tables: {
    results: results!,
    points: points!,
    summaries: summaries!,
    groups: { ...groups!, schema: { ...groups!.schema, ...BY } },
    notes: { ...notes!, schema: { ...notes!.schema, ...BY } },
    journal: {
      sql: 'journal.sql',
      schema: { run_id: 'string!', known_notes: 'long', ...BY },
      key: ['run_id'],
      partition: [],
      write: 'append',
    },
    latest: {
      sql: 'latest.sql',
      schema: { grp: 'string!', runs: 'long', ...BY },
      key: ['grp'],
      partition: ['grp'],
      write: 'overwrite-partitions',
    },
  },
  checks: { values_not_negative: labPipeline.checks!['values_not_negative']! },
  sqlTexts: {
    ...labPipeline.sqlTexts,
    'groups.sql': `
      SELECT r.grp, count(*) AS runs, sum(s.total ORDER BY r.run_id) AS total, any_value(b.batch_id) AS processing_batch_id
      FROM results r JOIN summaries s USING (run_id) CROSS JOIN batch b
      WHERE r.grp IN (SELECT grp FROM runs) GROUP BY r.grp`,
    'notes.sql': `
      SELECT note, min(_record_id) AS first_run, any_value(batch_id) AS processing_batch_id
      FROM runs CROSS JOIN batch WHERE note IS NOT NULL GROUP BY note`,
    'journal.sql': `
      SELECT _record_id || '@' || batch_id AS run_id, (SELECT count(*) FROM notes) AS known_notes,
        batch_id AS processing_batch_id
      FROM runs CROSS JOIN batch`,
    'latest.sql': `
      SELECT grp, count(*) AS runs, any_value(batch_id) AS processing_batch_id FROM runs CROSS JOIN batch GROUP BY grp`,
  },
}

/** Another definition of nearly every table: groups, notes and totals come out otherwise, some rows not at all. */
export const changedPipeline: Pipeline = {
  ...rebuildPipeline,
  sqlTexts: {
    ...rebuildPipeline.sqlTexts,
    'results.sql': `
      SELECT r._record_id AS run_id, upper(r.grp) AS grp, CAST(len(r.values) AS INTEGER) AS size, b.processing_date,
        b.batch_id AS processing_batch_id
      FROM runs r CROSS JOIN batch b WHERE len(r.values) > 1`,
    'groups.sql': rebuildPipeline.sqlTexts['groups.sql']!.replace(
      'SELECT grp FROM',
      'SELECT upper(grp) FROM',
    ),
    'notes.sql': rebuildPipeline.sqlTexts['notes.sql']!.replaceAll(/\bnote\b(?! IS)/g, 'note[1:1]').replace(
      'SELECT note[1:1],',
      'SELECT note[1:1] AS note,',
    ),
    'latest.sql': rebuildPipeline.sqlTexts['latest.sql']!.replace('GROUP', 'WHERE len(values) > 1 GROUP'),
  },
}

export function withPipeline(lake: TestLake, pipeline: Pipeline): LakeDeps {
  return { ...lake.deps, pipelines: new Map([[pipeline.name, pipeline]]) }
}

export async function buildOf(deps: LakeDeps, batch: string, onChange?: 'forward'): Promise<PublishResult> {
  const found = await planBuild(deps, { pipeline: 'lab', batch, ...(onChange && { onChange }) })
  if (found.kind !== 'build') throw new Error(`expected a build, got ${found.kind}`)
  return await publishBatch(deps, { plan: found, checks: await stage(deps, found), run: RUN })
}

export async function rebuild(
  deps: LakeDeps,
  batch: string,
  more: Omit<RebuildBatchInput, 'pipeline' | 'batch'> = {},
): Promise<PublishResult> {
  const plan = await planRebuild(deps, { pipeline: 'lab', batch, ...more })
  await rebuildTables(deps, plan)
  const checks = await checkRebuild(deps, plan)
  return await publishRebuild(deps, { plan, checks, run: RUN })
}

/** This batch and every later one, in order. */
export async function rebuildForward(deps: LakeDeps, batch: string): Promise<void> {
  const plan = await planRebuild(deps, { pipeline: 'lab', batch, forward: true, dryRun: true })
  for (const one of [batch, ...plan.later]) await rebuild(deps, one, { forward: true })
}

/** All rows of the pipeline's tables, and the ids. */
export async function rowsOf(lake: TestLake): Promise<Record<string, readonly object[]>> {
  const tables: Record<string, readonly object[]> = {}
  for (const [table, { key }] of Object.entries(rebuildPipeline.tables))
    tables[table] = await lake.rows(`lab_features.${table}`, [...key].join(', '))
  tables['runs_ids'] = await lake.rows('lab_features.runs_ids', 'record_id')
  return tables
}
