import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { ifFound } from '../../iceberg/error.js'
import { headOf, snapshotById } from '../../iceberg/spec/refs.js'
import { FirnError } from '../../schemas/error.js'
import type { ModelRegistry } from '../registry/model-registry.js'
import type { VersionState } from '../registry/version-store.js'
import { predictionsOf } from './predictions-of.js'
import { readBatches, type PublishedBatch } from './read-batches.js'
import type { LineageDeps } from './trace-version.js'
import type { PredictionTrace } from './version-lineage.js'
import { writerOf } from './writer-of.js'

export interface SnapshotLineage {
  readonly table: string
  /** The one asked for; else the table's head and all that were trained on or scored with. */
  readonly snapshots: readonly SnapshotUse[]
}

export interface SnapshotUse {
  readonly snapshot: string
  readonly isThere: boolean
  /** Tags and branches that hold it. */
  readonly refs: readonly string[]
  /** Batch that its newest rows came with; null: nobody recorded it. */
  readonly writtenBy: { readonly batch: string; readonly processingName: string } | null
  readonly trained: readonly {
    readonly uri: string
    readonly state: VersionState
    readonly tag: string
  }[]
  readonly scorings: readonly PredictionTrace[]
}

export interface SnapshotRequest {
  /** `namespace.name` */
  readonly table: string
  readonly snapshot?: string
}

/**
 * Who wrote a table's snapshots, which versions of models were trained on them, deleted ones too, and which scorings read
 * them. Errors: FirnError `not-found` where neither the lake nor the registry knows the table or the snapshot.
 */
export async function traceSnapshot(
  deps: LineageDeps,
  registry: Pick<ModelRegistry, 'list' | 'listDeleted'>,
  { table, snapshot }: SnapshotRequest,
): Promise<SnapshotLineage> {
  const identifier = parseIdentifier(table)
  const metadata = (await ifFound(deps.catalog.loadTable(identifier)))?.metadata
  const versions = [...registry.list(), ...registry.listDeleted()].filter(
    ({ pin }) => pin.snapshots[table] !== undefined,
  )
  const batches = await batchesAround(deps, identifier.namespace)
  const scorings = predictionsOf(batches).filter(({ snapshots }) => snapshots[table] !== undefined)
  const head = metadata === undefined ? undefined : headOf(metadata)
  const used = new Set([
    ...(head === undefined ? [] : [String(head['snapshot-id'])]),
    ...versions.map(({ pin }) => pin.snapshots[table] ?? ''),
    ...scorings.map(({ snapshots }) => snapshots[table] ?? ''),
  ])
  const known = new Set([
    ...writtenSnapshots(batches, table),
    ...(metadata?.snapshots ?? []).map((each) => String(each['snapshot-id'])),
    ...used,
  ])
  if (metadata === undefined && known.size === 0) throw noTable(table)
  if (snapshot !== undefined && !known.has(snapshot)) throw noSnapshot(table, snapshot, [...known])
  return {
    table,
    snapshots: (snapshot === undefined ? [...used] : [snapshot]).map((id) => {
      const writer = writerOf({ table, snapshot: id, metadata }, batches)
      return {
        snapshot: id,
        isThere: metadata !== undefined && snapshotById(metadata, BigInt(id)) !== undefined,
        refs: Object.entries(metadata?.refs ?? {})
          .filter(([, ref]) => String(ref['snapshot-id']) === id)
          .map(([name]) => name)
          .sort(),
        writtenBy:
          writer === undefined ? null : { batch: writer.batch, processingName: writer.processingName },
        trained: versions
          .filter(({ pin }) => pin.snapshots[table] === id)
          .map(({ model, version, state, pin }) => ({
            uri: `models:/${model}/${version}`,
            ...{ state, tag: pin.tag },
          })),
        scorings: scorings.filter(({ snapshots }) => snapshots[table] === id),
      }
    }),
  }
}

/** Of the table's own namespace and of every pipeline's, whose scorings may read it. */
async function batchesAround(deps: LineageDeps, own: string): Promise<readonly PublishedBatch[]> {
  const pipelines = [...deps.pipelines.values()].map(({ namespace }) => namespace)
  const batches: PublishedBatch[] = []
  for (const namespace of [...new Set([own, ...pipelines])].sort())
    batches.push(...(await readBatches(deps, namespace)))
  return batches
}

function writtenSnapshots(batches: readonly PublishedBatch[], table: string): readonly string[] {
  return batches.flatMap(({ tables }) =>
    tables.flatMap((written) => (written.table === table ? (written.snapshot ?? []) : [])),
  )
}

function noTable(table: string): FirnError {
  return new FirnError(
    'not-found',
    `there is no table ${table}, and no version of a model was trained on it. \`firn tables list\` shows those there are.`,
  )
}

function noSnapshot(table: string, snapshot: string, known: readonly string[]): FirnError {
  return new FirnError(
    'not-found',
    `${table} has no snapshot ${snapshot}, and no version of a model was trained on it. Known are ${known.slice(-5).join(', ')}; \`firn tables history ${table}\` shows those there are.`,
  )
}
