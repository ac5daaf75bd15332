import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs'
import type { Tf } from '../../training/tensorflow.js'
import { inputWidth, parameterSpecs, type Layer, type ParameterSpec } from './topology.js'

/** A row's numbers behind the output layer, before sigmoid or softmax: [rows, outputs]. The caller disposes of tensors. */
export function forward(
  tf: Tf,
  layers: readonly Layer[],
  tensors: readonly Tensor[],
  x: Tensor2D,
  /** By dense hidden layer, [rows, units]; absent: nothing is dropped. */
  masks: readonly Tensor[] = [],
): Tensor2D {
  let values: Tensor = x
  let hidden = 0
  layers.forEach((layer, index) => {
    const [kernel, bias] = [tensors[2 * index], tensors[2 * index + 1]] as [Tensor, Tensor]
    if (layer.kind === 'convolution') {
      const pictures = values.reshape<Tensor4D>([-1, ...layer.input])
      const convolved = tf
        .conv2d(pictures, kernel as Tensor4D, 1, 'valid')
        .add(bias)
        .relu()
      values = tf.maxPool(convolved as Tensor4D, 2, 2, 'valid')
      return
    }
    const sums = tf.matMul(values.reshape([-1, layer.inputs]), kernel).add(bias)
    if (index === layers.length - 1) {
      values = sums
      return
    }
    const mask = masks[hidden++]
    values = mask === undefined ? sums.relu() : sums.relu().mul(mask)
  })
  return values as Tensor2D
}

/** Views of one array as tensors. */
export function toTensors(tf: Tf, specs: readonly ParameterSpec[], parameters: Float32Array): Tensor[] {
  return specs.map(({ shape, start, end }) => tf.tensor(parameters.subarray(start, end), [...shape]))
}

/** Rows are scored in blocks of exactly this many, the last one padded: the caller's batch size never changes a score. */
export const BLOCK_ROWS = 256

/** Pictures are large: their blocks go through in slices, and slices of nothing but padding are left out. */
const PICTURE_SLICE_ROWS = 32

/** `forward` over any number of rows, in blocks: row-major [rows, outputs]. */
export function scoreRows(
  tf: Tf,
  layers: readonly Layer[],
  parameters: Float32Array,
  { rows, x }: { readonly rows: number; readonly x: Float64Array },
): Float32Array {
  const width = inputWidth(layers)
  const slice = layers[0]?.kind === 'convolution' ? PICTURE_SLICE_ROWS : BLOCK_ROWS
  const outputs = outputCount(layers)
  const scores = new Float32Array(rows * outputs)
  tf.tidy(() => {
    const tensors = toTensors(tf, parameterSpecs(layers), parameters)
    for (let from = 0; from < rows; from += slice) {
      const padded = new Float32Array(slice * width)
      padded.set(x.subarray(from * width, Math.min(from + slice, rows) * width))
      const block = tf.tidy(() =>
        forward(tf, layers, tensors, tf.tensor2d(padded, [slice, width])).dataSync<'float32'>(),
      )
      scores.set(block.subarray(0, Math.min(slice, rows - from) * outputs), from * outputs)
    }
  })
  return scores
}

export function outputCount(layers: readonly Layer[]): number {
  const last = layers.at(-1)
  return last?.kind === 'dense' ? last.units : 0
}
