import type { EstimatorDefinition, ModelTask } from '../../schemas/model-definitions.js'
import type { LearningPoint } from '../../schemas/model-messages.js'

/** Numbers that a model sees: preprocessed, nothing of another type left. */
export interface Inputs {
  readonly rows: number
  readonly columns: readonly string[]
  /** Row-major [rows, columns]; NaN: missing (only trees are given any). */
  readonly x: Float64Array
}

export interface TrainingInputs extends Inputs {
  /** [rows]: 0 or 1; the class's index; or the value. */
  readonly y: Float64Array
  /** [rows], mean 1. Absent: all 1. */
  readonly weights?: Float64Array
}

export interface FitOptions<Definition extends EstimatorDefinition = EstimatorDefinition> {
  readonly task: ModelTask
  /** Of a classification; 2 for a binary one, else 1. */
  readonly classes: number
  readonly definition: Definition
  readonly train: TrainingInputs
  /** Stops early by it; never fitted on. */
  readonly validation?: TrainingInputs
  /** Everything random follows from it: equal inputs give equal bytes. */
  readonly seed: number
  /** After each epoch (a tree counts as one). */
  readonly onEpoch: (point: LearningPoint, epochs: number) => void
  /** Absent: starts from nothing and keeps nothing. */
  readonly checkpoints?: Checkpoints
}

/**
 * Where a fit keeps its whole state between epochs: weights, optimizer, epoch, counters of everything random, early
 * stopping, the curve. Going on from any of them gives the bytes of the fit that was never interrupted.
 */
export interface Checkpoints {
  /** The newest one that is whole. */
  readonly load: () => Promise<Uint8Array | undefined>
  /** Durable, replacing the one before; called after an epoch, as often as the fit likes: a few seconds apart is enough. */
  readonly save: (state: Uint8Array) => Promise<void>
}

export interface FittedEstimator {
  /**
   * Binary: [rows] probability of class 1. Multiclass: row-major [rows, classes] probabilities. Regression: [rows] values.
   * A row's result depends on that row alone, to the last bit, however many are asked for at once.
   */
  readonly predict: (inputs: Inputs) => Promise<Float64Array>
  readonly store: () => Promise<StoredEstimator>
  readonly curve: readonly LearningPoint[]
  /** Column → share of the total, where the kind has one. */
  readonly importance?: Readonly<Record<string, number>>
  /** Epochs that were done when it went on from a checkpoint. */
  readonly resumedFrom?: number
  readonly dispose?: () => void
}

/** A fitted estimator as bytes; equal fits are equal bytes. */
export interface StoredEstimator {
  readonly kind: EstimatorDefinition['kind']
  /** Plain JSON: topology, shapes, column names. */
  readonly header: object
  readonly weights: Uint8Array
}

/** One kind of model. */
export interface Estimator<Definition extends EstimatorDefinition = EstimatorDefinition> {
  readonly fit: (options: FitOptions<Definition>) => Promise<FittedEstimator>
  readonly restore: (stored: StoredEstimator) => Promise<FittedEstimator>
  /** What fits it, and what its bytes depend on. */
  readonly backend: () => Promise<{
    readonly name: string
    readonly libraries: Readonly<Record<string, string>>
    /** What people should hear of it, e.g. that it is a slower one than could be. */
    readonly notice?: string
  }>
}
