import { headOf } from '../../iceberg/spec/refs.js'
import type { EngineSession, WrittenFiles } from '../../engine/engine.js'
import { tableTarget } from '../../engine/table-target.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { createStage, type StagedTable } from '../staging/stage.js'
import { BUILT_IDS, LANDED } from './batch-relations.js'
import { loadedTable, stageOf, type Batch } from './batch-state.js'

/** Stages what was written for a table under a lease, or takes what another attempt has staged first. */
export async function stageRows(
  deps: LakeDeps,
  batch: Batch,
  table: string,
  written: WrittenFiles & { readonly duplicates?: number; readonly basisSnapshotId?: string | null },
): Promise<StagedTable> {
  const { plan, part } = batch
  const head = headOf(loadedTable(batch, table).metadata)
  const basis = head === undefined ? null : String(head['snapshot-id'])
  const stage = await createStage(deps, plan, {
    stageId: deps.newUuid(),
    pipeline: plan.pipeline,
    batch: plan.batch,
    table,
    ...(part === undefined ? {} : { part: part.name }),
    inputFrom: plan.inputFrom,
    inputTo: plan.inputTo,
    fingerprint: plan.fingerprint,
    after: plan.after ?? null,
    basisSnapshotId: written.basisSnapshotId === undefined ? basis : written.basisSnapshotId,
    rows: written.rows,
    files: written.files,
    upstream: upstreamIds(batch, table),
    duplicates: written.duplicates ?? 0,
    expiresAtMs: deps.now() + deps.settings.stagingLeaseMs,
  })
  batch.stages.set(table, stage)
  return stage
}

/**
 * Stages the record ids that this batch is the first to build, and counts the records that are not. A pipeline in which
 * no table is `newBy` its source keeps no ids; its duplicates are those within the batch.
 */
export async function stageSourceIds(deps: LakeDeps, session: EngineSession, batch: Batch): Promise<void> {
  if (batch.stages.has(batch.idsTable)) return
  const { metadata } = loadedTable(batch, batch.idsTable)
  const built = batch.graph.onlyNew.size > 0 ? `ANTI JOIN ${BUILT_IDS} b ON b.record_id = l._record_id` : ''
  const newIds = `SELECT DISTINCT l._record_id AS record_id FROM ${LANDED} l ${built}`
  const { rows } = await session.query(
    `SELECT (SELECT count(*) FROM ${LANDED}) AS landed, (SELECT count(*) FROM (${newIds})) AS fresh`,
  )
  const [counts] = rows
  const duplicates = Number(counts?.['landed'] ?? 0) - Number(counts?.['fresh'] ?? 0)
  const written: WrittenFiles =
    batch.graph.onlyNew.size === 0
      ? { files: [], rows: 0 }
      : await session.write(
          `SELECT record_id, batch_id AS processing_batch_id FROM (${newIds}) CROSS JOIN batch`,
          {
            ...tableTarget(metadata),
            orderBy: ['record_id'],
          },
        )
  await stageRows(deps, batch, batch.idsTable, { ...written, duplicates })
}

function upstreamIds(batch: Batch, table: string): Readonly<Record<string, string>> {
  if (table === batch.idsTable) return {}
  const { source, tables } = batch.graph.reads(table)
  const built = batch.plan.groups.flat()
  const staged = tables.filter((name) => name !== table && built.includes(name))
  const names = source ? [batch.idsTable, ...staged] : staged
  return Object.fromEntries(names.map((name) => [name, stageOf(batch, name).stageId]))
}
