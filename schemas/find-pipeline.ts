import { FirnError } from './error.js'
import type { Pipeline } from './pipeline.js'

/** The pipeline of that name; `not-found` tells which there are. */
export function findPipeline(pipelines: ReadonlyMap<string, Pipeline>, name: string): Pipeline {
  const pipeline = pipelines.get(name)
  if (pipeline !== undefined) return pipeline
  const known = [...pipelines.keys()].sort().join(', ') || 'none'
  throw new FirnError(
    'not-found',
    `there is no pipeline "${name}"; there are: ${known}. Correct the name, or add its folder to FIRN_PIPELINES.`,
  )
}
