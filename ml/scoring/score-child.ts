import type { FeatureRow } from '../datasets/dataset.js'
import { serveJob } from '../process/serve-job.js'
import { predict } from '../training/network.js'
import { restoreNetwork, type StoredNetwork } from '../training/stored-network.js'
import { loadTensorflow } from '../training/tensorflow.js'

export interface ScoreJob {
  readonly network: StoredNetwork
  readonly rows: readonly FeatureRow[]
}

serveJob(async (job): Promise<readonly number[]> => {
  const { network, rows } = job as ScoreJob
  const { tf } = await loadTensorflow()
  return predict(tf, await restoreNetwork(tf, network), rows)
})
