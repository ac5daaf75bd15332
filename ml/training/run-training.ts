import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type { DatasetInfo, TrainedModel, TrainingPin } from '../../schemas/messages.js'
import { modelOf } from '../datasets/model-of.js'
import { runChild } from '../process/run-child.js'
import { writeArtifact } from './model-artifact.js'
import { THREAD_SETTINGS } from './tensorflow.js'
import type { TrainJob, TrainJobResult } from './train-child.js'

/** Trains in a process of its own and stores the artifact. The same pin and data set give the same weights. */
export async function runTraining(
  deps: LakeDeps,
  pin: TrainingPin,
  dataset: DatasetInfo,
  control: RunControl = {},
): Promise<TrainedModel> {
  const { definition, featuresDigest } = modelOf(deps, pin)
  const job: TrainJob = {
    dataset: await deps.catalog.io.read(dataset.location),
    datasetDigest: dataset.digest,
    network: definition.network,
    seed: pin.seed,
  }
  const { network, evaluation, environment } = await runChild<TrainJobResult>(
    'ml/training/train-child',
    job,
    { env: THREAD_SETTINGS, ...control },
  )
  const artifactLocation = await writeArtifact(deps, {
    format: 1,
    task: definition.task,
    pin,
    dataset,
    featuresDigest,
    definition: definition.network,
    network,
    environment,
    evaluation,
  })
  return {
    artifactLocation,
    weightsDigest: network.weightsDigest,
    metrics: evaluation.metrics,
    baseline: evaluation.baseline,
    baselineName: evaluation.baselineName,
    folds: evaluation.folds,
    backend: environment.backend,
    epochs: definition.network.epochs,
  }
}
