import { joinLocation } from '../../iceberg/io/location.js'
import { tryCreate } from '../../iceberg/io/try-create.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { DatasetInfo, TrainingPin } from '../../schemas/messages.js'
import { encodeDataset, type LabelledRow } from './dataset.js'
import { modelOf } from './model-of.js'
import { readFeatures } from './read-features.js'

/** Writes the labelled rows of a pin under a name drawn from their content: the same rows are the same file. */
export async function buildDataset(deps: LakeDeps, pin: TrainingPin): Promise<DatasetInfo> {
  const model = modelOf(deps, pin)
  const { numeric, categorical } = model.definition
  const features = await readFeatures(deps, model, pin.snapshots)
  const rows = features.flatMap(({ label, ...row }): LabelledRow[] =>
    label === null ? [] : [{ ...row, label }],
  )
  const positives = rows.filter((row) => row.label === 1).length
  if (positives === 0 || positives === rows.length) {
    throw new FirnError(
      'training-failed',
      `model "${pin.model}" at ${pin.tag}: ${positives} of ${rows.length} labelled rows are positive, so there is nothing to learn. Land more data, or train at another tag.`,
    )
  }
  const { bytes, digest } = encodeDataset({ numeric, categorical, rows })
  const location = joinLocation(
    deps.warehouse,
    ...['ml', pin.pipeline, pin.model, 'datasets', `${digest}.json.gz`],
  )
  // Its name is drawn from its content: whoever wrote it first wrote the same.
  await tryCreate(deps.catalog.io, location, bytes)
  return { location, rows: rows.length, features: numeric.length + categorical.length, digest }
}
