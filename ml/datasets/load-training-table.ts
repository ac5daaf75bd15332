import type { Data, RecordBatch } from 'apache-arrow'
import type { SplitName } from '../../schemas/feature-definitions.js'
import type { ModelTask } from '../../schemas/model-definitions.js'
import { FirnError } from '../../schemas/error.js'
import { FEATURE_PREFIX } from './dataset-columns.js'
import { createDatasetDigest, requireDigest } from './dataset-digest.js'
import { openBlocks } from './read-blocks.js'
import { collectFeature } from './collect-feature.js'
import { collectLabels } from './collect-labels.js'
import { columnOf, textsOf } from './read-texts.js'
import type { TrainingTable } from './training-table.js'

export interface LoadOptions {
  /** What the file must hold. */
  readonly orderedDigest: string
  readonly task: ModelTask
  /** `optional`: rows to be scored, which need neither a label nor a split. Default: rows without are an error. */
  readonly labels?: 'optional'
  /** Told in words of what is not as it was in the table, such as a long beyond 2^53. */
  readonly onWarning?: (text: string) => void
}

/**
 * A data set's file → its columns in memory, once its rows have proved to be those of the digest. Strings and uuids become
 * categories; numbers, decimals, booleans, dates (days) and timestamps (µs) numbers; lists tensors. Errors: FirnError
 * `contract-broken` (other rows), `training-failed` (rows that can't train: no label, no split, lists of unequal length),
 * `not-found`.
 */
export async function loadTrainingTable(path: string, options: LoadOptions): Promise<TrainingTable> {
  const blocks = await openBlocks(path)
  try {
    const { columns } = blocks.footer
    const rows = blocks.footer.blocks.reduce((total, count) => total + count, 0)
    const digest = createDatasetDigest(columns)
    const observations = collectObservations(rows)
    const labels = collectLabels(rows, options)
    const features = columns
      .filter(({ name }) => name.startsWith(FEATURE_PREFIX))
      .map((column) => collectFeature(column, rows, options.onWarning))
    let start = 0
    for (const block of blocks.footer.blocks.keys()) {
      const batch = await blocks.read(block)
      digest.add(batch)
      observations.add(batch, start)
      labels.add(batch, start)
      for (const feature of features) feature.add(batch, start)
      start += batch.numRows
    }
    requireDigest(path, options.orderedDigest, digest.finish().orderedDigest)
    return {
      rows,
      ...observations.finish(options.labels === 'optional'),
      ...labels.finish(),
      columns: features.map((feature) => feature.finish()),
    }
  } finally {
    await blocks.close()
  }
}

function collectObservations(rows: number) {
  const entities: string[] = []
  const groups: string[] = []
  const splits: (string | null)[] = []
  const times = new BigInt64Array(rows)
  return {
    add(batch: RecordBatch, start: number): void {
      const [entity, group, split] = ['entity', 'group', 'split'].map((name) => textsOf(batch, name))
      for (let row = 0; row < batch.numRows; row++) {
        entities.push(entity?.(row) ?? '')
        groups.push(group?.(row) ?? '')
        splits.push(split?.(row) ?? null)
      }
      times.set((columnOf(batch, 'event_timestamp') as Data).values as BigInt64Array, start)
    },
    finish(anySplit: boolean) {
      const named = splitsOf(entities, splits, anySplit)
      return { entities, groups, times, ...(named === undefined ? {} : { splits: named }) }
    },
  }
}

const SPLITS: ReadonlySet<string> = new Set<SplitName>(['train', 'val', 'test'])

/** All rows have one, or none has. */
function splitsOf(
  entities: readonly string[],
  splits: readonly (string | null)[],
  anySplit: boolean,
): readonly SplitName[] | undefined {
  if (anySplit || splits.every((split) => split === null)) return undefined
  const wrong = splits.findIndex((split) => split === null || !SPLITS.has(split))
  if (wrong < 0) return splits as readonly SplitName[]
  const count = splits.filter((split) => split === null || !SPLITS.has(split)).length
  throw new FirnError(
    'training-failed',
    `${count} of ${splits.length} rows have no split, e.g. ${entities[wrong]} (${String(splits[wrong])}): assign them to train, val or test, then train again.`,
  )
}
