import { formatIdentifier, parseIdentifier, type LoadedTable } from '../../iceberg/catalog/catalog.js'
import { ifFound } from '../../iceberg/error.js'
import { headOf, snapshotById } from '../../iceberg/spec/refs.js'
import type { SnapshotId } from '../../iceberg/spec/snapshot.js'
import { parseBatchId } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import { findPipeline } from '../../schemas/find-pipeline.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier, ledgerIdentifier, sourceIdsName } from '../../schemas/lake-tables.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { refuseRemovedRaw } from '../land/raw-kept-from.js'
import { SUMMARY } from '../publish/audit.js'
import { planTable } from './plan-table.js'
import { atSnapshot, recordedBatches, scoredModel, type RecordedBatch } from './recorded-batches.js'
import type { KeptRef, RollbackPlan, TableRollback } from './rollback-plan.js'
import { publishedBatch, splitRows } from './split-rows.js'

export type RollbackDeps = Pick<LakeDeps, 'catalog' | 'engine' | 'pipelines'>

/**
 * What taking back everything after a published batch would do to the tables of its pipeline, as one catalog read shows
 * them. Writes nothing. Errors: FirnError `not-found` (no such batch, or no snapshot shows it any more), `invalid-input`
 * (it failed, or was taken back itself).
 */
export async function planRollback(
  deps: RollbackDeps,
  wanted: { readonly pipeline: string; readonly to: string },
): Promise<RollbackPlan> {
  const pipeline = findPipeline(deps.pipelines, wanted.pipeline)
  const batch = parseBatchId(wanted.to)
  const { audit, rows, others } = await readPipeline(deps, pipeline)
  const to = publishedBatch(pipeline.name, batch, rows)
  const at = snapshotOfBatch(audit, pipeline.name, to)
  const then = await recordedBatches(deps, atSnapshot(audit, at), pipeline.name)
  const split = { to, ...splitRows(pipeline.name, rows, { to, rows: then }) }
  const builtUpTo = builtAfterwards(pipeline.name, rows, split.kept)
  await refuseRemovedRecords(deps, pipeline, builtUpTo.get(pipeline.name) ?? 0)
  const ids = new Set(Object.keys(pipeline.sources).map(sourceIdsName))
  const isIds = ({ identifier }: LoadedTable): boolean => ids.has(identifier.name)
  const tables = others.filter((table) => !isIds(table)).map((table) => planTable(pipeline, table, split))
  // The audit table is no part of what it tells of: it keeps its rows, some with another status.
  const own = {
    ...planTable(pipeline, audit, split),
    to: headId(audit),
    action: 'stay' as const,
    foreign: [],
  }
  return {
    pipeline: pipeline.name,
    ...{ to, builtUpTo, takenBack: split.takenBack, audit },
    tables: [...tables, own],
    ids: others.filter(isIds),
    kept: keptRefs(tables),
  }
}

/** How often the audit table may get another head between two looks at it. */
const ROUNDS_MAX = 10

/** The audit table and its rows with every other table that the pipeline has or had, all from one catalog read. */
async function readPipeline(deps: RollbackDeps, pipeline: Pipeline) {
  const { namespace, name } = pipeline
  const identifier = auditIdentifier(namespace)
  for (let round = 1; round <= ROUNDS_MAX; round += 1) {
    const first = await ifFound(deps.catalog.loadTable(identifier))
    if (first === undefined) {
      throw new FirnError(
        'not-found',
        `pipeline ${name} has no published batch yet: there is nothing to go back to`,
      )
    }
    const rows = await recordedBatches(deps, first, name)
    const wanted = new Set([
      ...[...Object.keys(pipeline.tables), ...Object.keys(pipeline.sources).map(sourceIdsName)].map(
        (table) => `${namespace}.${table}`,
      ),
      ...rows.flatMap((row) => row.tables.map(({ table }) => table)),
    ])
    wanted.delete(formatIdentifier(identifier))
    const there = new Set((await deps.catalog.listTables(namespace)).map(formatIdentifier))
    const names = [...wanted].filter((table) => there.has(table))
    const [audit, ...others] = await deps.catalog.loadTables([identifier, ...names.map(parseIdentifier)])
    if (audit !== undefined && headId(audit) === headId(first)) return { audit, rows, others }
  }
  throw new FirnError('rebuild-needed', `batches of ${name} are published all the time; try again`)
}

