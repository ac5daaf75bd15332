import { formatIdentifier, type LoadedTable } from '../../iceberg/catalog/catalog.js'
import { compareBatches, isBatchId, type BatchId } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { TrainingPin } from '../../schemas/messages.js'
import { modelOf } from '../datasets/model-of.js'

export interface PinInput {
  readonly pipeline: string
  readonly model: string
  readonly at?: string
  readonly seed?: number
}

/**
 * The snapshot ids of everything that a model reads, at a tag: the given one, or that of the newest batch. All tables are
 * loaded in one catalog read, so a batch that is published meanwhile is seen whole or not at all.
 */
export async function resolvePin(deps: LakeDeps, input: PinInput): Promise<TrainingPin> {
  const { tables: identifiers } = modelOf(deps, input)
  const tables = await deps.catalog.loadTables(identifiers)
  const tag = input.at ?? newestBatchTag(tables)
  if (tag === undefined) {
    throw new FirnError(
      'not-found',
      `no batch of pipeline "${input.pipeline}" is published yet, so model "${input.model}" has nothing to read. Build a batch first, or name a tag.`,
    )
  }
  const snapshots = tables.map((table): [string, string] => [
    formatIdentifier(table.identifier),
    taggedSnapshot(table, tag),
  ])
  return {
    pipeline: input.pipeline,
    model: input.model,
    tag,
    seed: input.seed ?? 0,
    snapshots: Object.fromEntries(snapshots),
  }
}

function taggedSnapshot({ identifier, metadata }: LoadedTable, tag: string): string {
  const ref = Object.hasOwn(metadata.refs, tag) ? metadata.refs[tag] : undefined
  if (ref !== undefined) return ref['snapshot-id'].toString()
  const known = Object.keys(metadata.refs).filter((name) => metadata.refs[name]?.type === 'tag')
  throw new FirnError(
    'not-found',
    `table ${formatIdentifier(identifier)} has no tag "${tag}"; its newest tags are ${known.slice(-5).join(', ') || 'none'}. Name one that every table of the model has.`,
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

function batchOfTag(name: string): BatchId | undefined {
  const batch = /^v_(?:incr_)?(.+)$/.exec(name)?.[1]
  return batch !== undefined && isBatchId(batch) ? batch : undefined
}
