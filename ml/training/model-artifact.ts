import { createHash } from 'node:crypto'
import { joinLocation } from '../../iceberg/io/location.js'
import { tryCreate } from '../../iceberg/io/try-create.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { DatasetInfo, TrainingPin } from '../../schemas/messages.js'
import type { NetworkDefinition } from '../../schemas/pipeline.js'
import type { Evaluation } from './cross-validate.js'
import type { StoredNetwork } from './stored-network.js'
import type { TrainingEnvironment } from './train-child.js'

/** A trained model as one JSON document: all that scoring needs, and where it came from. */
export interface ModelArtifact {
  readonly format: 1
  readonly task: 'binary-classification'
  /** Tag, seed and the snapshot id of every input. */
  readonly pin: TrainingPin
  readonly dataset: DatasetInfo
  readonly featuresDigest: string
  readonly definition: NetworkDefinition
  readonly network: StoredNetwork
  readonly environment: TrainingEnvironment
  readonly evaluation: Evaluation
}

/** Writes the artifact under its weights' and its own digest: training the same again finds it written. */
export async function writeArtifact(deps: LakeDeps, artifact: ModelArtifact): Promise<string> {
  const text = JSON.stringify(artifact)
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 16)
  const { pipeline, model } = artifact.pin
  const location = joinLocation(
    deps.warehouse,
    ...['ml', pipeline, model, artifact.network.weightsDigest, `model-${digest}.json`],
  )
  // Its name is drawn from its content: whoever wrote it first wrote the same.
  await tryCreate(deps.catalog.io, location, Buffer.from(text))
  return location
}

export async function readArtifact(deps: LakeDeps, location: string): Promise<ModelArtifact> {
  const bytes = await deps.catalog.io.read(location)
  const artifact = JSON.parse(Buffer.from(bytes).toString()) as Omit<ModelArtifact, 'format'> & {
    readonly format: number
  }
  const { format } = artifact
  if (format !== 1) {
    throw new FirnError(
      'contract-broken',
      `the model ${location} has format ${format}; this version of Firn reads format 1. Train it again.`,
    )
  }
  return { ...artifact, format }
}
