import { readConfig, type FirnConfig } from '../workers/config.js'
import { createLakeDeps, type Lake } from '../workers/create-deps.js'
import { FirnError } from '../schemas/error.js'
import type { Pipeline } from '../schemas/pipeline.js'

/** Opens the configured lake for as long as `use` runs. */
export async function withLake<T>(use: (lake: Lake, config: FirnConfig) => Promise<T>): Promise<T> {
  const config = readConfig()
  const lake = await createLakeDeps(config)
  try {
    return await use(lake, config)
  } finally {
    lake.close()
  }
}

/** The pipeline of that name; the error tells which there are. */
export function pipelineNamed(lake: Lake, name: string): Pipeline {
  const pipeline = lake.deps.pipelines.get(name)
  if (pipeline !== undefined) return pipeline
  const known = [...lake.deps.pipelines.keys()].join(', ') || 'none'
  throw new FirnError(
    'not-found',
    `there is no pipeline "${name}". Known: ${known}. FIRN_PIPELINES names the folders that are looked in.`,
  )
}
