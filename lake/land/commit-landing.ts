import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { ancestorsOf, headOf } from '../../iceberg/spec/refs.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { TableChange } from '../../iceberg/write/table-change.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import type { Row } from '../../engine/engine.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { DEAD_LETTERS, ledgerIdentifier } from '../../schemas/lake-tables.js'
import type { FetchedLanding, LandingPlan, LandResult } from '../../schemas/messages.js'
import { writeTableRows } from '../tables/write-table-rows.js'
import { landResult } from './land-result.js'
import type { Positions } from './ledger.js'
import { ledgerPositions, nextRowNumber, positionSummary } from './ledger.js'
import { advance, isRecorded, stalePosition } from './ledger-advance.js'
import { numberFloor } from './number-floor.js'
import { isRolledBack } from './restore-removed-rows.js'
import type { StagedLanding } from './staged-landing.js'
import { allIntact, objectsAreThere } from './staged-landing.js'
import { collectStaged, refuseAllBad } from './collect-staged.js'
import { planName } from './staged-location.js'

const PLAN = 'firn.landing-plan'
/** The ledger moves without touching the positions where letters are replayed, rows compacted, files landed beside a topic. */
const MAX_ROUNDS = 50
/** Longer is not waited for a hint. */
const HINT_MS = 2000

/**
 * Makes a fetched landing visible: ledger rows and dead letters in one transaction, valid only where each partition of
 * the ledger ends exactly where the plan begins; the rows get their numbers from the very state committed onto. Done
 * again it returns the recorded result. Errors: `stale-range` (something else was landed since: plan again),
 * `stage-expired` (fetch again), `contract-broken` (every record is bad).
 */
export async function commitLanding(
  deps: LakeDeps,
  plan: LandingPlan,
  fetched: readonly FetchedLanding[],
): Promise<LandResult> {
  const name = planName(plan)
  if (name === undefined) return await nothingLanded(deps, plan)
  const staged = await collectStaged(deps, plan, fetched)
  await refuseAllBad(deps, plan, staged, fetched)
  for (let round = 1; ; round++) {
    const ended = await commitOnce(deps, plan, staged, name)
    if (ended.kind === 'landed') {
      await noteOffsets(deps, plan, ended.positions)
      return ended.result
    }
    if (round === MAX_ROUNDS) {
      throw new FirnError(
        'stale-range',
        `the ledger raw.${plan.source} moved ${round} times while it was committed to; land again`,
      )
    }
  }
}

type RoundEnd =
  | { readonly kind: 'landed'; readonly result: LandResult; readonly positions: Positions }
  | { readonly kind: 'moved' }

async function commitOnce(
  deps: LakeDeps,
  plan: LandingPlan,
  staged: StagedLanding,
  name: string,
): Promise<RoundEnd> {
  const ledger = await deps.catalog.loadTable(ledgerIdentifier(plan.source))
  const before = await ledgerPositions(deps, ledger, plan.incarnation)
  const positions = advance(before, staged.ranges)
  // Where no position moves, as with the marks of where a topic begins, only the rows tell.
  if (positions === undefined || staged.ranges.every(({ first, nextOffset }) => first === nextOffset)) {
    const rowNumberEnd = await isRecorded(deps, ledger, plan.incarnation, staged.ranges)
    if (rowNumberEnd !== undefined) {
      const result = landResult(plan, staged, { rowNumberEnd, snapshotId: snapshotOf(ledger, name) })
      return { kind: 'landed', result, positions: before }
    }
    if (positions === undefined) throw stalePosition(plan, before, staged.ranges)
  }
  const next = await nextRowNumber(deps, ledger)
  if (isRolledBack(ledger, next)) throw rolledBack(plan)
  const rowFrom = Math.max(next, await numberFloor(deps, plan.source))
  const rowNumberEnd = rowFrom + staged.ranges.length
  const file = await writeTableRows(
    deps,
    ledger,
    staged.ranges.map((range, i) => ledgerRow(range, rowFrom + i, plan.batch)),
  )
  const { records, bytes } = staged
  const summary = {
    'firn.batch-id': plan.batch,
    'firn.pipeline': plan.pipeline,
    [PLAN]: name,
    ...positionSummary({
      ...{ nextRowNumber: rowNumberEnd, incarnation: plan.incarnation, positions, records, bytes },
      isTopic: plan.kind === 'topic',
    }),
  }
  const { catalog, now, newUuid } = deps
  const result = await commitTransaction<'moved'>({
    catalog,
    changes: changesOf(deps, plan.source, { ledgerFile: file, staged, summary }),
    beforeAttempt: async (tables) => {
      if (headId(ledgerAmong(tables, plan.source)) !== headId(ledger)) return 'moved'
      // Clean-up takes what is past its lease: just before the commit the files have to be there still.
      await assertThere(deps, file, staged)
      return undefined
    },
    now,
    newUuid,
  })
  if (result.kind === 'ended') return { kind: 'moved' }
  const snapshotId = result.tables.find((table) => isLedger(table, plan.source))?.snapshotId
  return { kind: 'landed', result: landResult(plan, staged, { rowNumberEnd, snapshotId }), positions }
}

