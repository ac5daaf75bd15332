import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { ancestorsOf, headOf } from '../../iceberg/spec/refs.js'
import type { TableChange } from '../../iceberg/write/table-change.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { DEAD_LETTERS, ledgerIdentifier } from '../../schemas/lake-tables.js'
import type { FetchedLanding, FileLandingPlan, LandResult } from '../../schemas/messages.js'
import { isRecorded, ledgerPosition, positionSummary } from './ledger.js'
import type { StagedLanding } from './staged-landing.js'
import { readStagedLanding } from './staged-landing.js'

const PLAN = 'firn.landing-plan'

/**
 * Makes a fetched landing visible: ledger rows and dead letters in one transaction, valid only where the ledger ends
 * exactly where the plan begins. Done again it returns the recorded result. Errors: `stale-range` (something else was
 * landed since: plan again), `stage-expired` (fetch again).
 */
export async function commitLanding(
  deps: LakeDeps,
  plan: FileLandingPlan,
  fetched: FetchedLanding,
): Promise<LandResult> {
  if (plan.planLocation === undefined) return await nothingLanded(deps, plan)
  const { planLocation } = plan
  const staged = await stagedFiles(deps, planLocation, fetched)
  const { catalog, now, newUuid } = deps
  const result = await commitTransaction<LandResult>({
    catalog,
    changes: changesOf(deps, plan, planLocation, staged),
    beforeAttempt: async (tables) => {
      const recorded = await recordedOrDue(deps, plan, staged, ledgerAmong(tables, plan.source))
      // Clean-up takes what is past its lease: just before the commit the files have to be there still.
      if (recorded === undefined) await stagedFiles(deps, planLocation, fetched)
      return recorded
    },
    now,
    newUuid,
  })
  if (result.kind === 'ended') return result.value
  const ledger = result.tables.find((table) => isLedger(table, plan.source))
  return toResult(plan, staged, ledger?.snapshotId)
}

async function stagedFiles(
  deps: LakeDeps,
  planLocation: string,
  { stagedLocation }: FetchedLanding,
): Promise<StagedLanding> {
  const staged = await readStagedLanding(deps.catalog.io, planLocation)
  if (staged !== undefined) return staged
  throw new FirnError('stage-expired', `files staged at ${stagedLocation} are gone; fetch the landing again`)
}

function changesOf(
  deps: LakeDeps,
  plan: FileLandingPlan,
  planLocation: string,
  staged: StagedLanding,
): readonly TableChange[] {
  const common = { 'firn.batch-id': plan.batch, 'firn.pipeline': plan.pipeline, [PLAN]: planLocation }
  const position = { nextRowNumber: rowEnd(plan, staged), nextOffset: plan.end }
  const ledger: TableChange = {
    identifier: ledgerIdentifier(plan.source),
    change: { kind: 'append', files: staged.ledgerFiles },
    snapshotId: deps.newSnapshotId(),
    summary: { ...common, ...positionSummary(position, plan.incarnation) },
  }
  if (staged.deadLetterFiles.length === 0) return [ledger]
  const deadLetters: TableChange = {
    identifier: DEAD_LETTERS,
    change: { kind: 'append', files: staged.deadLetterFiles },
    snapshotId: deps.newSnapshotId(),
    summary: common,
  }
  return [ledger, deadLetters]
}

/** Looks at the ledger that the attempt commits onto. Undefined: the plan goes on exactly where it ends. */
async function recordedOrDue(
  deps: LakeDeps,
  plan: FileLandingPlan,
  staged: StagedLanding,
  ledger: LoadedTable,
): Promise<LandResult | undefined> {
  const position = await ledgerPosition(deps, ledger, plan.incarnation)
  if (position.nextOffset === plan.first && position.nextRowNumber === plan.rowNumberFrom) return undefined
  const rows = { rowFrom: plan.rowNumberFrom, rowEnd: rowEnd(plan, staged) }
  if (await isRecorded(deps, ledger, plan, rows)) {
    return toResult(plan, staged, snapshotOf(ledger, plan))
  }
  throw new FirnError(
    'stale-range',
    `the ledger raw.${plan.source} goes on at row ${position.nextRowNumber} and offset ${position.nextOffset}, ` +
      `this landing was planned for row ${plan.rowNumberFrom} and offset ${plan.first}. Nothing was landed; land again.`,
    { context: { expected: { row: plan.rowNumberFrom, offset: plan.first }, got: position } },
  )
}

/** The snapshot that landed the plan, the head where expiry has removed it. */
function snapshotOf(ledger: LoadedTable, plan: FileLandingPlan): bigint | undefined {
  const head = headOf(ledger.metadata)
  if (head === undefined) return undefined
  for (const snapshot of ancestorsOf(ledger.metadata, head['snapshot-id'])) {
    if (snapshot.summary?.[PLAN] === plan.planLocation) return snapshot['snapshot-id']
  }
  return head['snapshot-id']
}

function rowEnd(plan: FileLandingPlan, staged: StagedLanding): number {
  return plan.rowNumberFrom + staged.ledgerRows
}

function toResult(plan: FileLandingPlan, staged: StagedLanding, snapshotId: bigint | undefined): LandResult {
  const { objects, records, deadLetters, bytes } = staged
  return {
    source: plan.source,
    batch: plan.batch,
    files: plan.files,
    ...{ objects, records, deadLetters, bytes },
    rowNumberEnd: rowEnd(plan, staged),
    ledgerSnapshotId: snapshotId?.toString() ?? null,
    ...(plan.warnings === undefined ? {} : { warnings: plan.warnings }),
  }
}

async function nothingLanded(deps: LakeDeps, plan: FileLandingPlan): Promise<LandResult> {
  const ledger = await deps.catalog.loadTable(ledgerIdentifier(plan.source))
  const staged = { ledgerRows: 0, objects: 0, records: 0, deadLetters: 0, bytes: 0 }
  return toResult(
    plan,
    { ...staged, ledgerFiles: [], deadLetterFiles: [] },
    headOf(ledger.metadata)?.['snapshot-id'],
  )
}

function isLedger(table: Pick<LoadedTable, 'identifier'>, source: string): boolean {
  return formatIdentifier(table.identifier) === formatIdentifier(ledgerIdentifier(source))
}

function ledgerAmong(tables: readonly LoadedTable[], source: string): LoadedTable {
  const ledger = tables.find((table) => isLedger(table, source))
  if (ledger !== undefined) return ledger
  throw new FirnError('not-found', `the ledger raw.${source} is not in the catalog; land again`)
}
