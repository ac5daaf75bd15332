import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs'
import type { Tf } from '../../training/tensorflow.js'
import {
  convolutionsOf,
  denseOf,
  inputWidth,
  parameterSpecs,
  type Layer,
  type ParameterSpec,
} from './topology.js'

/** Convolution, relu and pooling, layer by layer; flat: [rows, numbers]. `tensors`: kernel and bias of each. */
export function convolve(
  tf: Tf,
  layers: readonly Layer[],
  tensors: readonly Tensor[],
  x: Tensor2D,
): Tensor2D {
  const values = convolutionsOf(layers).reduce((before: Tensor, layer, index) => {
    const [kernel, bias] = tensors.slice(2 * index) as [Tensor4D, Tensor]
    const pictures = before.reshape<Tensor4D>([-1, ...layer.input])
    return tf.maxPool(tf.conv2d(pictures, kernel, 1, 'valid').add(bias).relu<Tensor4D>(), 2, 2, 'valid')
  }, x)
  return values.reshape([-1, denseOf(layers)[0]?.inputs ?? 0])
}

/** Views of one array as tensors. */
export function toTensors(tf: Tf, specs: readonly ParameterSpec[], parameters: Float32Array): Tensor[] {
  return specs.map(({ shape, start, end }) => tf.tensor(parameters.subarray(start, end), [...shape]))
}

/** Rows are scored in blocks of exactly this many, the last one padded: the caller's batch size never changes a score. */
const BLOCK_ROWS = 256

/** Pictures are large: their blocks go through in slices, and slices of nothing but padding are left out. */
const PICTURE_SLICE_ROWS = 32

/** Scores of any number of rows, before sigmoid or softmax: row-major [rows, outputs]. */
export function scoreRows(
  tf: Tf,
  layers: readonly Layer[],
  parameters: Float32Array,
  { rows, x }: { readonly rows: number; readonly x: Float64Array },
): Float32Array {
  const width = inputWidth(layers)
  const size = convolutionsOf(layers).length > 0 ? PICTURE_SLICE_ROWS : BLOCK_ROWS
  const outputs = denseOf(layers).at(-1)?.units ?? 0
  const scores = new Float32Array(rows * outputs)
  tf.tidy(() => {
    const tensors = toTensors(tf, parameterSpecs(layers), parameters)
    for (let from = 0; from < rows; from += size) {
      const padded = new Float32Array(size * width)
      padded.set(x.subarray(from * width, Math.min(from + size, rows) * width))
      // No value comes out of a tidy: it would look for tensors among all of an array's numbers.
      tf.tidy(() => {
        const block = forward(tf, layers, tensors, tf.tensor2d(padded, [size, width])).dataSync<'float32'>()
        scores.set(block.subarray(0, Math.min(size, rows - from) * outputs), from * outputs)
      })
    }
  })
  return scores
}

function forward(tf: Tf, layers: readonly Layer[], tensors: readonly Tensor[], x: Tensor2D): Tensor2D {
  const dense = denseOf(layers)
  const first = 2 * (layers.length - dense.length)
  return dense.reduce(
    (values, _layer, index) => {
      const [kernel, bias] = tensors.slice(first + 2 * index) as [Tensor2D, Tensor]
      const sums = tf.matMul(values, kernel).add<Tensor2D>(bias)
      return index === dense.length - 1 ? sums : sums.relu()
    },
    convolve(tf, layers, tensors, x),
  )
}
