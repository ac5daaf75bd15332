import { createHash } from 'node:crypto'
import { ifFound } from '../../iceberg/error.js'
import { joinLocation } from '../../iceberg/io/location.js'
import { tryCreate } from '../../iceberg/io/try-create.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { DatasetInfo, TrainedModel, TrainingPin } from '../../schemas/model-messages.js'
import type { Plots } from '../evaluation/plots.js'
import type { TestPredictions } from '../registry/compare-versions.js'
import type { ModelVersion } from '../registry/version-store.js'
import type { ModelHeader, StoredModel } from '../evaluation/stored-model.js'

/** A trained model: `model.json` holds all but the weights, which lie beside it in `weights.bin`. */
export interface ModelArtifact {
  readonly format: 2
  readonly pin: TrainingPin
  /** Its location is scratch. */
  readonly dataset: DatasetInfo
  readonly header: ModelHeader
  readonly weightsDigest: string
  readonly trained: Omit<TrainedModel, 'artifactLocation'>
  readonly plots: Readonly<Record<string, Plots>>
  /** Input column → share of the total, where the estimator has one. */
  readonly importance?: Readonly<Record<string, number>>
  /** What it said of the rows it was measured on, by which versions are compared; absent where they are too many. */
  readonly measured?: MeasuredRows
  /** The first labelled row's features. */
  readonly inputExample: Readonly<Record<string, unknown>>
}

/** By row, in the data set's order. */
export interface MeasuredRows {
  /** `test`, or `cv` for what was held out of the folds. */
  readonly on: 'test' | 'cv'
  readonly entities: readonly string[]
  readonly labels: readonly number[]
  readonly predictions: readonly number[]
}

/** Files that belong to a version are small; more rows than these are compared by their metrics alone. */
export const MEASURED_ROWS_MAX = 100_000

type Deps = Pick<LakeDeps, 'catalog' | 'warehouse'>

/** Writes the artifact under its weights' and its own digest: training the same again finds it written. Returns where `model.json` is. */
export async function writeArtifact(
  deps: Deps,
  artifact: ModelArtifact,
  weights: Uint8Array,
): Promise<string> {
  const text = JSON.stringify(artifact)
  const folder = ['ml', 'models', artifact.pin.model, artifact.weightsDigest, shortDigest(text)]
  // Their names are drawn from their content: whoever wrote them first wrote the same. The weights come first, so that
  // a model.json is never without them.
  await tryCreate(deps.catalog.io, joinLocation(deps.warehouse, ...folder, 'weights.bin'), weights)
  const location = joinLocation(deps.warehouse, ...folder, 'model.json')
  await tryCreate(deps.catalog.io, location, Buffer.from(text))
  return location
}

function shortDigest(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

/** Errors: FirnError `contract-broken` where it is of another format, or not what was written under its name. */
export async function readArtifact(deps: Pick<Deps, 'catalog'>, location: string): Promise<ModelArtifact> {
  const bytes = await deps.catalog.io.read(location)
  const [, folder] = /([0-9a-f]{16})\/model\.json$/.exec(location) ?? []
  if (folder !== undefined && folder !== shortDigest(bytes)) {
    throw new FirnError(
      'contract-broken',
      `the model ${location} was changed: its digest begins with ${shortDigest(bytes)}, and its folder says ${folder}. Restore it, or train it again (firn reproduce).`,
    )
  }
  const artifact = JSON.parse(Buffer.from(bytes).toString()) as Omit<ModelArtifact, 'format'> & {
    readonly format: number
  }
  const { format } = artifact
  if (format !== 2) {
    throw new FirnError(
      'contract-broken',
      `the model ${location} has format ${format}; this version of Firn reads format 2. Train it again.`,
    )
  }
  return { ...artifact, format }
}

/** The model as `restoreModel` takes it, which checks the weights against their digest. */
export async function readStoredModel(
  deps: Pick<Deps, 'catalog'>,
  location: string,
): Promise<{ readonly artifact: ModelArtifact; readonly stored: StoredModel }> {
  const artifact = await readArtifact(deps, location)
  const weights = await deps.catalog.io.read(location.replace(/model\.json$/, 'weights.bin'))
  return { artifact, stored: { header: artifact.header, weights, weightsDigest: artifact.weightsDigest } }
}

/** What a version said of its test rows, for a comparison; undefined where its artifact keeps none, or is gone. */
export async function readTestPredictions(
  deps: Pick<Deps, 'catalog'>,
  version: ModelVersion,
): Promise<TestPredictions | undefined> {
  const artifact = await ifFound(readArtifact(deps, version.trained.artifactLocation))
  if (artifact?.measured?.on !== 'test') return undefined
  const { measured, header } = artifact
  return {
    labels: Float64Array.from(measured.labels),
    predictions: Float64Array.from(measured.predictions),
    classes: Math.max(header.classes.length, 1),
  }
}
