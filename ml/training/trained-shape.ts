import { z } from 'zod'

const metrics = z.record(z.string(), z.number())
const point = z.object({ epoch: z.number(), loss: z.number(), valLoss: z.number().exactOptional() })

/** A `TrainedModel` as a trainer outside of Firn hands it in. Members that are not known are dropped. */
export const trainedShape = z.object({
  artifactLocation: z.string(),
  weightsDigest: z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hexadecimal'),
  metrics,
  baseline: metrics,
  baselineName: z.string(),
  baselines: z.record(z.string(), metrics),
  folds: z.array(z.object({ fold: z.string(), rows: z.number().int(), metrics, baseline: metrics })),
  environment: z.object({
    backend: z.string(),
    libraries: z.record(z.string(), z.string()),
    platform: z.string(),
    cpu: z.string(),
    // Set on processes that score with the model.
    threads: z.record(
      z.string().regex(/^[A-Z][A-Z_]*_THREADS$/, 'must be a setting of threads, such as OMP_NUM_THREADS'),
      z.string().regex(/^\d{1,4}$/, 'must be a number'),
    ),
    codeVersion: z.string().exactOptional(),
  }),
  curve: z.array(point).max(200),
})