function rolledBack({ source }: LandingPlan): FirnError {
  return new FirnError(
    'stale-range',
    `the ledger raw.${source} was rolled back since this landing was planned. Nothing was landed; land again, then the rows come back first.`,
  )
}

function ledgerRow(range: StagedLanding['ranges'][number], rowNumber: number, batch: string): Row {
  const micros = (ms: number | undefined): bigint | null =>
    ms === undefined ? null : BigInt(Math.trunc(ms)) * 1000n
  return {
    row_number: BigInt(rowNumber),
    path: range.path,
    incarnation: range.incarnation,
    partition: range.partition,
    first: BigInt(range.first),
    next_offset: BigInt(range.nextOffset),
    records: BigInt(range.records),
    dead_letters: BigInt(range.deadLetters),
    bytes: BigInt(range.bytes),
    sha256: range.sha256,
    source_path: range.source?.path ?? null,
    source_size: range.source === undefined ? null : BigInt(range.source.size),
    source_mtime_ms: range.source === undefined ? null : BigInt(range.source.mtimeMs),
    min_event_time: micros(range.minEventTimeMs),
    max_event_time: micros(range.maxEventTimeMs),
    batch,
    last_record: range.lastRecord ?? null,
    source_etag: range.source?.etag ?? null,
  }
}

function changesOf(
  deps: LakeDeps,
  source: string,
  landing: {
    readonly ledgerFile: DataFile
    readonly staged: StagedLanding
    readonly summary: Readonly<Record<string, string>>
  },
): readonly TableChange[] {
  const { ledgerFile, staged, summary } = landing
  const append = (files: readonly DataFile[]) => ({ kind: 'append' as const, files })
  const ledger: TableChange = {
    identifier: ledgerIdentifier(source),
    change: append([ledgerFile]),
    snapshotId: deps.newSnapshotId(),
    summary,
  }
  if (staged.deadLetterFiles.length === 0) return [ledger]
  const snapshotId = deps.newSnapshotId()
  return [ledger, { identifier: DEAD_LETTERS, change: append(staged.deadLetterFiles), snapshotId }]
}

async function assertThere(
  { catalog }: LakeDeps,
  ledgerFile: DataFile,
  { deadLetterFiles, ranges }: StagedLanding,
): Promise<void> {
  const there =
    (await allIntact(catalog.io, [ledgerFile, ...deadLetterFiles])) &&
    (await objectsAreThere(catalog.io, ranges))
  if (!there)
    throw new FirnError('stage-expired', 'files of this landing were cleaned up; fetch the landing again')
}

/** The snapshot that landed the plan, the head where expiry has removed it. */
function snapshotOf(ledger: LoadedTable, name: string): bigint | undefined {
  const head = headOf(ledger.metadata)
  if (head === undefined) return undefined
  for (const snapshot of ancestorsOf(ledger.metadata, head['snapshot-id'])) {
    if (snapshot.summary?.[PLAN] === name) return snapshot['snapshot-id']
  }
  return head['snapshot-id']
}

async function nothingLanded(deps: LakeDeps, plan: LandingPlan): Promise<LandResult> {
  const ledger = await deps.catalog.loadTable(ledgerIdentifier(plan.source))
  const nothing = { ranges: [], deadLetterFiles: [], causes: [], undeclared: [], deadLetterKinds: {} }
  const rowNumberEnd = await nextRowNumber(deps, ledger)
  return landResult(
    plan,
    { ...nothing, objects: 0, records: 0, deadLetters: 0, bytes: 0 },
    { rowNumberEnd, snapshotId: headId(ledger) },
  )
}

/** For tools that show the lag of consumer groups; nothing of ours reads it. */
async function noteOffsets({ topics }: LakeDeps, plan: LandingPlan, positions: Positions): Promise<void> {
  if (plan.kind !== 'topic' || topics === undefined) return
  const offsets = [...positions].map(([partition, { next }]) => ({ partition, offset: next }))
  const hint = topics.noteOffsets(`firn-${plan.pipeline}-${plan.source}`, plan.topic, offsets)
  let timer: NodeJS.Timeout | undefined
  const enough = new Promise<void>((resolve) => (timer = setTimeout(resolve, HINT_MS)))
  await Promise.race([hint.catch(() => undefined), enough]).finally(() => clearTimeout(timer))
}

function headId(table: LoadedTable): bigint | undefined {
  return headOf(table.metadata)?.['snapshot-id']
}

function isLedger(table: Pick<LoadedTable, 'identifier'>, source: string): boolean {
  return formatIdentifier(table.identifier) === formatIdentifier(ledgerIdentifier(source))
}

function ledgerAmong(tables: readonly LoadedTable[], source: string): LoadedTable {
  const ledger = tables.find((table) => isLedger(table, source))
  if (ledger !== undefined) return ledger
  throw new FirnError('not-found', `the ledger raw.${source} is not in the catalog; land again`)
}
