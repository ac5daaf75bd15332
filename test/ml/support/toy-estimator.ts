import type { LearningPoint } from '../../../schemas/model-messages.js'
import type { DenseDefinition, EstimatorDefinition } from '../../../schemas/model-definitions.js'
import type { Estimator, FitOptions, FittedEstimator, Inputs } from '../../../ml/models/estimator.js'

export const TOY: DenseDefinition = { kind: 'dense', hidden: [], epochs: 12, batchSize: 1, learningRate: 0.5 }

/**
 * A small estimator of the tests: one linear layer, gradient descent over all rows, in plain JavaScript. It keeps a
 * checkpoint after each epoch, stops early by the validation rows, and starts from weights that follow from the seed.
 */
export const toyEstimator: Estimator = {
  fit,
  restore,
  backend: () => Promise.resolve({ name: 'toy', libraries: {} }),
}

interface Toy {
  readonly task: FitOptions['task']
  readonly outputs: number
  readonly columns: readonly string[]
  readonly curve: readonly LearningPoint[]
  /** [outputs, columns + 1] */
  readonly weights: readonly number[]
}

interface State {
  readonly weights: number[]
  readonly curve: LearningPoint[]
  best: { readonly weights: readonly number[]; readonly valLoss: number; readonly epoch: number } | null
}

async function fit(options: FitOptions): Promise<FittedEstimator> {
  const { task, train, validation, seed, checkpoints, onEpoch } = options
  const definition = options.definition as EstimatorDefinition & DenseDefinition
  const outputs = task === 'multiclass-classification' ? options.classes : 1
  const stored = await checkpoints?.load()
  const state: State =
    stored === undefined
      ? {
          weights: Array.from(
            { length: outputs * (train.columns.length + 1) },
            (_, i) => Math.sin(seed + i) / 10,
          ),
          curve: [],
          best: null,
        }
      : (JSON.parse(Buffer.from(stored).toString()) as State)
  const toy = (weights: readonly number[]): Toy => ({
    task,
    outputs,
    columns: train.columns,
    curve: [],
    weights,
  })
  for (let epoch = state.curve.length + 1; epoch <= definition.epochs; epoch += 1) {
    descend(state.weights, toy(state.weights), train, definition.learningRate)
    const loss = lossOf(toy(state.weights), train)
    const valLoss = validation && lossOf(toy(state.weights), validation)
    const point = { epoch, loss, ...(valLoss !== undefined && { valLoss }) }
    state.curve.push(point)
    if (valLoss !== undefined && valLoss < (state.best?.valLoss ?? Infinity)) {
      state.best = { weights: [...state.weights], valLoss, epoch }
    }
    await checkpoints?.save(Buffer.from(JSON.stringify(state)))
    onEpoch(point, definition.epochs)
    if (definition.earlyStopping && epoch - (state.best?.epoch ?? 0) >= definition.earlyStopping.patience)
      break
  }
  const best = definition.earlyStopping ? (state.best?.weights ?? state.weights) : state.weights
  return fitted({ ...toy(best), curve: state.curve })
}

function restore({ header, weights }: Parameters<Estimator['restore']>[0]): Promise<FittedEstimator> {
  const values = [...new Float64Array(Uint8Array.from(weights).buffer)]
  return Promise.resolve(fitted({ ...(header as Omit<Toy, 'weights'>), weights: values }))
}

function fitted(toy: Toy): FittedEstimator {
  const { weights, ...header } = toy
  return {
    curve: toy.curve,
    predict: (inputs) => Promise.resolve(said(toy, inputs)),
    store: () =>
      Promise.resolve({ kind: 'dense', header, weights: new Uint8Array(Float64Array.from(weights).buffer) }),
  }
}

/** In the shape of an estimator's predictions. */
function said({ task, outputs, columns, weights }: Toy, { rows, x }: Inputs): Float64Array {
  const result = new Float64Array(rows * outputs)
  const width = columns.length
  for (let row = 0; row < rows; row += 1) {
    for (let output = 0; output < outputs; output += 1) {
      const own = weights.slice(output * (width + 1), (output + 1) * (width + 1))
      result[row * outputs + output] = own.reduce(
        (sum, weight, i) => sum + weight * (i === width ? 1 : x[row * width + i]!),
        0,
      )
    }
    if (task === 'regression') continue
    const own = result.subarray(row * outputs, (row + 1) * outputs)
    if (outputs === 1) own[0] = 1 / (1 + Math.exp(-own[0]!))
    else {
      const powers = own.map(Math.exp)
      const sum = powers.reduce((a, b) => a + b)
      own.set(powers.map((power) => power / sum))
    }
  }
  return result
}

function descend(weights: number[], toy: Toy, train: FitOptions['train'], rate: number): void {
  const predictions = said(toy, train)
  const width = toy.columns.length
  const gradient = weights.map(() => 0)
  for (let row = 0; row < train.rows; row += 1) {
    for (let output = 0; output < toy.outputs; output += 1) {
      const target = toy.outputs === 1 ? train.y[row]! : Number(train.y[row] === output)
      const error = (predictions[row * toy.outputs + output]! - target) * (train.weights?.[row] ?? 1)
      for (let i = 0; i <= width; i += 1) {
        gradient[output * (width + 1) + i]! += error * (i === width ? 1 : train.x[row * width + i]!)
      }
    }
  }
  gradient.forEach((slope, i) => (weights[i]! -= (rate * slope) / train.rows))
}

function lossOf(toy: Toy, { y, ...inputs }: FitOptions['train']): number {
  const predictions = said(toy, inputs)
  const losses = y.map((label, row) => {
    if (toy.task === 'regression') return (label - predictions[row]!) ** 2
    const p = toy.outputs === 1 ? predictions[row]! : predictions[row * toy.outputs + label]!
    return -Math.log(toy.outputs === 1 && label === 0 ? 1 - p : p)
  })
  return losses.reduce((a, b) => a + b) / y.length
}
