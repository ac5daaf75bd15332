import { ifFound } from '../../iceberg/error.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type { DatasetInfo, TrainingPin, TrainingProgress } from '../../schemas/model-messages.js'
import { buildDataset } from '../datasets/build-dataset.js'
import { checkpointKey, openCheckpoints } from '../models/checkpoint-store.js'
import { codeVersion } from '../process/code-version.js'
import { runChild } from '../process/run-child.js'
import type { TrainJob, TrainJobResult } from './train-child.js'
import { threadSettings } from './tensorflow.js'

export interface FitControl extends RunControl {
  readonly onTraining?: (progress: TrainingProgress) => void
  /** Environment of the process that fits; default: that of a new training. */
  readonly threads?: Readonly<Record<string, string>>
}

/**
 * Fits in a process of its own, going on from the last checkpoint of exactly this training where there is one. The data
 * set's file is made again where it is gone. Errors: FirnError `contract-broken` (the pin no longer gives this data set).
 */
export async function fitInChild(
  deps: LakeDeps,
  training: { readonly pin: TrainingPin; readonly dataset: DatasetInfo },
  control: FitControl = {},
): Promise<TrainJobResult> {
  const { pin, dataset } = training
  const threads = control.threads ?? threadSettings()
  const { definition, settings, seed } = pin
  const { io } = deps.catalog
  const code = await codeVersion()
  // Of everything that decides the weights: what was kept for anything else, or by other code, is not looked at.
  const key = checkpointKey(
    { definition, settings, seed, threads },
    { rows: dataset.orderedDigest, code: code ?? null },
  )
  const checkpoints = openCheckpoints({ io, warehouse: deps.warehouse, key })
  return await withDataset(deps, training, async (path) => {
    const job: TrainJob = { path, orderedDigest: dataset.orderedDigest, pin: { definition, settings, seed } }
    const { onProgress, onTraining, signal } = control
    const fitted = await runChild<TrainJobResult>('ml/training/train-child', job, {
      env: threads,
      checkpoints,
      ...(onProgress === undefined ? {} : { onProgress }),
      ...(onTraining === undefined ? {} : { onTraining }),
      ...(signal === undefined ? {} : { signal }),
    })
    await checkpoints.sweep()
    return {
      ...fitted,
      environment: { ...fitted.environment, ...(code === undefined ? {} : { codeVersion: code }) },
    }
  })
}

/** The data set's file as a path of this host; open as long as `use` runs. */
export async function withDataset<T>(
  deps: LakeDeps,
  { pin, dataset }: { readonly pin: TrainingPin; readonly dataset: DatasetInfo },
  use: (path: string) => Promise<T>,
): Promise<T> {
  if ((await ifFound(deps.catalog.io.stat(dataset.location))) === undefined) {
    const again = await buildDataset(deps, pin)
    if (again.orderedDigest !== dataset.orderedDigest) {
      throw new FirnError(
        'contract-broken',
        `the data set of model "${pin.model}" at ${pin.tag} was made again and has digest ${again.orderedDigest}, but ${dataset.orderedDigest} was announced: its inputs or definitions have changed meanwhile. Train again.`,
      )
    }
  }
  const session = await deps.engine.openSession({ threads: 1 })
  try {
    const path = (await session.openFiles([dataset.location])).get(dataset.location)
    if (path === undefined) throw new FirnError('io', `${dataset.location} can't be opened. Try again.`)
    return await use(path)
  } finally {
    await session.close()
  }
}
