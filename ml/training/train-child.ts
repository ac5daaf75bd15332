import type { NetworkDefinition } from '../../schemas/pipeline.js'
import { decodeDataset } from '../datasets/dataset.js'
import { serveJob } from '../process/serve-job.js'
import { crossValidate, type Evaluation } from './cross-validate.js'
import { fitNetwork } from './network.js'
import { storeNetwork, type StoredNetwork } from './stored-network.js'
import { loadTensorflow, THREAD_SETTINGS } from './tensorflow.js'

export interface TrainJob {
  readonly dataset: Uint8Array
  readonly datasetDigest: string
  readonly network: NetworkDefinition
  readonly seed: number
}

/** What weights may depend on beside the data, the seed and the network. */
export interface TrainingEnvironment {
  readonly backend: 'tfjs-node' | 'tfjs'
  readonly tensorflow: string
  readonly platform: string
  readonly threads: Readonly<Record<string, string>>
}

export interface TrainJobResult {
  readonly network: StoredNetwork
  readonly evaluation: Evaluation
  readonly environment: TrainingEnvironment
}

serveJob(async (job, { onProgress }): Promise<TrainJobResult> => {
  const { network, seed, ...stored } = job as TrainJob
  const dataset = decodeDataset(stored.dataset, stored.datasetDigest)
  const { tf, backend } = await loadTensorflow()
  const evaluation = await crossValidate(tf, dataset, { network, seed, onProgress })
  const fitted = await fitNetwork(tf, {
    names: dataset,
    rows: dataset.rows,
    network,
    seed,
    onEpoch: (epoch) => onProgress(`all rows: epoch ${epoch}/${network.epochs}`),
  })
  return {
    network: await storeNetwork(tf, fitted),
    evaluation,
    environment: {
      backend,
      tensorflow: tf.version['tfjs-core'],
      platform: `${process.platform}-${process.arch}`,
      threads: Object.fromEntries(
        Object.keys(THREAD_SETTINGS).map((name) => [name, process.env[name] ?? 'unset']),
      ),
    },
  }
})
