import { joinLocation } from '../../../iceberg/io/location.js'
import type { TableMetadata } from '../../../iceberg/spec/table-metadata.js'
import type { EngineSession } from '../../../engine/engine.js'
import { tableTarget } from '../../../engine/table-target.js'
import { FirnError } from '../../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../../schemas/lake-deps.js'
import type { PartStep, PlannedBuild } from '../../../schemas/messages.js'
import { dropStage, type StagedTable } from '../../staging/stage.js'
import { attachBatch, attachBuiltIds, attachIdFiles, BUILT_IDS, LOST_IDS } from '../batch-relations.js'
import { loadedTable, type Batch } from '../batch-state.js'
import { stageRows } from '../stage-rows.js'
import type { BuiltPart } from './build-part.js'
import {
  areIdsWhole,
  countOf,
  lostName,
  openWhole,
  PART_IDS,
  partName,
  readPart,
  tablesInParts,
} from './open-parts.js'
import { tablesByRecord } from './tables-by-record.js'

/**
 * Puts together what the parts of a batch have staged, as if it had been built whole: its ids, of which each counts in
 * the part whose record comes first, then the tables. Errors: `stage-expired` where a part is missing.
 */
export async function mergeParts(
  deps: LakeDeps,
  build: { readonly plan: PlannedBuild; readonly step: PartStep },
  control: RunControl = {},
): Promise<BuiltPart> {
  const batch = await openWhole(deps, build.plan)
  if (build.step === 'ids') {
    if (!(await areIdsWhole(deps, batch))) await mergeIds(deps, batch, control)
    return { rows: batch.stages.get(batch.idsTable)?.rows ?? 0 }
  }
  const rows = await mergeTables(deps, batch)
  // The files are in the tables' own descriptors by now; a part's descriptor that stays ends with its lease.
  await dropParts(deps, batch).catch(() => undefined)
  return { rows }
}

async function mergeIds(deps: LakeDeps, batch: Batch, { signal }: RunControl): Promise<void> {
  const { plan, idsTable } = batch
  const parts = await Promise.all(
    numbers(plan).map(async (part) => {
      const staged = await readPart(deps, batch, idsTable, partName(plan, part))
      return staged ?? missing(batch, idsTable, part)
    }),
  )
  const session = await deps.engine.openSession(signal === undefined ? {} : { signal })
  try {
    await attachBatch(session, batch)
    for (const [part, { files }] of parts.entries())
      await attachIdFiles(session, `_part_ids_${part}`, PART_IDS, files)
    const union = parts.map((_, part) => `SELECT *, ${part}::INTEGER AS part FROM _part_ids_${part}`)
    const all = { kind: 'query', name: '_part_ids', sql: union.join(' UNION ALL '), lazy: true } as const
    await session.addRelation(all)
    await stageLost(deps, session, batch)
    if (batch.stages.has(idsTable)) return
    await attachBuiltIds(deps, session, batch)
    const written = await session.write(
      `SELECT DISTINCT p.record_id, b.batch_id AS processing_batch_id FROM _part_ids p CROSS JOIN batch b
       ANTI JOIN ${BUILT_IDS} i ON i.record_id = p.record_id`,
      { ...tableTarget(loadedTable(batch, idsTable).metadata), orderBy: ['record_id'] },
    )
    const landed = parts.reduce((sum, part) => sum + part.rows + part.duplicates, 0)
    await stageRows(deps, batch, idsTable, { ...written, duplicates: landed - written.rows })
  } finally {
    await session.close()
  }
}

/** Ids of several parts, for each part but the one whose record comes first. They hang on the landed records alone. */
async function stageLost(deps: LakeDeps, session: EngineSession, batch: Batch): Promise<void> {
  const { plan, idsTable } = batch
  const written = await session.write(
    `SELECT record_id, part FROM _part_ids
     SEMI JOIN (SELECT record_id FROM _part_ids GROUP BY record_id HAVING count(*) > 1) USING (record_id)
     QUALIFY row_number() OVER (PARTITION BY record_id ORDER BY "offset", partition, path, part) > 1`,
    {
      schema: LOST_IDS,
      spec: { 'spec-id': 0, fields: [] },
      dataLocation: joinLocation(loadedTable(batch, idsTable).metadata.location, 'data'),
      orderBy: ['record_id', 'part'],
    },
  )
  const part = { number: -1, name: lostName(plan), rows: [], lost: [] }
  await stageRows(deps, { ...batch, part, stages: new Map() }, idsTable, written)
}

async function mergeTables(deps: LakeDeps, batch: Batch): Promise<number> {
  const { plan, idsTable } = batch
  const ids = batch.stages.get(idsTable)
  const seen = numbers(plan).map(() => new Map(ids === undefined ? [] : [[idsTable, ids]]))
  let rows = 0
  for (const table of await tablesInParts(batch)) {
    const parts: StagedTable[] = []
    for (const [part, stages] of seen.entries()) {
      const staged = await readPart(deps, batch, table, partName(plan, part), stages)
      if (staged === undefined) return missing(batch, table, part)
      stages.set(table, staged)
      parts.push(staged)
    }
    const { metadata } = loadedTable(batch, table)
    const whole = await stageRows(deps, batch, table, {
      files: parts.flatMap((part) => part.files),
      rows: parts.reduce((sum, part) => sum + part.rows, 0),
      basisSnapshotId: oldestOf(
        metadata,
        parts.map((part) => part.basisSnapshotId),
      ),
    })
    rows += whole.rows
  }
  return rows
}

/** What came after the oldest head has to be looked at when it is published. One that is gone by now is older than any. */
function oldestOf(metadata: TableMetadata, heads: readonly (string | null)[]): string | null {
  const ages = heads.map((head) => {
    const snapshot =
      head === null ? undefined : metadata.snapshots.find((one) => String(one['snapshot-id']) === head)
    return { head, age: head === null ? -1 : (snapshot?.['sequence-number'] ?? 0) }
  })
  return ages.reduce((oldest, one) => (one.age < oldest.age ? one : oldest)).head
}

/** With the files of ids that no table will ever have. */
async function dropParts(deps: LakeDeps, batch: Batch): Promise<void> {
  const { plan, idsTable } = batch
  const { pipeline, batch: id } = plan
  const names = numbers(plan).map((part) => partName(plan, part))
  for (const part of [...names, lostName(plan)]) {
    const ids = await readPart(deps, batch, idsTable, part)
    await dropStage(deps, { pipeline, batch: id, table: idsTable, part })
    for (const file of ids?.files ?? []) await deps.catalog.io.delete(file.filePath)
  }
  for (const table of await tablesByRecord(batch.pipeline))
    for (const part of names) await dropStage(deps, { pipeline, batch: id, table, part })
}

function numbers(plan: PlannedBuild): readonly number[] {
  return Array.from({ length: countOf(plan) }, (_, part) => part)
}

function missing({ plan }: Batch, table: string, part: number): never {
  throw new FirnError(
    'stage-expired',
    `part ${part} of table ${table} of batch ${plan.batch} is not staged (any longer); build the batch again`,
    { context: { batch: plan.batch, tables: [table] } },
  )
}
