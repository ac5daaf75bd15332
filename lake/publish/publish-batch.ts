import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { parseBatchId } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier } from '../../schemas/lake-tables.js'
import type { CheckedBatch, PlannedBuild, PublishBatchInput } from '../../schemas/messages.js'
import type { PublishRequest, PublishResult, PublishTable } from '../../schemas/publish.js'
import { tableDefinitions } from '../define/fingerprint.js'
import { openBatch, stageOf, type Batch } from '../features/batch-state.js'
import { dropStageBranches } from '../spark/stage-branch.js'
import { dropStage } from '../staging/stage.js'
import { findRecorded } from './audit.js'
import { commitBatch, type Outcome } from './commit-batch.js'

/** Branches of failed batches are kept for a look at what was wrong. */
export const FAILED_BRANCH_PREFIX = 'failed_'

/**
 * Publishes a built and checked batch; or, where a blocking check failed, commits its files on branch `failed_<batch>` of
 * each table and an audit row of status `failed`. Either way one transaction, and done again it gives the recorded
 * result. Errors: FirnError `stage-expired`, `rebuild-needed`, `stale-range` (plan again; what does not fit any longer is
 * no longer staged then), IcebergError `commit-*`.
 */
export async function publishBatch(deps: LakeDeps, input: PublishBatchInput): Promise<PublishResult> {
  const { plan, checks } = input
  const batch = await openBatch(deps, plan)
  const { namespace } = batch.pipeline
  const missing = stagedNames(batch).find((table) => !batch.stages.has(table))
  if (missing !== undefined) {
    // Stages are dropped once they are published: the marker tells this from a lease that is past.
    const audit = await deps.catalog.loadTable(auditIdentifier(namespace))
    const recorded = await findRecorded(deps, audit, { ...plan, processingName: plan.pipeline })
    if (recorded !== undefined) return recorded
  }
  const request = await publishRequest(deps, input, batch)
  try {
    const result = await commitBatch(deps, request, outcomeOf(plan, checks))
    // Published is published: a descriptor that stays is told from a live one by its range, and its lease ends.
    await dropStages(deps, batch, stagedNames(batch)).catch(() => undefined)
    // Left behind, maintenance drops them.
    if (plan.engine === 'spark') await dropStageBranches(deps, batch).catch(() => undefined)
    return result
  } catch (error) {
    if (isOutdated(error)) await dropStages(deps, batch, withReaders(batch, error.context['tables']))
    throw error
  }
}

function outcomeOf({ batch, after }: PlannedBuild, { passed, results }: CheckedBatch): Outcome {
  const only = after === undefined ? {} : { after }
  if (passed) return { status: 'published', follows: true, ...only }
  const failed = results.filter((result) => !result.passed && result.severity === 'blocking')
  const reasons = failed.map(({ name, failingRows }) => `${name} (${failingRows} rows)`)
  return {
    status: 'failed',
    follows: true,
    branch: `${FAILED_BRANCH_PREFIX}${batch}`,
    reason: `blocking checks failed: ${reasons.join(', ')}`,
  }
}

async function publishRequest(
  deps: LakeDeps,
  { plan, checks, run }: PublishBatchInput,
  batch: Batch,
): Promise<PublishRequest> {
  const { pipeline, source, idsTable } = batch
  const { namespace } = pipeline
  const names = Object.keys(pipeline.tables)
  const ids = stageOf(batch, idsTable)
  return {
    namespace,
    processingName: plan.pipeline,
    batch: parseBatchId(plan.batch),
    tables: stagedNames(batch).map((table) => publishTable(batch, table)),
    tag: plan.tag,
    tagTables: [...names.map((name) => `${namespace}.${name}`), formatIdentifier(auditIdentifier(namespace))],
    inputFrom: plan.inputFrom,
    inputTo: plan.inputTo,
    duplicates: ids.duplicates,
    fingerprint: plan.fingerprint,
    sourceDataInfo: JSON.stringify({
      source,
      ledger: formatIdentifier(batch.ledger.identifier),
      rowFrom: plan.inputFrom,
      rowEnd: plan.inputTo,
      // By which a later plan says what has changed.
      definitions: await tableDefinitions(deps, pipeline),
      ...(plan.change === undefined
        ? {}
        : { definitionChange: { answer: 'forward', since: plan.change.since, tables: plan.change.tables } }),
    }),
    checks: checks.results,
    run,
  }
}

function publishTable(batch: Batch, table: string): PublishTable {
  const stage = stageOf(batch, table)
  return {
    table: `${batch.pipeline.namespace}.${table}`,
    write: batch.pipeline.tables[table]?.write ?? 'insert-new',
    files: stage.files,
    rows: stage.rows,
    basisSnapshotId: stage.basisSnapshotId,
    leaseExpiresAtMs: stage.expiresAtMs,
  }
}

/** In the order of the pipeline's definition, the source's ids last. */
function stagedNames(batch: Batch): readonly string[] {
  const built = new Set(batch.graph.order)
  return [...Object.keys(batch.pipeline.tables).filter((table) => built.has(table)), batch.idsTable]
}

/** The tables that an error names, and all that were computed from them; every table where it names none. */
function withReaders(batch: Batch, tables: unknown): readonly string[] {
  const names = stagedNames(batch)
  if (!Array.isArray(tables)) return names
  const dropped = new Set(names.filter((name) => tables.includes(`${batch.pipeline.namespace}.${name}`)))
  for (const name of [batch.idsTable, ...batch.graph.order]) {
    const upstream = Object.keys(batch.stages.get(name)?.upstream ?? {})
    if (upstream.some((table) => dropped.has(table))) dropped.add(name)
  }
  return [...dropped]
}

async function dropStages(deps: LakeDeps, batch: Batch, tables: readonly string[]): Promise<void> {
  for (const table of tables) await dropStage(deps, { ...batch.plan, table })
}

function isOutdated(error: unknown): error is FirnError {
  return error instanceof FirnError && ['rebuild-needed', 'stage-expired', 'stale-range'].includes(error.kind)
}
