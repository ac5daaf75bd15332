import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { parseBatchId } from '../../schemas/batch.js'
import type { TableDefinitions } from '../../schemas/definition-change.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier } from '../../schemas/lake-tables.js'
import type { PublishRebuildInput, RebuildPlan } from '../../schemas/rebuild-messages.js'
import type { PublishRequest, PublishResult, PublishTable } from '../../schemas/publish.js'
import { definitionFingerprint, tableDefinitions } from '../define/fingerprint.js'
import { changedTables } from '../define/compare-definitions.js'
import { stageOf } from '../features/batch-state.js'
import { findRecorded } from '../publish/audit.js'
import { readBuiltBatches } from '../publish/built-batches.js'
import { commitBatch, type Outcome } from '../publish/commit-batch.js'
import { FAILED_BRANCH_PREFIX } from '../publish/publish-batch.js'
import { dropStage } from '../staging/stage.js'
import { dropStageBranches } from '../spark/stage-branch.js'
import { openRebuild, type Rebuild } from './open-rebuild.js'
import { replaceBatch } from './replace-batch.js'

/**
 * Publishes a rebuilt and checked batch: in one transaction its old rows go from every table and the new ones come, with a
 * tag of its own and an audit row of status `rebuilt`. Where a blocking check failed, the new rows go to branch
 * `failed_<id>` and main stays as it is. Done again it gives the recorded result. Errors: as `publishBatch`.
 */
export async function publishRebuild(deps: LakeDeps, input: PublishRebuildInput): Promise<PublishResult> {
  const { plan, checks } = input
  const rebuild = await openRebuild(deps, plan)
  const { batch } = rebuild
  const { namespace } = batch.pipeline
  if ([...plan.build.groups.flat(), batch.idsTable].some((table) => !batch.stages.has(table))) {
    // Stages are dropped once they are published: the marker tells this from a lease that is past.
    const audit = await deps.catalog.loadTable(auditIdentifier(namespace))
    const recorded = await findRecorded(deps, audit, { ...plan.build, processingName: plan.build.pipeline })
    if (recorded !== undefined) return recorded
  }
  try {
    const request = await publishRequest(deps, input, rebuild)
    const result = await commitBatch(deps, request, outcomeOf(plan, checks))
    await dropStages(deps, rebuild).catch(() => undefined)
    return result
  } catch (error) {
    if (isOutdated(error)) await dropStages(deps, rebuild)
    throw error
  }
}

function outcomeOf(plan: RebuildPlan, { passed, results }: PublishRebuildInput['checks']): Outcome {
  const { batch, after = null } = plan.build
  const what = `rebuild of ${plan.rebuilds} (${plan.tables.map(({ table }) => table).join(', ')})`
  if (passed) return { status: 'rebuilt', follows: false, after, reason: what }
  const failed = results.filter((result) => !result.passed && result.severity === 'blocking')
  const reasons = failed.map(({ name, failingRows }) => `${name} (${failingRows} rows)`)
  return {
    status: 'failed',
    ...{ follows: false, after },
    branch: `${FAILED_BRANCH_PREFIX}${batch}`,
    reason: `${what}: blocking checks failed: ${reasons.join(', ')}`,
  }
}

async function publishRequest(
  deps: LakeDeps,
  { plan, checks, run }: PublishRebuildInput,
  rebuild: Rebuild,
): Promise<PublishRequest> {
  const { build } = plan
  const { pipeline, source, idsTable, ledger } = rebuild.batch
  const { namespace } = pipeline
  const names = Object.keys(pipeline.tables)
  const tables: PublishTable[] = []
  for (const { table } of plan.tables) tables.push(await publishTable(deps, rebuild, table, checks.passed))
  const { fingerprint, definitions } = await madeBy(deps, rebuild)
  return {
    namespace,
    processingName: build.pipeline,
    batch: parseBatchId(build.batch),
    tables: [...tables, plainTable(rebuild, idsTable)],
    tag: build.tag,
    tagTables: [...names.map((name) => `${namespace}.${name}`), formatIdentifier(auditIdentifier(namespace))],
    inputFrom: build.inputFrom,
    inputTo: build.inputTo,
    duplicates: stageOf(rebuild.batch, idsTable).duplicates,
    fingerprint,
    sourceDataInfo: JSON.stringify({
      source,
      ledger: formatIdentifier(ledger.identifier),
      rowFrom: build.inputFrom,
      rowEnd: build.inputTo,
      rebuilds: plan.rebuilds,
      mode: plan.mode,
      definitions,
    }),
    checks: checks.results,
    run,
  }
}

async function publishTable(
  deps: LakeDeps,
  rebuild: Rebuild,
  table: string,
  passed: boolean,
): Promise<PublishTable> {
  const plain = plainTable(rebuild, table)
  return passed ? { ...plain, change: await replaceBatch(deps, rebuild, table) } : plain
}

/** Staged rows beside what is there: enough to look at on a branch. */
function plainTable({ batch }: Rebuild, table: string): PublishTable {
  const stage = stageOf(batch, table)
  const write =
    batch.pipeline.tables[table]?.write === 'overwrite-partitions' ? 'overwrite-partitions' : 'append'
  return {
    table: `${batch.pipeline.namespace}.${table}`,
    write,
    files: stage.files,
    rows: stage.rows,
    basisSnapshotId: stage.basisSnapshotId,
    leaseExpiresAtMs: stage.expiresAtMs,
  }
}

/** The definitions that the batch's rows are now made by: of tables that are not built again, those of before. */
async function madeBy(
  deps: LakeDeps,
  { plan, batch }: Rebuild,
): Promise<{ readonly fingerprint: string; readonly definitions?: TableDefinitions }> {
  const { pipeline } = batch
  const current = await tableDefinitions(deps, pipeline)
  const { pipeline: fingerprint } = definitionFingerprint(pipeline)
  const rebuilt = new Set(plan.tables.map(({ table }) => table))
  if (batch.graph.order.every((table) => rebuilt.has(table))) return { fingerprint, definitions: current }
  const audit = await deps.catalog.loadTable(auditIdentifier(pipeline.namespace))
  const batches = await readBuiltBatches(deps, audit, pipeline.name)
  const before = batches.find((one) => one.batch === plan.rebuilds)
  if (before?.definitions === undefined) return { fingerprint: before?.fingerprint ?? fingerprint }
  const kept = Object.entries(before.definitions).filter(([table]) => !rebuilt.has(table))
  const own = Object.entries(current).filter(([table]) => rebuilt.has(table))
  const definitions = Object.fromEntries([...kept, ...own])
  const isCurrent = changedTables(definitions, current).length === 0
  return { fingerprint: isCurrent ? fingerprint : before.fingerprint, definitions }
}

async function dropStages(deps: LakeDeps, { batch }: Rebuild): Promise<void> {
  const { plan } = batch
  for (const table of [...plan.groups.flat(), batch.idsTable]) await dropStage(deps, { ...plan, table })
  await dropStageBranches(deps, batch)
}

function isOutdated(error: unknown): boolean {
  return error instanceof FirnError && ['rebuild-needed', 'stage-expired', 'stale-range'].includes(error.kind)
}
