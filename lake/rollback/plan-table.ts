import { formatIdentifier, type LoadedTable } from '../../iceberg/catalog/catalog.js'
import { headOf } from '../../iceberg/spec/refs.js'
import type { Snapshot } from '../../iceberg/spec/snapshot.js'
import { FirnError } from '../../schemas/error.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { SUMMARY } from '../publish/audit.js'
import { windowPosition } from '../windows/window-marker.js'
import { batchTarget, scoringTarget, snapshotsAfter, type Target } from './choose-target.js'
import { atSnapshot, scoredModel, type RecordedBatch } from './recorded-batches.js'
import type { ForeignSnapshot, TableRollback } from './rollback-plan.js'

export interface SplitRows {
  readonly to: RecordedBatch
  /** Oldest first. */
  readonly takenBack: readonly RecordedBatch[]
  readonly kept: readonly RecordedBatch[]
}

/** What a rollback does to one table of the pipeline. Throws `not-found` where no snapshot shows its rows of then. */
export function planTable(pipeline: Pipeline, loaded: LoadedTable, split: SplitRows): TableRollback {
  const { metadata } = loaded
  const table = formatIdentifier(loaded.identifier)
  const target = targetOf(pipeline, loaded, split)
  if (target.kind === 'lost') throw lost(table, split)
  const from = headOf(metadata)?.['snapshot-id'] ?? null
  const to = target.kind === 'snapshot' ? target.id : null
  const after = snapshotsAfter(metadata, to)
  const tags = split.takenBack.flatMap((row) => tagsOf(row, pipeline.name))
  const common = { table, loaded, from, to, tags: tags.filter((tag) => metadata.refs[tag]?.type === 'tag') }
  if (isSameRows(metadata, to, after)) return { ...common, action: 'stay', foreign: [] }
  return {
    ...common,
    action: to === null ? 'empty' : 'move',
    foreign: after.filter((snapshot) => isForeign(loaded, snapshot)).map((one) => foreignOf(table, one)),
  }
}

function targetOf(pipeline: Pipeline, { identifier, metadata }: LoadedTable, split: SplitRows): Target {
  const table = formatIdentifier(identifier)
  const scorings = (rows: readonly RecordedBatch[]): readonly RecordedBatch[] =>
    rows.filter((row) => scoredModel(row, pipeline.name) !== undefined)
  const isScored =
    Object.values(pipeline.models ?? {}).some(({ predictions }) => predictions === identifier.name) ||
    scorings([...split.takenBack, ...split.kept]).some((row) => row.tables.some((one) => one.table === table))
  return isScored
    ? scoringTarget(table, metadata, {
        takenBack: scorings(split.takenBack),
        kept: scorings(split.kept),
      })
    : batchTarget(table, metadata, split.to)
}

/** Compaction alone lies between, or a table that had no rows has none. */
function isSameRows(
  metadata: LoadedTable['metadata'],
  to: TableRollback['to'],
  after: readonly Snapshot[],
): boolean {
  const head = headOf(metadata)
  if (to === null) return head === undefined || head.summary?.['total-records'] === '0'
  const isAncestor = head?.['snapshot-id'] === to || after.at(-1)?.['parent-snapshot-id'] === to
  return isAncestor && after.every((snapshot) => snapshot.summary?.operation === 'replace')
}

function tagsOf(row: RecordedBatch, pipeline: string): readonly string[] {
  const model = scoredModel(row, pipeline)
  return model === undefined ? [`v_${row.batch}`, `v_incr_${row.batch}`] : [`score_${model}_${row.batch}`]
}

/** Made by no batch, no scoring, no refresh of windows, and more than compaction. */
function isForeign(loaded: LoadedTable, snapshot: Snapshot): boolean {
  const { summary } = snapshot
  if (summary?.operation === 'replace' || summary?.[SUMMARY.batch] !== undefined) return false
  return windowPosition(atSnapshot(loaded, snapshot['snapshot-id']).metadata).kind !== 'known'
}

function foreignOf(table: string, snapshot: Snapshot): ForeignSnapshot {
  return {
    table,
    snapshotId: String(snapshot['snapshot-id']),
    operation: snapshot.summary?.operation ?? 'unknown',
    addedRows: Number(snapshot.summary?.['added-records'] ?? 0),
  }
}

function lost(table: string, { to, kept }: SplitRows): FirnError {
  return new FirnError(
    'not-found',
    `${table} can't go back to batch ${to.batch}: its tag there is gone (tags thin out with time) and the snapshot that ` +
      `showed it has expired. Choose a batch whose tag is there: \`firn tag list\`. Batches before it: ` +
      `${
        kept
          .slice(-5)
          .map(({ batch }) => batch)
          .join(', ') || 'none'
      }.`,
    { context: { table, batch: to.batch } },
  )
}
