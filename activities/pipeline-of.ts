import { FirnError } from '../schemas/error.js'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type { Pipeline } from '../schemas/pipeline.js'

/** The pipeline of that name among those this worker knows. */
export function pipelineOf(deps: LakeDeps, name: string): Pipeline {
  const pipeline = deps.pipelines.get(name)
  if (pipeline !== undefined) return pipeline
  const known = [...deps.pipelines.keys()].sort().join(', ') || 'none'
  throw new FirnError(
    'not-found',
    `there is no pipeline "${name}"; this worker knows: ${known}. Correct the name, or add its folder to FIRN_PIPELINES.`,
  )
}
