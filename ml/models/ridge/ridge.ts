import { FirnError } from '../../../schemas/error.js'
import type { RidgeDefinition } from '../../../schemas/model-definitions.js'
import { checkParameters, checkTraining } from '../check-training.js'
import type { Estimator, FitOptions, FittedEstimator, TrainingInputs } from '../estimator.js'
import { solveCholesky } from '../linear/cholesky.js'
import { fittedLinear, linearScores, restoreLinear } from '../linear/linear-model.js'
import { ownBackend } from '../trees/fitted-trees.js'

/**
 * Linear least squares with an L2 penalty on the coefficients, none on the intercept, as scikit-learn's `Ridge`: normal
 * equations of the centred data, solved by Cholesky. One epoch.
 */
export const ridge: Estimator<RidgeDefinition> = {
  fit: (options) => Promise.resolve(options).then(fitRidge),
  restore: restoreLinear,
  backend: ownBackend,
}

function fitRidge(options: FitOptions<RidgeDefinition>): FittedEstimator {
  const { definition, task, train, validation, onEpoch } = options
  checkParameters(definition, { l2: { least: 0 } })
  checkTraining(definition.kind, train, 'refused')
  if (task !== 'regression') {
    throw new FirnError(
      'invalid-input',
      `ridge predicts values, but the task is ${task}. Take the kind \`logistic\` for classes.`,
    )
  }
  const coefficients = solve(train, definition.l2 ?? 1)
  const model = { task, columns: train.columns, outputs: 1, coefficients }
  const point = {
    epoch: 1,
    loss: squaredError(coefficients, train),
    ...(validation !== undefined && { valLoss: squaredError(coefficients, validation) }),
  }
  onEpoch(point, 1)
  return fittedLinear(definition.kind, { ...model, curve: [point] })
}

function solve(train: TrainingInputs, l2: number): Float64Array {
  const width = train.columns.length
  const { means, meanLabel } = meansOf(train)
  const { gram, moments } = normalEquations(train, means, meanLabel)
  for (let i = 0; i < width; i += 1) gram[i * width + i] = (gram[i * width + i] ?? 0) + l2
  const slopes = solveCholesky(gram, moments)
  if (slopes === undefined) {
    throw new FirnError(
      'training-failed',
      `ridge: the ${width} columns depend on each other linearly and \`l2\` is ${l2}, so there is no single answer. Set \`l2\` above 0 or leave columns out.`,
    )
  }
  let intercept = meanLabel
  for (let i = 0; i < width; i += 1) intercept -= (slopes[i] ?? 0) * (means[i] ?? 0)
  return Float64Array.of(...slopes, intercept)
}

function meansOf({ rows, columns, x, y, weights }: TrainingInputs) {
  const width = columns.length
  const means = new Float64Array(width)
  let [total, meanLabel] = [0, 0]
  for (let row = 0; row < rows; row += 1) {
    const weight = weights === undefined ? 1 : (weights[row] ?? 0)
    total += weight
    meanLabel += weight * (y[row] ?? 0)
    for (let i = 0; i < width; i += 1) means[i] = (means[i] ?? 0) + weight * (x[row * width + i] ?? 0)
  }
  return { means: means.map((sum) => sum / total), meanLabel: meanLabel / total }
}

/** Lower half of Xᵀ W X and Xᵀ W y of the centred data. */
function normalEquations(
  { rows, columns, x, y, weights }: TrainingInputs,
  means: Float64Array,
  meanLabel: number,
) {
  const width = columns.length
  const gram = new Float64Array(width * width)
  const moments = new Float64Array(width)
  const centred = new Float64Array(width)
  for (let row = 0; row < rows; row += 1) {
    const weight = weights === undefined ? 1 : (weights[row] ?? 0)
    for (let i = 0; i < width; i += 1) centred[i] = (x[row * width + i] ?? 0) - (means[i] ?? 0)
    for (let i = 0; i < width; i += 1) {
      const scaled = weight * (centred[i] ?? 0)
      moments[i] = (moments[i] ?? 0) + scaled * ((y[row] ?? 0) - meanLabel)
      for (let j = 0; j <= i; j += 1) {
        gram[i * width + j] = (gram[i * width + j] ?? 0) + scaled * (centred[j] ?? 0)
      }
    }
  }
  return { gram, moments }
}

function squaredError(coefficients: Float64Array, data: TrainingInputs): number {
  let [sum, total] = [0, 0]
  linearScores({ coefficients, outputs: 1 }, data).forEach((score, row) => {
    const weight = data.weights === undefined ? 1 : (data.weights[row] ?? 0)
    sum += weight * ((data.y[row] ?? 0) - score) ** 2
    total += weight
  })
  return sum / total
}
