/** What a pipeline's models are: plain data, safe in the workflow sandbox. */

export type ModelTask = 'binary-classification' | 'multiclass-classification' | 'regression'

/** A model that a pipeline trains and scores with. Its name is the registered model's, one over all pipelines. */
export interface ModelDefinition {
  readonly task: ModelTask
  /** Feature service. */
  readonly service: string
  /** Label view. */
  readonly labels: string
  /** Split version: `train` is fitted on, `val` stops early and calibrates, `test` is measured. Absent: all rows train. */
  readonly split?: string
  /** Kinds of model to choose from by name; the first one is the default. */
  readonly estimators: Readonly<Record<string, EstimatorDefinition>>
  /** Cross-validation beside the split. */
  readonly validation?:
    { readonly kind: 'leave-one-group-out' } | { readonly kind: 'k-fold'; readonly folds: number }
  /** `balanced`: rows weigh inversely to how frequent their class is. */
  readonly classWeights?: 'balanced'
  /** Turns scores into probabilities, fitted on `val` (without a split: on the held-out rows of the folds). */
  readonly calibration?: 'platt' | 'isotonic'
  /** Regression: the model predicts label − this feature, so that it only has to learn the rest. */
  readonly offset?: string
  /** Features that baselines use but no model sees. */
  readonly baselineOnly?: readonly string[]
  /** Unqualified name of the table that predictions go to. */
  readonly predictions: string
  /** Columns of a prediction that are the same for every row, e.g. `first_k`. */
  readonly constants?: Readonly<Record<string, number | string>>
  /** A training is asked for when so many batches were published since the newest version. Absent: only by hand. */
  readonly trainAfterBatches?: number
  /** What a version must be better in than champion and baseline to be promoted. Default `roc_auc`, or `mae`. */
  readonly gate?: { readonly metric: string }
  readonly search?: SearchDefinition
}

/** A small search: every combination of the values, or `trials` of them drawn by the seed. */
export interface SearchDefinition {
  readonly estimator: string
  /** Parameter of the estimator → values to try. */
  readonly space: Readonly<Record<string, readonly (number | string)[]>>
  readonly trials?: number
  /** Cross-validated metric to choose by. Default `cv_auc_mean` or `cv_mae_mean`. */
  readonly metric?: string
}

export type EstimatorDefinition = (
  | DenseDefinition
  | CnnDefinition
  | LogisticDefinition
  | RidgeDefinition
  | BoostedTreesDefinition
  | RandomForestDefinition
  | ExternalDefinition
) & {
  /** Absent: what the kind needs (trees: none but one-hot; others: median, standard scaling, one-hot). */
  readonly preprocessing?: readonly PreprocessingStep[]
}

interface Epochs {
  readonly epochs: number
  readonly batchSize: number
  readonly learningRate: number
  /** Stops when the loss on `val` has not fallen for so many epochs, and keeps the best weights. Needs a split. */
  readonly earlyStopping?: { readonly patience: number; readonly minDelta?: number }
}

/** Fully connected network (TensorFlow.js). */
export interface DenseDefinition extends Epochs {
  readonly kind: 'dense'
  /** Units of each hidden layer. */
  readonly hidden: readonly number[]
  readonly dropout?: number
  readonly l2?: number
}

/** Convolutional network (TensorFlow.js) over one feature that is a list of h × w × c numbers in [0, 1]. */
export interface CnnDefinition extends Epochs {
  readonly kind: 'cnn'
  /** [height, width, channels] */
  readonly shape: readonly [number, number, number]
  /** Each followed by 2 × 2 max pooling. */
  readonly convolutions: readonly { readonly filters: number; readonly size: number }[]
  readonly hidden: readonly number[]
  readonly dropout?: number
}

/** L2-regularised logistic regression, solved to convergence (Newton). */
export interface LogisticDefinition {
  readonly kind: 'logistic'
  /** As scikit-learn's 1 / C. Default 1. */
  readonly l2?: number
  readonly maxIterations?: number
}

/** Linear least squares with an L2 penalty, solved exactly. */
export interface RidgeDefinition {
  readonly kind: 'ridge'
  /** Default 1. */
  readonly l2?: number
}

/** Histogram gradient-boosted trees; parameters have XGBoost's meaning. */
export interface BoostedTreesDefinition {
  readonly kind: 'gbdt'
  readonly trees: number
  readonly maxDepth: number
  readonly learningRate: number
  /** Share of rows a tree sees. Default 1. */
  readonly subsample?: number
  /** Share of columns a tree sees. Default 1. */
  readonly columnSample?: number
  /** Default 0. */
  readonly l1?: number
  /** Default 1. */
  readonly l2?: number
  /** Least gain of a split. Default 0. */
  readonly minSplitGain?: number
  /** Least sum of second derivatives in a leaf. Default 1. */
  readonly minChildWeight?: number
  /** Default 256. */
  readonly bins?: number
  readonly earlyStopping?: { readonly patience: number; readonly minDelta?: number }
}

export interface RandomForestDefinition {
  readonly kind: 'random-forest'
  readonly trees: number
  /** Absent: grown until leaves are pure or too small. */
  readonly maxDepth?: number
  readonly minSamplesLeaf?: number
  /** Share of columns looked at in each split. Default: the square root of their number, for regression a third. */
  readonly columnSample?: number
}

/** Trained by a worker of another language on a task queue of its own, which hands back a model Firn can score. */
export interface ExternalDefinition {
  readonly kind: 'external'
  readonly taskQueue: string
  /** Fails where no worker has taken the training in this time. Default 600. */
  readonly waitSeconds?: number
  readonly parameters?: Readonly<Record<string, number | string | boolean>>
}

/** Fitted on training rows only, stored in the model. `columns`: default all that the step is for. */
export type PreprocessingStep =
  | {
      readonly step: 'impute'
      readonly with: 'median' | 'mean' | 'zero'
      readonly columns?: readonly string[]
    }
  /** One more 0/1 column for each that has nulls in training. */
  | { readonly step: 'missing-indicator'; readonly columns?: readonly string[] }
  /** (x − mean) / deviation, cut off at ± `clip` (default 5). */
  | { readonly step: 'standard-scale'; readonly clip?: number; readonly columns?: readonly string[] }
  /** To [0, 1] by the training rows' least and largest, cut off there. */
  | { readonly step: 'min-max-scale'; readonly columns?: readonly string[] }
  /** A 0/1 column a category seen in training; null and unseen ones are 0 in all of them. */
  | { readonly step: 'one-hot'; readonly columns?: readonly string[] }
  /** The label's mean by category, drawn towards the overall mean by `smoothing` rows; out of fold while training. */
  | {
      readonly step: 'target-encode'
      readonly folds?: number
      readonly smoothing?: number
      readonly columns?: readonly string[]
    }

/** Parameters of each kind that a training or a search may change. */
export const ESTIMATOR_PARAMETERS: Readonly<Record<EstimatorDefinition['kind'], readonly string[]>> = {
  dense: ['epochs', 'batchSize', 'learningRate', 'dropout', 'l2'],
  cnn: ['epochs', 'batchSize', 'learningRate', 'dropout'],
  logistic: ['l2', 'maxIterations'],
  ridge: ['l2'],
  gbdt: [
    ...['trees', 'maxDepth', 'learningRate', 'subsample', 'columnSample', 'l1', 'l2'],
    ...['minSplitGain', 'minChildWeight', 'bins'],
  ],
  'random-forest': ['trees', 'maxDepth', 'minSamplesLeaf', 'columnSample'],
  external: [],
}
