import { EngineError } from '../../engine/engine.js'
import type { SparkStaged } from '../../engine/spark/spark-job.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type { BuiltTables, PlannedBuild } from '../../schemas/messages.js'
import { definitionFingerprint } from '../define/fingerprint.js'
import { loadedTable, openBatch, stageOf, type Batch } from '../features/batch-state.js'
import { stageTables } from '../features/build-tables.js'
import { stageRows } from '../features/stage-rows.js'
import { addedFiles } from './added-files.js'
import { engineRuns } from './engine-of.js'
import { planSparkBuild } from './plan-spark-build.js'
import { dropStageBranches, showOnBranch, stageBranch, standsOn } from './stage-branch.js'

/**
 * Builds tables of a batch, those on Spark that are to be: Spark writes each to the branch `stage_<batch>`, and the files
 * that it added are staged like DuckDB's, table by table, so that a killed session goes on where it was. Main is not
 * touched. Errors: EngineError in Spark's words, FirnError `config` where no Spark is there, `stage-expired`, `cancelled`.
 */
export async function buildOnSpark(
  deps: LakeDeps,
  plan: PlannedBuild,
  tables: readonly string[],
  control: RunControl = {},
): Promise<BuiltTables> {
  const batch = await openPlanned(deps, plan)
  const reads = (table: string): readonly string[] => batch.graph.reads(table).tables
  for (const { engine, tables: run } of engineRuns(deps, batch.pipeline, tables, reads))
    await (engine === 'spark' ? stageOnSpark : stageTables)(deps, batch, run, control)
  return {
    tables: tables.map((table) => {
      const { rows, files } = stageOf(batch, table)
      return { table, rows, files: files.length }
    }),
    duplicates: stageOf(batch, batch.idsTable).duplicates,
  }
}

/** What makes a job out of the tables that are not staged; by default, that of a batch that is built for the first time. */
export interface SparkBuildKind {
  readonly plan: typeof planSparkBuild
  /** Rows go to the branch beside those that are there, also where they are to replace partitions. */
  readonly appends: boolean
}

const FIRST_BUILD: SparkBuildKind = { plan: planSparkBuild, appends: false }

/** Stages those of the tables that are not staged, by one session; `tables` in dependency order. */
export async function stageOnSpark(
  deps: LakeDeps,
  batch: Batch,
  tables: readonly string[],
  { onProgress, signal }: RunControl,
  kind: SparkBuildKind = FIRST_BUILD,
): Promise<void> {
  const { spark } = deps
  if (spark === undefined)
    throw new FirnError('config', 'this process has no Spark; it is given one by workers/create-deps')
  const wanted = tables.filter((table) => !batch.stages.has(table))
  if (wanted.length === 0 && batch.stages.has(batch.idsTable)) return
  await dropStageBranches(deps, batch)
  const read = new Set([batch.idsTable, ...wanted.flatMap((table) => batch.graph.reads(table).tables)])
  const there = [...read].filter((table) => batch.stages.has(table))
  const staged = await showOnBranch(deps, batch, there, kind.appends)
  const job = await kind.plan(deps, batch, wanted, { attempt: deps.newUuid(), staged })
  await spark.run(job, {
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(signal === undefined ? {} : { signal }),
    onStaged: async (told) => {
      const rows = await takeStaged(deps, batch, told)
      onProgress?.(`${told.table}: ${rows} rows`)
    },
  })
}

/** Stages the files that Spark added to a table's branch. Where another attempt was first, the tables that follow are not ours. */
async function takeStaged(deps: LakeDeps, batch: Batch, told: SparkStaged): Promise<number> {
  const { snapshot, duplicates } = told
  const before = loadedTable(batch, told.table)
  const files = snapshot === null ? [] : await filesOf(deps, batch, told.table, snapshot)
  const rows = files.reduce((sum, file) => sum + file.recordCount, 0)
  const staged = await stageRows(deps, batch, told.table, {
    files,
    rows,
    ...(duplicates === undefined ? {} : { duplicates }),
  })
  const isOurs =
    staged.files.length === files.length &&
    staged.files.every((file, at) => file.filePath === files[at]?.filePath)
  if (isOurs) return rows
  throw new EngineError(
    'io',
    `another attempt staged ${before.identifier.name} of batch ${batch.plan.batch} first; this one starts again from it`,
  )
}

async function filesOf(
  deps: LakeDeps,
  batch: Batch,
  table: string,
  snapshot: string,
): Promise<Awaited<ReturnType<typeof addedFiles>>> {
  const { identifier, metadata } = loadedTable(batch, table)
  const now = await deps.catalog.loadTable(identifier)
  const head = metadata.refs['main']?.['snapshot-id']
  if (!standsOn(now, snapshot, head === undefined ? null : String(head))) {
    throw new EngineError(
      'io',
      `branch ${stageBranch(batch.plan.batch)} of ${table} was written by another attempt at the same time; this one starts again`,
    )
  }
  return await addedFiles(deps.catalog.io, now, snapshot)
}

async function openPlanned(deps: LakeDeps, plan: PlannedBuild): Promise<Batch> {
  const batch = await openBatch(deps, plan)
  if (definitionFingerprint(batch.pipeline).pipeline === plan.fingerprint) return batch
  throw new FirnError(
    'stage-expired',
    `pipeline ${plan.pipeline} has another definition than batch ${plan.batch} was planned with; plan it again`,
  )
}
