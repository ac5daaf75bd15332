import { formatIdentifier, type LoadedTable, type TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { compareBatches, instantOf, isBatchId, type BatchId } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { TrainingPin, TrainModelInput } from '../../schemas/model-messages.js'
import { chooseEstimator, findModel } from '../models/find-model.js'
import { resolveLabels, resolveService } from '../views/resolve-features.js'

export type PinDeps = Pick<LakeDeps, 'catalog' | 'pipelines'>

/** A tag, and what it stands for in every table of a list. */
export interface PinnedTag {
  readonly tag: string
  /** `namespace.table` → snapshot id. */
  readonly snapshots: Readonly<Record<string, string>>
  /** The logical instant of the tag's batch; of another tag the newest snapshot's time. ISO-8601, UTC. */
  readonly asOf: string
}

/** Everything that a training's data and weights follow from, resolved once; the split's table is added by the split. */
export async function pinTraining(deps: PinDeps, input: TrainModelInput): Promise<TrainingPin> {
  const model = findModel(deps.pipelines, input)
  const { definition } = model
  const service = input.service ?? definition.service
  const estimator = chooseEstimator(model, input)
  const features = resolveService(model.pipeline, service)
  const labels = resolveLabels(model.pipeline, definition.labels)
  const pinned = await pinTables(deps, [...features.tables, ...labels.tables], {
    ...(input.at === undefined ? {} : { at: input.at }),
    reader: `model "${model.name}"`,
  })
  const { task, validation, classWeights, calibration, offset, baselineOnly } = definition
  return {
    pipeline: model.pipeline.name,
    model: model.name,
    tag: pinned.tag,
    seed: input.seed ?? 0,
    snapshots: pinned.snapshots,
    service,
    labels: definition.labels,
    ...(definition.split === undefined ? {} : { split: definition.split }),
    estimator: estimator.name,
    definition: estimator.definition,
    settings: {
      task,
      ...(validation === undefined ? {} : { validation }),
      ...(classWeights === undefined ? {} : { classWeights }),
      ...(calibration === undefined ? {} : { calibration }),
      ...(offset === undefined ? {} : { offset }),
      ...(baselineOnly === undefined ? {} : { baselineOnly }),
    },
    asOf: pinned.asOf,
  }
}

/**
 * The snapshot ids of tables at a tag: the given one, or that of the newest batch. All tables are loaded in one catalog
 * read, so a batch that is published meanwhile is seen whole or not at all.
 */
export async function pinTables(
  deps: Pick<LakeDeps, 'catalog'>,
  identifiers: readonly TableIdentifier[],
  { at, reader }: { readonly at?: string; readonly reader: string },
): Promise<PinnedTag> {
  const unique = new Map(identifiers.map((identifier) => [formatIdentifier(identifier), identifier]))
  const tables = await deps.catalog.loadTables(
    [...unique.keys()].sort().flatMap((name) => unique.get(name) ?? []),
  )
  const tag = at ?? newestBatchTag(tables)
  if (tag === undefined) {
    throw new FirnError(
      'not-found',
      `no batch is published in all of ${[...unique.keys()].join(', ')} yet, so ${reader} has nothing to read. Build a batch first, or name a tag.`,
    )
  }
  const snapshots = tables.map((table): [string, string] => [
    formatIdentifier(table.identifier),
    taggedSnapshot(table, tag),
  ])
  return { tag, snapshots: Object.fromEntries(snapshots), asOf: instantOfTag(tables, tag) }
}

function taggedSnapshot({ identifier, metadata }: LoadedTable, tag: string): string {
  const ref = Object.hasOwn(metadata.refs, tag) ? metadata.refs[tag] : undefined
  if (ref !== undefined) return ref['snapshot-id'].toString()
  const tags = Object.keys(metadata.refs).filter((name) => metadata.refs[name]?.type === 'tag')
  const known = tags.filter((name) => !name.startsWith('model-'))
  throw new FirnError(
    'not-found',
    `table ${formatIdentifier(identifier)} has no tag "${tag}"; its newest tags are ${known.slice(-5).join(', ') || 'none'}. Name one that every table has.`,
  )
}

/** Among the tags that all tables have. */
function newestBatchTag(tables: readonly LoadedTable[]): string | undefined {
  const tags = Object.keys(tables[0]?.metadata.refs ?? {}).flatMap((name) => {
    const batch = batchOfTag(name)
    return batch !== undefined && tables.every((table) => table.metadata.refs[name]?.type === 'tag')
      ? [{ name, batch }]
      : []
  })
  return tags.sort((a, b) => compareBatches(a.batch, b.batch)).at(-1)?.name
}

function instantOfTag(tables: readonly LoadedTable[], tag: string): string {
  const batch = batchOfTag(tag)
  if (batch !== undefined) return instantOf(batch).toISOString()
  const times = tables.map(({ metadata }) => {
    const id = metadata.refs[tag]?.['snapshot-id']
    return metadata.snapshots.find((snapshot) => snapshot['snapshot-id'] === id)?.['timestamp-ms'] ?? 0
  })
  return new Date(Math.max(...times.map(Number))).toISOString()
}

/** The batch of `v_<batch>` and `v_incr_<batch>`. */
export function batchOfTag(name: string): BatchId | undefined {
  const batch = /^v_(?:incr_)?(.+)$/.exec(name)?.[1]
  return batch !== undefined && isBatchId(batch) ? batch : undefined
}
