import type { Tensor2D } from '@tensorflow/tfjs'
import type { Tf } from '../../training/tensorflow.js'
import type { DenseLayer, ParameterSpec } from './topology.js'

/** A batch on its way through dense layers and back. */
export interface DenseBatch {
  readonly layers: readonly DenseLayer[]
  /** Kernel and bias of each layer. */
  readonly specs: readonly ParameterSpec[]
  readonly parameters: Float32Array
  /** Written: those of the layers' own parameters. */
  readonly gradients: Float32Array
  /** Row-major [rows, inputs of the first layer]. */
  readonly x: Float32Array
  readonly rows: number
  readonly dropout: { readonly rate: number; readonly random: () => number }
  /** Gradient of the loss by the scores [rows, outputs]. */
  readonly derive: (scores: Float32Array) => Float32Array
}

/**
 * Gradients of one batch, worked out by hand: the library multiplies matrices, all else is plain arithmetic here. A call
 * of the library costs 50 µs, so deriving a small network with it takes five times as long. Returns the gradient by
 * `x`, for layers before these.
 */
export function trainDense(tf: Tf, batch: DenseBatch): { readonly byInput: () => Float32Array } {
  const { layers, rows, parameters, dropout } = batch
  const kernels = layers.map((_, at) => viewOf(batch, 2 * at, parameters))
  const inputs = [batch.x]
  layers.forEach((layer, at) => {
    const product = multiply(
      tf,
      matrix(inputs[at], rows, layer.inputs),
      matrix(kernels[at], layer.inputs, layer.units),
    )
    addBias(product, viewOf(batch, 2 * at + 1, parameters))
    if (at < layers.length - 1) activate(product, dropout)
    inputs.push(product)
  })
  let gradient = batch.derive(inputs.pop() ?? new Float32Array())
  const backwards = (at: number): Float32Array => {
    const { inputs: width = 0, units = 0 } = layers[at] ?? {}
    return multiply(tf, matrix(gradient, rows, units), matrix(kernels[at], width, units), 'second')
  }
  for (let at = layers.length - 1; at >= 0; at -= 1) {
    const { inputs: width = 0, units = 0 } = layers[at] ?? {}
    const byKernel = multiply(tf, matrix(inputs[at], rows, width), matrix(gradient, rows, units), 'first')
    viewOf(batch, 2 * at, batch.gradients).set(byKernel)
    sumRows(gradient, viewOf(batch, 2 * at + 1, batch.gradients))
    if (at === 0) break
    gradient = backwards(at)
    deactivate(gradient, inputs[at] ?? gradient, dropout.rate)
  }
  return { byInput: () => backwards(0) }
}

interface Matrix {
  readonly values: Float32Array
  readonly shape: [number, number]
}

function matrix(values: Float32Array | undefined, rows: number, columns: number): Matrix {
  return { values: values ?? new Float32Array(), shape: [rows, columns] }
}

function multiply(tf: Tf, a: Matrix, b: Matrix, transposed?: 'first' | 'second'): Float32Array {
  const tensors: Tensor2D[] = [tf.tensor2d(a.values, a.shape), tf.tensor2d(b.values, b.shape)]
  const [first, second] = tensors as [Tensor2D, Tensor2D]
  const product = tf.matMul(first, second, transposed === 'first', transposed === 'second')
  // A copy: what the library hands out may be its own.
  const values = product.dataSync<'float32'>().slice()
  tf.dispose([...tensors, product])
  return values
}

function viewOf({ specs }: DenseBatch, at: number, array: Float32Array): Float32Array {
  return array.subarray(specs[at]?.start, specs[at]?.end)
}

function addBias(values: Float32Array, bias: Float32Array): void {
  for (let at = 0; at < values.length; at += 1) values[at] = (values[at] ?? 0) + (bias[at % bias.length] ?? 0)
}

/** Relu, then dropout drawn anew: the library's, given a seed, would drop the same units in every step. */
function activate(values: Float32Array, { rate, random }: DenseBatch['dropout']): void {
  for (let at = 0; at < values.length; at += 1) {
    // Drawn for each unit, active or not, so that what is dropped does not depend on the weights.
    const kept = rate === 0 || random() >= rate
    values[at] = kept ? Math.max(values[at] ?? 0, 0) / (1 - rate) : 0
  }
}

/** What is above 0 behind relu and dropout was neither cut off nor dropped. */
function deactivate(gradient: Float32Array, values: Float32Array, rate: number): void {
  for (let at = 0; at < values.length; at += 1) {
    gradient[at] = (values[at] ?? 0) > 0 ? (gradient[at] ?? 0) / (1 - rate) : 0
  }
}

function sumRows(values: Float32Array, sums: Float32Array): void {
  const exact = new Float64Array(sums.length)
  for (let at = 0; at < values.length; at += 1) {
    exact[at % sums.length] = (exact[at % sums.length] ?? 0) + (values[at] ?? 0)
  }
  sums.set(exact)
}
