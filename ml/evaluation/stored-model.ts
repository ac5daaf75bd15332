import { createHash } from 'node:crypto'
import { FirnError } from '../../schemas/error.js'
import type { ModelTask } from '../../schemas/model-definitions.js'
import type { Estimator, StoredEstimator } from '../models/estimator.js'
import { canonicalJson } from '../../schemas/canonical-json.js'
import type { FittedCalibration } from './calibration.js'
import { assembleModel, type FittedModel } from './fitted-model.js'
import type { FittedPreprocessing } from './preprocess.js'

/** A model as a JSON header and bytes; equal models are equal in both. */
export interface StoredModel {
  readonly header: ModelHeader
  readonly weights: Uint8Array
  /** SHA-256 over the header's canonical JSON, a line feed, and the weights. */
  readonly weightsDigest: string
}

/** All of a model but the weights: plain JSON. */
export interface ModelHeader {
  readonly format: 1
  readonly task: ModelTask
  readonly classes: readonly string[]
  readonly preprocessing: FittedPreprocessing
  readonly estimator: Omit<StoredEstimator, 'weights'>
  readonly calibration?: FittedCalibration
  readonly offset?: string
  readonly ignored: readonly string[]
}

export async function storeModel({ parts }: FittedModel): Promise<StoredModel> {
  const { estimator, ...rest } = parts
  const { kind, header: own, weights } = await estimator.store()
  // Through text, so that what is handed out is what a reader of the file will have.
  const header = JSON.parse(
    canonicalJson({ format: 1, ...rest, estimator: { kind, header: own } }),
  ) as ModelHeader
  return { header, weights, weightsDigest: digestOf(header, weights) }
}

/** `contract-broken` where header or weights are not those that were stored. */
export async function restoreModel(
  { header, weights, weightsDigest }: StoredModel,
  estimatorOf: (kind: StoredEstimator['kind']) => Promise<Pick<Estimator, 'restore'>>,
): Promise<FittedModel> {
  const found = digestOf(header, weights)
  if (found !== weightsDigest) {
    throw new FirnError(
      'contract-broken',
      `the stored model has digest ${found}, but ${weightsDigest} was recorded when it was trained: its files were changed. Restore them, or train it again (firn reproduce).`,
    )
  }
  const { estimator: stored, ...rest } = header
  const { restore } = await estimatorOf(stored.kind)
  const estimator = await restore({ kind: stored.kind, header: stored.header, weights })
  return assembleModel({
    task: rest.task,
    classes: rest.classes,
    preprocessing: rest.preprocessing,
    ignored: rest.ignored,
    estimator,
    ...(rest.calibration !== undefined && { calibration: rest.calibration }),
    ...(rest.offset !== undefined && { offset: rest.offset }),
  })
}

function digestOf(header: ModelHeader, weights: Uint8Array): string {
  return createHash('sha256').update(canonicalJson(header)).update('\n').update(weights).digest('hex')
}
