import { ifFound } from '../../iceberg/error.js'
import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { parseBatchId } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier, ledgerIdentifier } from '../../schemas/lake-tables.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import type { RebuildBatchInput, RebuildPlan } from '../../schemas/rebuild-messages.js'
import { definitionFingerprint } from '../define/fingerprint.js'
import { freeBatchId } from '../features/free-batch-id.js'
import { pipelineGraph } from '../features/pipeline-graph.js'
import { tablesSoFar } from '../features/plan-build.js'
import { nextRowNumber } from '../land/ledger.js'
import { refuseRemovedRaw } from '../land/raw-kept-from.js'
import { sourceOf } from '../land/source-of.js'
import { readBatchFamily } from '../publish/audit.js'
import { lastChange, readBuiltBatches, type BuiltBatch } from '../publish/built-batches.js'
import { ensureTables } from '../tables/ensure-tables.js'
import { chooseTables, notesOf, refuseTables } from './choose-tables.js'

/**
 * What computing a published batch again means: its input, the tables in dependency order, the id it is recorded under. Errors:
 * `not-found` for a batch that is not published or whose raw objects are gone, `invalid-input` for tables that can't be
 * built again, `definition-changed` as for a build.
 */
export async function planRebuild(deps: LakeDeps, input: RebuildBatchInput): Promise<RebuildPlan> {
  const { pipeline, name: source } = sourceOf(deps, input)
  const batch = parseBatchId(input.batch)
  const { audit, ledger } = await loadRecords(deps, pipeline, source)
  const batches = await readBuiltBatches(deps, audit, pipeline.name)
  const built = batches.find((one) => one.batch === batch)
  const family = await readBatchFamily(deps, audit, pipeline.name, batch)
  if (built === undefined) throw notPublished(pipeline, batch, batches, family)
  refuseRemovedRaw(ledger, built.inputFrom)
  const landed = await nextRowNumber(deps, ledger)
  if (landed < built.inputTo) {
    throw new FirnError(
      'not-found',
      `batch ${batch} read ledger rows ${built.inputFrom} to ${built.inputTo - 1} of ${source}, but the ledger ends at row ${landed}: land what was rolled back first`,
    )
  }
  const graph = await pipelineGraph(pipeline)
  const mode = input.forward === true ? 'forward' : 'alone'
  const chosen = chooseTables(pipeline, graph, input.tables)
  refuseTables(pipeline, graph, chosen)
  const tables =
    input.dryRun === true ? await tablesSoFar(deps, pipeline) : await ensureTables(deps, pipeline)
  const later = batches.filter((one) => one.inputFrom >= built.inputTo).map((one) => one.batch)
  const free = freeBatchId(batch, family, tables)
  return {
    build: {
      ...{ kind: 'build', pipeline: pipeline.name, batch: free, first: false },
      ...{ inputFrom: built.inputFrom, inputTo: built.inputTo },
      fingerprint: definitionFingerprint(pipeline).pipeline,
      groups: [chosen],
      tag: `v_incr_${free}`,
      after: lastChange(audit, pipeline.name),
    },
    rebuilds: batch,
    mode,
    tables: chosen.map((table) => ({
      table,
      write: pipeline.tables[table]?.write ?? 'insert-new',
      because: graph.reads(table).tables.filter((name) => name !== table && chosen.includes(name)),
      rows: built.rows.get(`${pipeline.namespace}.${table}`) ?? null,
    })),
    later: mode === 'forward' ? later : [],
    notes: notesOf(pipeline, chosen, { mode, later: later.length }),
  }
}

async function loadRecords(
  deps: LakeDeps,
  { name, namespace }: Pipeline,
  source: string,
): Promise<{ readonly audit: LoadedTable; readonly ledger: LoadedTable }> {
  const audit = await ifFound(deps.catalog.loadTable(auditIdentifier(namespace)))
  const ledger = await ifFound(deps.catalog.loadTable(ledgerIdentifier(source)))
  if (audit !== undefined && ledger !== undefined) return { audit, ledger }
  throw new FirnError('not-found', `pipeline ${name} has published no batch yet: there is nothing to rebuild`)
}

function notPublished(
  { name, namespace }: Pipeline,
  batch: string,
  batches: readonly BuiltBatch[],
  family: Awaited<ReturnType<typeof readBatchFamily>>,
): FirnError {
  const row = family.filter((one) => one.batch === batch).at(-1)
  if (row?.status === 'rebuilt') {
    const of = batches.find((one) => one.inputFrom === row.inputFrom && one.inputTo === row.inputTo)
    const original = of === undefined ? '' : `; say ${of.batch}, whose rows they are`
    return new FirnError('invalid-input', `batch ${batch} of ${name} is itself a rebuild${original}`)
  }
  const known = batches.slice(-5).map((one) => one.batch)
  const why = row === undefined ? 'is unknown' : `is ${row.status.replace('_', ' ')}, not published`
  return new FirnError(
    'not-found',
    `batch ${batch} of ${name} ${why}: ${known.length === 0 ? 'nothing is published' : `the last published ones are ${known.join(', ')}`}; all are in ${namespace}.processing_metadata`,
  )
}
