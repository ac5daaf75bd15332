import { headOf } from '../../iceberg/spec/refs.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { SPLITS } from '../../schemas/lake-tables.js'
import { ifFound } from '../../iceberg/error.js'
import type { SplitKey } from './add-split.js'
import { findSplit, openSplit, pinSplit } from './open-split.js'
import { reportSplit, type SplitReport } from './split-report.js'

export interface ShownSplit extends SplitKey, SplitReport {
  readonly labels: string
  readonly method: string
  readonly seed: number
  /** Tag that the label view is read at. */
  readonly tag: string
  /** Of the table of splits. */
  readonly snapshotId: string | null
}

/** A version's rows beside the label view at a tag (default: the newest batch), by split and class. Changes nothing. */
export async function showSplit(
  deps: Pick<LakeDeps, 'catalog' | 'engine' | 'pipelines'>,
  { at, ...key }: SplitKey & { readonly at?: string },
): Promise<ShownSplit> {
  const split = findSplit(deps, key)
  const table = await ifFound(deps.catalog.loadTable(SPLITS))
  if (table === undefined) {
    throw new FirnError(
      'not-found',
      `no split has rows yet: \`firn splits extend ${key.pipeline} ${key.split}\`, or a training, assigns some.`,
    )
  }
  const pin = await pinSplit(deps, split, at)
  const session = await deps.engine.openSession()
  try {
    await openSplit(deps, session, { split, pin, table })
    return {
      ...key,
      ...{ labels: split.labels.name, method: split.method, seed: split.definition.seed, tag: pin.tag },
      snapshotId: headOf(table.metadata)?.['snapshot-id'].toString() ?? null,
      ...(await reportSplit(session, 'assigned')),
    }
  } finally {
    await session.close()
  }
}

/** The pipeline that defines a version, where its name alone says which; FirnError else. */
export function pipelineOfSplit({ pipelines }: Pick<LakeDeps, 'pipelines'>, split: string): string {
  const found = [...pipelines.values()].filter(({ splits = {} }) => Object.hasOwn(splits, split))
  const [only, ...others] = found.map(({ name }) => name)
  if (only !== undefined && others.length === 0) return only
  if (only !== undefined) {
    throw new FirnError(
      'invalid-input',
      `pipelines ${[only, ...others].join(', ')} all define a split "${split}". Say --pipeline.`,
    )
  }
  const known = [...pipelines.values()].flatMap(({ splits = {} }) => Object.keys(splits)).join(', ')
  throw new FirnError(
    'not-found',
    `no pipeline defines a split "${split}"; there are: ${known || 'none'}. Correct the name.`,
  )
}
