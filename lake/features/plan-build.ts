import { ifFound } from '../../iceberg/error.js'
import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { parseBatchId } from '../../schemas/batch.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier, ledgerIdentifier } from '../../schemas/lake-tables.js'
import type { DefinitionChange, OnChange } from '../../schemas/definition-change.js'
import type { BuildFeaturesInput, BuildPlan } from '../../schemas/messages.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { definitionFingerprint } from '../define/fingerprint.js'
import { nextRowNumber } from '../land/ledger.js'
import { sourceOf } from '../land/source-of.js'
import { publishedState, readBatchFamily, recordedResult, type PublishedState } from '../publish/audit.js'
import { lastChange } from '../publish/built-batches.js'
import { engineOf } from '../spark/engine-of.js'
import { ensureTables } from '../tables/ensure-tables.js'
import { definitionChanged, findDefinitionChange, outdatedBatches } from './definition-change.js'
import { freeBatchId } from './free-batch-id.js'
import { planParts } from './parts/plan-parts.js'
import { pipelineGraph } from './pipeline-graph.js'
import { skipFailedBatch } from './skip-failed-batch.js'

/**
 * What a batch has to build: the ledger rows that no published batch has read. Looks at metadata only, so with nothing
 * new the cost does not depend on how much was built before. With `skip` a failed batch's range counts as read from now
 * on; that is recorded first. With `dryRun` tables that don't exist yet are not made.
 */
export async function planBuild(
  deps: LakeDeps,
  input: BuildFeaturesInput & { readonly batch: string },
  { dryRun = false }: { readonly dryRun?: boolean } = {},
): Promise<BuildPlan> {
  const { pipeline, name: source } = sourceOf(deps, input)
  const batch = parseBatchId(input.batch)
  if (input.skip !== undefined) await skipFailedBatch(deps, pipeline, { batch, skip: input.skip })
  const audit = await ifFound(deps.catalog.loadTable(auditIdentifier(pipeline.namespace)))
  const ledger = await ifFound(deps.catalog.loadTable(ledgerIdentifier(source)))
  const state = await (audit === undefined ? NEVER_BUILT : publishedState(deps, audit, pipeline.name))
  const end = ledger === undefined ? 0 : await nextRowNumber(deps, ledger)
  const change =
    audit !== undefined && state.published && mayMatter({ isNew: end > state.end, dryRun, ...input })
      ? await findDefinitionChange(deps, pipeline, audit)
      : undefined
  if (audit !== undefined && change !== undefined && input.onChange === 'rebuild' && !dryRun) {
    const batches = (await outdatedBatches(deps, pipeline, audit)).map((built) => built.batch)
    return { kind: 'rebuild-first', pipeline: pipeline.name, batch, batches, change }
  }
  const family = audit === undefined ? [] : await readBatchFamily(deps, audit, pipeline.name, batch)
  if (end <= state.end) {
    const published = family.filter((row) => row.status === 'published').at(-1)
    return audit !== undefined && published !== undefined
      ? { kind: 'already-published', pipeline: pipeline.name, result: recordedResult(audit, published) }
      : { kind: 'nothing-new', pipeline: pipeline.name, batch, inputTo: state.end, ...changeOf(change) }
  }
  if (change !== undefined && input.onChange === undefined && !dryRun)
    throw definitionChanged(pipeline.name, change)
  const tables = dryRun ? await tablesSoFar(deps, pipeline) : await ensureTables(deps, pipeline)
  const free = freeBatchId(batch, family, tables)
  const range = { rowFrom: state.end, rowEnd: end }
  const parts = ledger === undefined ? 1 : await planParts(deps, pipeline, ledger, range)
  const { order } = await pipelineGraph(pipeline)
  return {
    kind: 'build',
    pipeline: pipeline.name,
    batch: free,
    inputFrom: state.end,
    inputTo: end,
    first: !state.published,
    fingerprint: definitionFingerprint(pipeline).pipeline,
    groups: [order],
    tag: state.published ? `v_incr_${free}` : `v_${free}`,
    ...(parts === 1 ? {} : { parts }),
    after: audit === undefined ? null : lastChange(audit, pipeline.name),
    ...changeOf(change),
    ...(order.some((table) => engineOf(deps, pipeline, table) === 'spark') ? { engine: 'spark' } : {}),
  }
}

/** A definition that builds nothing is nobody's concern, but of who asks. */
function mayMatter(asked: {
  readonly isNew: boolean
  readonly dryRun: boolean
  readonly onChange?: OnChange
}): boolean {
  return asked.isNew || asked.dryRun || asked.onChange === 'rebuild'
}

function changeOf(change: DefinitionChange | undefined): { readonly change?: DefinitionChange } {
  return change === undefined ? {} : { change }
}

const NEVER_BUILT: PublishedState = { end: 0, published: false }

/** Those of a pipeline's tables that there are. */
export async function tablesSoFar(
  deps: LakeDeps,
  { namespace, tables }: Pipeline,
): Promise<readonly LoadedTable[]> {
  const names = Object.keys(tables)
  const loaded = await Promise.all(names.map((name) => ifFound(deps.catalog.loadTable({ namespace, name }))))
  return loaded.filter((table) => table !== undefined)
}
