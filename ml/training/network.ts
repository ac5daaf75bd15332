import { setImmediate } from 'node:timers/promises'
import type { LayersModel } from '@tensorflow/tfjs'
import type { NetworkDefinition } from '../../schemas/pipeline.js'
import type { FeatureRow, LabelledRow } from '../datasets/dataset.js'
import { fitPreprocessing, inputWidth, toInputs, type Preprocessing } from './preprocess.js'
import { seededRandom, shuffled } from './seeded-random.js'
import type { Tf } from './tensorflow.js'

export interface FittedNetwork {
  readonly preprocessing: Preprocessing
  readonly layers: LayersModel
}

export interface FitOptions {
  readonly names: { readonly numeric: readonly string[]; readonly categorical: readonly string[] }
  readonly rows: readonly LabelledRow[]
  readonly network: NetworkDefinition
  readonly seed: number
  readonly onEpoch: (epoch: number) => void
}

/** Fits a dense network to rows. Everything random follows from the seed: equal inputs give equal weights. */
export async function fitNetwork(tf: Tf, options: FitOptions): Promise<FittedNetwork> {
  const { names, rows, network, seed, onEpoch } = options
  const preprocessing = fitPreprocessing(names, rows)
  const width = inputWidth(preprocessing)
  const inputs = toInputs(preprocessing, rows)
  const layers = denseNetwork(tf, width, network, seed)
  const random = seededRandom(seed)
  for (let epoch = 1; epoch <= network.epochs; epoch += 1) {
    const order = shuffled(rows.length, random)
    for (let from = 0; from < order.length; from += network.batchSize) {
      const batch = order.slice(from, from + network.batchSize)
      const x = new Float32Array(batch.length * width)
      batch.forEach((row, at) => x.set(inputs.subarray(row * width, (row + 1) * width), at * width))
      const y = Float32Array.from(batch, (row) => rows[row]?.label ?? 0)
      const tensors = [tf.tensor2d(x, [batch.length, width]), tf.tensor2d(y, [batch.length, 1])] as const
      await layers.trainOnBatch(...tensors)
      tf.dispose([...tensors])
    }
    onEpoch(epoch)
    // Steps wait for promises only: without a turn of the event loop the process would not see that its parent is gone.
    await setImmediate()
  }
  return { preprocessing, layers }
}

/** Rows are scored in blocks of exactly this many, the last one padded: the caller's batch size never changes a score. */
const SCORE_BLOCK_ROWS = 256

/** The probability of the positive class, one per row, in their order. */
export function predict(tf: Tf, model: FittedNetwork, rows: readonly FeatureRow[]): number[] {
  const width = inputWidth(model.preprocessing)
  const scores: number[] = []
  for (let from = 0; from < rows.length; from += SCORE_BLOCK_ROWS) {
    const block = rows.slice(from, from + SCORE_BLOCK_ROWS)
    const padded = new Float32Array(SCORE_BLOCK_ROWS * width)
    padded.set(toInputs(model.preprocessing, block))
    const output = tf.tidy(() => {
      const result = model.layers.predict(tf.tensor2d(padded, [SCORE_BLOCK_ROWS, width]))
      return (Array.isArray(result) ? tf.concat(result) : result).dataSync()
    })
    scores.push(...output.slice(0, block.length))
  }
  return scores
}

function denseNetwork(tf: Tf, width: number, network: NetworkDefinition, seed: number): LayersModel {
  const units = [...network.hidden, 1]
  const layers = tf.sequential()
  units.forEach((count, index) => {
    const last = index === units.length - 1
    layers.add(
      tf.layers.dense({
        // Named, since names that the library draws depend on how many networks the process made before.
        name: last ? 'output' : `hidden_${index + 1}`,
        units: count,
        activation: last ? 'sigmoid' : 'relu',
        // Above 0: the library takes a seed of 0 for none and draws one.
        kernelInitializer: tf.initializers.glorotUniform({ seed: seed * units.length + index + 1 }),
        kernelRegularizer: tf.regularizers.l2({ l2: network.l2 }),
        ...(index === 0 && { inputShape: [width] }),
      }),
    )
  })
  layers.compile({ optimizer: tf.train.adam(network.learningRate), loss: 'binaryCrossentropy' })
  return layers
}