/** The audit table's snapshot with the batch's row, by its tag, else by what the retained snapshots say of themselves. */
function snapshotOfBatch({ metadata }: LoadedTable, pipeline: string, to: RecordedBatch): SnapshotId {
  const ref = metadata.refs[`v_${to.batch}`] ?? metadata.refs[`v_incr_${to.batch}`]
  const own = metadata.snapshots.find(
    ({ summary }) =>
      summary?.[SUMMARY.batch] === to.batch &&
      summary[SUMMARY.pipeline] === to.processingName &&
      summary[SUMMARY.status] === to.status,
  )
  const id = ref?.['snapshot-id'] ?? own?.['snapshot-id']
  if (id !== undefined && snapshotById(metadata, id) !== undefined) return id
  throw new FirnError(
    'not-found',
    `batch ${to.batch} of ${pipeline} can't be gone back to: its tag is gone (tags thin out with time) and its snapshots ` +
      `have expired. Choose a batch whose tag is there: \`firn tag list\`.`,
    { context: { batch: to.batch } },
  )
}

/** Scorings have no range of input. A name that nothing is left of is built up to nothing. */
function builtAfterwards(
  pipeline: string,
  rows: readonly RecordedBatch[],
  kept: readonly RecordedBatch[],
): ReadonlyMap<string, number> {
  const names = rows
    .filter((row) => scoredModel(row, pipeline) === undefined)
    .map((row) => row.processingName)
  return new Map(
    [...new Set([pipeline, ...names])].map((name) => {
      const own = kept.filter((row) => row.processingName === name && row.status !== 'rebuilt')
      return [name, Math.max(0, ...own.map(({ inputTo }) => inputTo))]
    }),
  )
}

/** What is taken back is to be built again, so its raw objects have to be there. */
async function refuseRemovedRecords(deps: RollbackDeps, pipeline: Pipeline, rowFrom: number): Promise<void> {
  if (!Object.values(pipeline.tables).some(({ sql, window }) => sql !== undefined && window === undefined))
    return
  for (const source of Object.keys(pipeline.sources)) {
    const ledger = await ifFound(deps.catalog.loadTable(ledgerIdentifier(source)))
    if (ledger !== undefined) refuseRemovedRaw(ledger, rowFrom)
  }
}

/** Refs of models and users that show snapshots newer than where their table goes. */
function keptRefs(tables: readonly TableRollback[]): readonly KeptRef[] {
  const byRef = new Map<string, string[]>()
  for (const { table, loaded, to, action, tags } of tables) {
    if (action === 'stay') continue
    const { metadata } = loaded
    const sequence = (id: SnapshotId | null): number =>
      (id === null ? undefined : snapshotById(metadata, id))?.['sequence-number'] ?? 0
    for (const [name, ref] of Object.entries(metadata.refs)) {
      const isBatches =
        name === 'main' || tags.includes(name) || /^(v_|failed_|rolled_back_|score_)/.test(name)
      if (isBatches || sequence(ref['snapshot-id']) <= sequence(to)) continue
      byRef.set(name, [...(byRef.get(name) ?? []), table])
    }
  }
  return [...byRef].map(([ref, names]) => ({ ref, tables: names })).sort((a, b) => (a.ref < b.ref ? -1 : 1))
}

function headId(table: LoadedTable): SnapshotId | null {
  return headOf(table.metadata)?.['snapshot-id'] ?? null
}
