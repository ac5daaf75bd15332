import { formatIdentifier, type LoadedTable } from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import { alwaysTrue, isIn } from '../../iceberg/expr/expression.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import { headOf } from '../../iceberg/spec/refs.js'
import type { SnapshotId } from '../../iceberg/spec/snapshot.js'
import type { Change, TableChange } from '../../iceberg/write/table-change.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { computeOnce, type Basis, type ComputedChange } from '../../engine/table/compute-change.js'
import { deleteRows } from '../../engine/table/delete-rows.js'
import { updateRows } from '../../engine/table/update-rows.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import { compareBatches, type BatchId } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { builtUpToKey, SUMMARY } from '../publish/audit.js'
import { planRollback } from './plan-rollback.js'
import { recordKey } from './recorded-batches.js'
import { isNothing, type RollbackPlan, type TableRollback } from './rollback-plan.js'

/** Tags of what was taken back keep it for so long, to be looked at. */
const ROLLED_BACK_TAG_MS = 7 * 86_400_000
const ROLLED_BACK_PREFIX = 'rolled_back_'
/** How often tables may be compacted between the plan and the commit. */
const ROUNDS_MAX = 10

/**
 * Carries a rollback out, as planned, in one transaction: every table goes back, the record ids of the batches that are
 * taken back are forgotten, their audit rows become `rolled_back`. What nobody was told of is never taken back: where a
 * batch or a foreign writer came in between it ends as FirnError `rebuild-needed` and nothing is changed. Returns false
 * where there was nothing to take back.
 */
export async function runRollback(deps: LakeDeps, told: RollbackPlan): Promise<boolean> {
  const wanted = { pipeline: told.pipeline, to: told.to.batch }
  let plan = told
  for (let round = 1; round <= ROUNDS_MAX; round += 1) {
    if (isNothing(plan)) return false
    if (await commitRollback(deps, plan)) return true
    plan = await planRollback(deps, wanted)
    if (isNothing(plan)) return false
    refuseOther(told, plan)
  }
  throw new FirnError(
    'rebuild-needed',
    `tables of ${told.pipeline} changed ${ROUNDS_MAX} times while they were to go back; nothing was changed, try again`,
  )
}

/** False where a table got another head meanwhile. */
async function commitRollback(deps: LakeDeps, plan: RollbackPlan): Promise<boolean> {
  const heads = new Map(
    [...plan.tables.map(({ loaded }) => loaded), ...plan.ids].map((table) => [nameOf(table), headId(table)]),
  )
  try {
    const result = await commitTransaction<'moved'>({
      catalog: deps.catalog,
      changes: await changesOf(deps, plan),
      now: deps.now,
      newUuid: deps.newUuid,
      beforeAttempt: (tables) => {
        const moved = tables.some((table) => heads.get(nameOf(table)) !== headId(table))
        return Promise.resolve(moved ? 'moved' : undefined)
      },
    })
    return result.kind === 'committed'
  } catch (error) {
    if (isIcebergError(error, 'rebuild-needed')) return false
    throw error
  }
}

async function changesOf(deps: LakeDeps, plan: RollbackPlan): Promise<readonly TableChange[]> {
  const summary = summaryOf(deps, plan)
  const changes: TableChange[] = []
  for (const table of plan.tables) {
    const isAudit = table.loaded === plan.audit
    changes.push({
      identifier: table.loaded.identifier,
      snapshotId: deps.newSnapshotId(),
      summary,
      change: isAudit ? await markedRows(deps, plan) : await tableChange(deps, table),
      renames: table.tags.map((from) => ({
        ...{ from, name: ROLLED_BACK_PREFIX + from, retainMs: ROLLED_BACK_TAG_MS },
      })),
      // The audit table's snapshot is what says that the rollback happened.
      ...(isAudit ? { evenIfEmpty: true as const } : {}),
    })
  }
  const batches = plan.takenBack.filter((row) => row.processingName === plan.pipeline).map((row) => row.batch)
  for (const loaded of plan.ids) {
    const forget = (basis: Basis) => deleteRows(basis, isIn('processing_batch_id', batches), COPY_ON_WRITE)
    const change = batches.length === 0 ? NONE : await computed(deps, loaded, forget)
    changes.push({ identifier: loaded.identifier, snapshotId: deps.newSnapshotId(), summary, change })
  }
  return changes
}

