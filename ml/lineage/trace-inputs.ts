import { formatIdentifier, parseIdentifier, type LoadedTable } from '../../iceberg/catalog/catalog.js'
import { ifFound } from '../../iceberg/error.js'
import { snapshotById } from '../../iceberg/spec/refs.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { SPLITS } from '../../schemas/lake-tables.js'
import { modelTag } from '../registry/free-tags.js'
import type { ModelVersion } from '../registry/version-store.js'
import type { PublishedBatch } from './read-batches.js'
import { traceSources } from './trace-sources.js'
import { traceSplit } from './trace-split.js'
import { writerOf } from './writer-of.js'
import type { BatchTrace, InputsTrace, InputTrace } from './version-lineage.js'

const BATCHES_LISTED = 10_000

/**
 * The tables that a version was trained on, the batches whose rows they can hold, and what these were built from.
 * `batches`: all that are recorded of the inputs' namespaces.
 */
export async function traceInputs(
  deps: Pick<LakeDeps, 'catalog' | 'engine'>,
  version: ModelVersion,
  recorded: readonly PublishedBatch[],
): Promise<InputsTrace> {
  const { pin } = version
  const writers: PublishedBatch[] = []
  const inputs: InputTrace[] = []
  const unknown: string[] = []
  for (const [table, snapshot] of Object.entries(pin.snapshots).sort()) {
    const loaded = await ifFound(deps.catalog.loadTable(parseIdentifier(table)))
    const writer = writerOf({ table, snapshot, metadata: loaded?.metadata }, recorded)
    inputs.push({ ...inputOf(version, { table, snapshot }, loaded), batch: writer?.batch ?? null })
    if (writer !== undefined) writers.push(writer)
    else
      unknown.push(`${table} at snapshot ${snapshot}: no batch recorded it, so its raw objects aren't known`)
  }
  const batches = batchesUpTo(writers, recorded, ownSplit(version))
  const sources = await traceSources(deps, batches)
  const split = await traceSplit(deps, pin)
  return {
    ...(split === undefined ? {} : { split }),
    inputs,
    batchCount: batches.length,
    batches: batches.slice(-BATCHES_LISTED).map(toTrace),
    sources: sources.sources,
    unknown: [...unknown, ...sources.unknown],
  }
}

function inputOf(
  version: ModelVersion,
  { table, snapshot }: { readonly table: string; readonly snapshot: string },
  loaded: LoadedTable | undefined,
): Omit<InputTrace, 'batch'> {
  const tag = modelTag(version)
  const tagged = loaded?.metadata.refs[tag]?.['snapshot-id']
  return {
    ...{ table, snapshot, tag },
    isTagged: tagged !== undefined && String(tagged) === snapshot,
    isThere: loaded !== undefined && hasSnapshot(loaded.metadata, snapshot),
  }
}

function hasSnapshot(metadata: TableMetadata, snapshot: string): boolean {
  return snapshotById(metadata, BigInt(snapshot)) !== undefined
}

/** By processing name: the newest writer and all before it. Of the table of splits, which models share, only its own. */
function batchesUpTo(
  writers: readonly PublishedBatch[],
  recorded: readonly PublishedBatch[],
  ownSplitName: string | undefined,
): readonly PublishedBatch[] {
  const ends = new Map<string, number>()
  for (const { namespace, processingName, inputTo } of writers) {
    const name = namespace === SPLITS.namespace ? (ownSplitName ?? processingName) : processingName
    const key = keyOf(namespace, name)
    ends.set(key, Math.max(ends.get(key) ?? 0, inputTo))
  }
  return recorded.filter(
    ({ namespace, processingName, inputTo }) => inputTo <= (ends.get(keyOf(namespace, processingName)) ?? -1),
  )
}

function keyOf(namespace: string, processingName: string): string {
  return formatIdentifier({ namespace, name: processingName })
}

function ownSplit({ pin }: ModelVersion): string | undefined {
  return pin.split === undefined ? undefined : `${pin.pipeline}.split.${pin.split}`
}

function toTrace(batch: PublishedBatch): BatchTrace {
  const { namespace, processingName, inputFrom, inputTo, fingerprint, workflowId, runId } = batch
  return {
    ...{ batch: batch.batch, processingName, namespace, inputFrom, inputTo },
    ...{ fingerprint, workflowId, runId },
  }
}
