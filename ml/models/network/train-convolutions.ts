import type { Tensor } from '@tensorflow/tfjs'
import type { Tf } from '../../training/tensorflow.js'
import { convolve, toTensors } from './forward.js'
import { inputWidth, type Layer, type ParameterSpec } from './topology.js'

/** A batch on its way through convolutions, then through the dense layers behind them, and back. */
export interface ConvolutionBatch {
  readonly layers: readonly Layer[]
  /** Kernel and bias of each convolution. */
  readonly specs: readonly ParameterSpec[]
  readonly parameters: Float32Array
  /** Written: those of the convolutions' parameters. */
  readonly gradients: Float32Array
  readonly batch: { readonly rows: number; readonly x: Float32Array }
  /** Carries on with what comes out of the last convolution; gives the gradient by it. */
  readonly throughDense: (values: Float32Array) => { readonly byInput: () => Float32Array }
}

/** Gradients of one batch, derived by the library but for the dense layers, which stand in it as one step. */
export function trainConvolutions(tf: Tf, options: ConvolutionBatch): void {
  const { layers, specs, parameters, gradients, batch } = options
  tf.tidy(() => {
    const x = tf.tensor2d(batch.x, [batch.rows, inputWidth(layers)])
    const behind = tf.customGrad((values) => {
      const { byInput } = options.throughDense((values as Tensor).dataSync<'float32'>())
      return { value: tf.scalar(0), gradFunc: () => tf.tensor(byInput(), (values as Tensor).shape) }
    })
    const derive = tf.valueAndGrads((...tensors: Tensor[]) => behind(convolve(tf, layers, tensors, x)))
    const { grads } = derive(toTensors(tf, specs, parameters))
    grads.forEach((gradient, at) => gradients.set(gradient.dataSync<'float32'>(), specs[at]?.start))
  })
}
