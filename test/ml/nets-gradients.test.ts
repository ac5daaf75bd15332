import { createRequire } from 'node:module'
import type { Scalar, Tensor, Tensor2D } from '@tensorflow/tfjs'
import { describe, expect, test } from 'vitest'
import { convolve, toTensors } from '../../ml/models/network/forward.js'
import { lossGradient, objectiveOf, totalLoss } from '../../ml/models/network/loss.js'
import {
  convolutionsOf,
  denseLayers,
  denseOf,
  initialParameters,
  parameterSpecs,
  type Layer,
} from '../../ml/models/network/topology.js'
import { trainConvolutions } from '../../ml/models/network/train-convolutions.js'
import { trainDense } from '../../ml/models/network/train-dense.js'
import { seededRandom } from '../../ml/training/seeded-random.js'
import type { Tf } from '../../ml/training/tensorflow.js'
import type { ModelTask } from '../../schemas/model-definitions.js'
import { toyPictures, toyRows } from './support/toy-inputs.js'

const TASKS: readonly ModelTask[] = ['binary-classification', 'multiclass-classification', 'regression']
const tf = createRequire(import.meta.url)('@tensorflow/tfjs') as Tf

/** The library derives the whole network by itself here, from losses written with its own operations. */
describe('gradients worked out by hand are those that the library derives', () => {
  test.each(TASKS)('dense, %s, weighted, with dropout', (task) => {
    const { y, x, rows } = toyRows(task, 24)
    const classes = task === 'multiclass-classification' ? 3 : 1
    expectSameGradients(denseLayers(5, [7, 4], classes), task, { x, rows, y, dropout: 0.25 })
  })

  test('convolutions', () => {
    const { x, rows, y } = toyPictures(12)
    const layers: readonly Layer[] = [
      { kind: 'convolution', name: 'convolution_1', input: [8, 8, 1], size: 3, filters: 3 },
      { kind: 'convolution', name: 'convolution_2', input: [3, 3, 3], size: 2, filters: 2 },
      ...denseLayers(2, [3], 1),
    ]
    expectSameGradients(layers, 'binary-classification', { x, rows, y, dropout: 0 })
  })
})

function expectSameGradients(
  layers: readonly Layer[],
  task: ModelTask,
  data: {
    readonly x: Float64Array
    readonly rows: number
    readonly y: Float64Array
    readonly dropout: number
  },
): void {
  const { rows, y, dropout: rate } = data
  const x = Float32Array.from(data.x)
  const weights = Float64Array.from({ length: rows }, (_, row) => 0.5 + (row % 3) / 2)
  const objective = objectiveOf(task, 3, y)
  const specs = parameterSpecs(layers)
  const parameters = initialParameters(layers, 3)
  // Biases begin with 0, which would hide their mistakes.
  parameters.forEach((value, at) => (parameters[at] = value + 0.05))
  const gradients = new Float32Array(parameters.length)
  const before = specs.slice(0, 2 * convolutionsOf(layers).length)
  let loss = NaN
  const throughDense = (values: Float32Array) =>
    trainDense(tf, {
      ...{
        layers: denseOf(layers),
        specs: specs.slice(before.length),
        parameters,
        gradients,
        x: values,
        rows,
      },
      dropout: { rate, random: seededRandom(4) },
      derive: (scores) => {
        loss = totalLoss(objective, scores, { y, weights }) / rows
        return lossGradient(objective, scores, { y, weights })
      },
    })
  if (before.length === 0) throughDense(x)
  else
    trainConvolutions(tf, { layers, specs: before, parameters, gradients, batch: { rows, x }, throughDense })

  const random = seededRandom(4)
  const masks = denseOf(layers)
    .slice(0, -1)
    .map(({ units }) =>
      tf.tensor2d(
        Float32Array.from({ length: rows * units }, () => (random() < rate ? 0 : 1 / (1 - rate))),
        [rows, units],
      ),
    )
  const weighted = tf.tensor2d([...weights], [rows, 1])
  const lossOf = (...tensors: Tensor[]): Scalar => {
    let values = convolve(tf, layers, tensors, tf.tensor2d(x, [rows, x.length / rows]))
    denseOf(layers).forEach((_, at) => {
      const [kernel, bias] = tensors.slice(before.length + 2 * at) as [Tensor2D, Tensor]
      values = values.matMul(kernel).add(bias)
      const mask = masks[at]
      if (mask !== undefined) values = values.relu().mul(mask)
    })
    return libraryLoss(task, values, y, objective.label).mul(weighted).mean()
  }
  const { value, grads } = tf.valueAndGrads(lossOf)(toTensors(tf, specs, parameters))
  expect(loss).toBeCloseTo(value.dataSync()[0]!, 5)
  grads.forEach((grad, at) => {
    const { name, start, end } = specs[at]!
    const own = [...gradients.subarray(start, end)]
    const wanted = [...grad.dataSync()]
    expect(
      wanted.some((slope) => Math.abs(slope) > 1e-4),
      name,
    ).toBe(true)
    own.forEach((slope, i) => expect(slope, name).toBeCloseTo(wanted[i]!, 5))
  })
}

/** [rows, 1] */
function libraryLoss(
  task: ModelTask,
  scores: Tensor2D,
  y: Float64Array,
  label: { readonly mean: number; readonly deviation: number },
): Tensor {
  if (task === 'multiclass-classification') {
    return tf
      .logSoftmax(scores)
      .mul(tf.oneHot([...y], 3))
      .sum(1, true)
      .neg()
  }
  const wanted = tf.tensor2d(
    Array.from(y, (value) => [(value - label.mean) / label.deviation]),
    [y.length, 1],
  )
  if (task === 'regression') return scores.sub(wanted).square()
  return tf.softplus(scores).sub(scores.mul(wanted))
}
