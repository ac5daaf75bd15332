import { joinLocation } from '../../../iceberg/io/location.js'
import { FirnError } from '../../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../../schemas/lake-deps.js'
import type { PartStep, PlannedBuild } from '../../../schemas/messages.js'
import { attachLanded, LANDED } from '../batch-relations.js'
import { loadedTable, type Batch } from '../batch-state.js'
import { stageTables } from '../build-tables.js'
import { stageRows } from '../stage-rows.js'
import { areIdsWhole, openPart, openWhole, PART_IDS, readPart, tablesInParts } from './open-parts.js'

export interface BuiltPart {
  readonly rows: number
}

/**
 * Stages what one part of a batch gives to its ids, or to the tables that are built in parts, which takes the whole ids
 * (merge-parts). What another attempt has staged is used. Errors as `buildTables`.
 */
export async function buildPart(
  deps: LakeDeps,
  build: { readonly plan: PlannedBuild; readonly part: number; readonly step: PartStep },
  control: RunControl = {},
): Promise<BuiltPart> {
  const batch = await openWhole(deps, build.plan)
  if (build.step === 'ids') {
    if (await areIdsWhole(deps, batch)) return { rows: 0 }
    return await stagePartIds(deps, await openPart(deps, batch, build.part), control)
  }
  const tables = await tablesInParts(batch)
  if (tables.length === 0) return { rows: 0 }
  if (!(await areIdsWhole(deps, batch))) {
    throw new FirnError(
      'stage-expired',
      `the record ids of batch ${build.plan.batch} are not staged (any longer); build the batch again`,
      { context: { batch: build.plan.batch, tables: [batch.idsTable] } },
    )
  }
  const part = await openPart(deps, batch, build.part)
  for (const table of tables) {
    const staged = await readPart(deps, part, table, part.part?.name ?? '', part.stages)
    if (staged !== undefined) part.stages.set(table, staged)
  }
  await stageTables(deps, part, tables, control)
  return { rows: tables.reduce((sum, table) => sum + (part.stages.get(table)?.rows ?? 0), 0) }
}

/** Only the envelopes are read. Of equal ids in a part the first one's place counts, as in a batch that is not in parts. */
async function stagePartIds(
  deps: LakeDeps,
  batch: Batch,
  { signal, onProgress }: RunControl,
): Promise<BuiltPart> {
  const { part, idsTable } = batch
  const staged = await readPart(deps, batch, idsTable, part?.name ?? '')
  if (staged !== undefined) return { rows: staged.rows }
  const session = await deps.engine.openSession(signal === undefined ? {} : { signal })
  try {
    onProgress?.(`ids of ${part?.rows.length ?? 0} ledger rows`)
    await attachLanded(session, part?.rows ?? [])
    const { rows } = await session.query(`SELECT count(*) AS landed FROM ${LANDED}`)
    const written = await session.write(
      `SELECT _record_id AS record_id, _offset AS "offset", _partition AS partition, _path AS path FROM ${LANDED}
       QUALIFY row_number() OVER (PARTITION BY _record_id ORDER BY _offset, _partition, _path) = 1`,
      {
        schema: PART_IDS,
        spec: { 'spec-id': 0, fields: [] },
        dataLocation: joinLocation(loadedTable(batch, idsTable).metadata.location, 'data'),
        orderBy: ['record_id'],
      },
    )
    const duplicates = Number(rows[0]?.['landed'] ?? 0) - written.rows
    return await stageRows(deps, batch, idsTable, { ...written, duplicates })
  } finally {
    await session.close()
  }
}