const NONE: Change = { kind: 'none' }
const COPY_ON_WRITE = { mode: 'copy-on-write' } as const

async function tableChange(deps: LakeDeps, { loaded, action, from, to }: TableRollback): Promise<Change> {
  if (action === 'stay' || from === null) return NONE
  if (to !== null) return { kind: 'set-head', to, basis: from }
  const { tasks } = await planScan({ metadata: loaded.metadata, io: deps.catalog.io })
  return {
    kind: 'row-delta',
    removed: tasks.map(({ file }) => file),
    ...{
      added: [],
      deletes: [],
      deletedFrom: [],
      filter: alwaysTrue,
      isolation: 'serializable',
      basis: from,
    },
  }
}

/** The audit rows of what is taken back get their new status; they are found by all that tells them apart. */
async function markedRows(deps: LakeDeps, plan: RollbackPlan): Promise<Change> {
  if (plan.takenBack.length === 0) return NONE
  const keys = plan.takenBack.map(
    ({ processingName, batch, inputFrom, inputTo, status }) =>
      `(${[processingName, batch, status].map(quoteText).join(', ')}, ${inputFrom}, ${inputTo})`,
  )
  const reason = quoteText(`rolled back to batch ${plan.to.batch}`)
  return await computed(deps, plan.audit, (basis) =>
    updateRows(basis, {
      where: {
        sql: `(target.processing_name, target.processing_batch_id, target.status, target.input_from, target.input_to) IN (${keys.join(', ')})`,
      },
      set: { status: `'rolled_back'`, reason: `concat_ws('; ', target.reason, ${reason})` },
      ...COPY_ON_WRITE,
    }),
  )
}

async function computed(
  deps: LakeDeps,
  loaded: LoadedTable,
  compute: (basis: Basis) => Promise<ComputedChange>,
): Promise<Change> {
  const context = { ...deps, identifier: loaded.identifier }
  return (await computeOnce(context, { session: { threads: 1 } }, loaded, compute)).change
}

function summaryOf(deps: LakeDeps, { pipeline, to, builtUpTo, takenBack }: RollbackPlan) {
  const newest = takenBack
    .map((row) => row.batch as BatchId)
    .sort(compareBatches)
    .at(-1)
  return {
    [SUMMARY.operation]: deps.newUuid(),
    [SUMMARY.batch]: to.batch,
    [SUMMARY.pipeline]: pipeline,
    [SUMMARY.inputTo]: String(builtUpTo.get(pipeline) ?? 0),
    [SUMMARY.status]: 'rolled_back',
    ...Object.fromEntries([...builtUpTo].map(([name, end]) => [builtUpToKey(name), String(end)])),
    ...(newest === undefined ? {} : { [SUMMARY.rolledBackFrom]: newest }),
  }
}

function refuseOther(told: RollbackPlan, now: RollbackPlan): void {
  const known = new Set(namesOf(told))
  const others = namesOf(now).filter((name) => !known.has(name))
  if (others.length === 0) return
  throw new FirnError(
    'rebuild-needed',
    `nothing was changed: ${others.join(', ')} came in between, and would have been taken back as well. Look again and decide.`,
    { context: { pipeline: told.pipeline } },
  )
}

function namesOf({ takenBack, tables }: RollbackPlan): readonly string[] {
  const foreign = tables.flatMap((table) => table.foreign)
  return [
    ...takenBack.map(recordKey),
    ...foreign.map(({ table, snapshotId }) => `snapshot ${snapshotId} of ${table}`),
  ]
}

function nameOf(table: LoadedTable): string {
  return formatIdentifier(table.identifier)
}

function headId({ metadata }: LoadedTable): SnapshotId | null {
  return headOf(metadata)?.['snapshot-id'] ?? null
}
