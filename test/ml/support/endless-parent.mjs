// Starts a training that would run for days, tells its process id, and waits to be killed.
import { runChild } from '../../../dist/ml/process/run-child.js'

const [dataset, datasetDigest] = process.argv.slice(2)
const network = { hidden: [4], epochs: 1e9, batchSize: 32, learningRate: 0.01, l2: 0 }
let told = false
await runChild(
  'ml/training/train-child',
  { dataset: Buffer.from(dataset, 'base64'), datasetDigest, network, seed: 0 },
  {
    env: {},
    onProgress() {
      if (told) return
      told = true
      console.log(process._getActiveHandles().find((handle) => handle.pid !== undefined).pid)
    },
  },
)
