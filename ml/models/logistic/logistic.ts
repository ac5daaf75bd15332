import { setImmediate } from 'node:timers/promises'
import { FirnError } from '../../../schemas/error.js'
import type { LogisticDefinition } from '../../../schemas/model-definitions.js'
import type { LearningPoint } from '../../../schemas/model-messages.js'
import { checkParameters, checkTraining } from '../check-training.js'
import type { Estimator, FitOptions, FittedEstimator } from '../estimator.js'
import { fittedLinear, restoreLinear } from '../linear/linear-model.js'
import { ownBackend } from '../trees/fitted-trees.js'
import { meanLogLoss, PenalisedLogLoss } from './log-loss.js'
import { dot, newtonDirection } from './newton-direction.js'

const MAX_ITERATIONS = 100
/** Of the gradient's length beside the sum of weights. */
const CONVERGED = 1e-11
/** Losses this close, relatively, are told apart by rounding alone. */
const LEVEL = 1e-12

/**
 * Logistic regression with an L2 penalty on the coefficients, none on the intercepts (scikit-learn's, with C = 1 / l2):
 * Newton with conjugate gradients and a line search, to convergence. Two classes have one set of coefficients, more have
 * one each. An epoch is one step.
 */
export const logisticRegression: Estimator<LogisticDefinition> = {
  fit: fitLogistic,
  restore: restoreLinear,
  backend: ownBackend,
}

async function fitLogistic(options: FitOptions<LogisticDefinition>): Promise<FittedEstimator> {
  const { definition, task, classes, train, validation, onEpoch } = options
  checkParameters(definition, { l2: { least: 0 }, maxIterations: { least: 1, whole: true } })
  checkTraining(definition.kind, train, 'refused')
  if (task === 'regression') {
    throw new FirnError(
      'invalid-input',
      'logistic predicts classes, but the task is regression. Take the kind `ridge` for values.',
    )
  }
  const outputs = task === 'binary-classification' ? 1 : classes
  const { l2 = 1, maxIterations = MAX_ITERATIONS } = definition
  const loss = new PenalisedLogLoss(train, outputs, l2)
  const curve: LearningPoint[] = []
  let coefficients: Float64Array = new Float64Array(loss.size)
  while (curve.length < maxIterations) {
    const next = step(loss, coefficients)
    if (next === undefined) break
    coefficients = next
    const point = {
      epoch: curve.length + 1,
      loss: meanLogLoss(train, outputs, coefficients),
      ...(validation !== undefined && { valLoss: meanLogLoss(validation, outputs, coefficients) }),
    }
    curve.push(point)
    onEpoch(point, maxIterations)
    await setImmediate()
  }
  return fittedLinear(definition.kind, { task, columns: train.columns, outputs, coefficients, curve })
}

/** Undefined where nothing can be gained any more. */
function step(loss: PenalisedLogLoss, from: Float64Array): Float64Array | undefined {
  const gradient = loss.gradient(from)
  const total = loss.data.weights?.reduce((sum, weight) => sum + weight, 0) ?? loss.data.rows
  const steepness = lengthOf(gradient)
  if (steepness <= CONVERGED * total) return undefined
  const direction = newtonDirection(loss, gradient)
  const slope = dot(gradient, direction)
  const before = loss.value(from)
  for (let length = 1; length > 1e-10; length /= 2) {
    const to = from.map((value, i) => value + length * (direction[i] ?? 0))
    const after = loss.value(to)
    if (after <= before + 1e-4 * length * slope && after < before) return to
    // Near the minimum the loss's own rounding hides what a step gains; its gradient shows it.
    const isLevel = Math.abs(after - before) <= LEVEL * Math.abs(before)
    if (length === 1 && isLevel && lengthOf(loss.gradient(to)) <= steepness / 2) return to
  }
  return undefined
}

function lengthOf(vector: Float64Array): number {
  return Math.sqrt(dot(vector, vector))
}
