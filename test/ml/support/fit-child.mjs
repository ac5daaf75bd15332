// The child of test/ml/nets-process.test.ts: fits networks one after another, as a training does.
import { createHash } from 'node:crypto'
import { estimatorOf } from '../../../dist/ml/models/find-estimator.js'
import { bindCheckpoints } from '../../../dist/ml/models/bind-checkpoints.js'
import { describeEnvironment, environmentDigest } from '../../../dist/ml/process/describe-environment.js'
import { serveJob } from '../../../dist/ml/process/serve-job.js'

serveJob(async ({ fits }, { onProgress, onTraining, checkpoints }) => {
  const results = []
  for (const options of fits) {
    const estimator = await estimatorOf(options.definition.kind)
    const backend = await estimator.backend()
    const environment = await describeEnvironment(backend)
    if (backend.notice !== undefined) onProgress(backend.notice)
    const fitted = await estimator.fit({
      ...options,
      onEpoch: (point, epochs) => onTraining({ phase: options.definition.kind, epochs, ...point }),
      ...(checkpoints !== undefined && {
        checkpoints: bindCheckpoints(checkpoints, environmentDigest(environment)),
      }),
    })
    const { header, weights } = await fitted.store()
    const predictions = await fitted.predict(options.train)
    results.push({
      digest: createHash('sha256').update(JSON.stringify(header)).update(weights).digest('hex'),
      predictions: createHash('sha256').update(predictions).digest('hex'),
      weights,
      resumedFrom: fitted.resumedFrom,
      environment,
    })
  }
  return results
})
