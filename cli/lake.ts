import { existsSync } from 'node:fs'
import type { Catalog } from '../iceberg/catalog/catalog.js'
import { FirnError } from '../schemas/error.js'
import type { Pipeline } from '../schemas/pipeline.js'
import { readConfig, type FirnConfig } from '../workers/config.js'
import type { Lake } from '../workers/create-deps.js'

/** Opens the configured lake for as long as `use` runs. */
export async function withLake<T>(use: (lake: Lake, config: FirnConfig) => Promise<T>): Promise<T> {
  const config = readConfig()
  // The engine takes most of a second to load: only commands that need it pay for it.
  const { createLakeDeps } = await import('../workers/create-deps.js')
  const lake = await createLakeDeps(config)
  try {
    return await use(lake, config)
  } finally {
    lake.close()
  }
}

/** Opens the catalog alone. Where there is no lake yet, `use` is not called and `absent` is the answer; nothing is made. */
export async function withCatalog<T, A>(
  use: (deps: { readonly catalog: Catalog }) => Promise<T>,
  absent: (config: FirnConfig) => A,
): Promise<T | A> {
  const config = readConfig()
  if (!hasLake(config)) return absent(config)
  const { openCatalog } = await import('../workers/open-catalog.js')
  const catalog = await openCatalog(config)
  try {
    return await use({ catalog })
  } finally {
    catalog.close()
  }
}

/** Whether there is a catalog already; a server's is taken to be there. */
export function hasLake(config: FirnConfig): boolean {
  return config.catalogServer !== undefined || existsSync(config.catalogPath)
}

/** For `withCatalog`, where a command has no answer without a lake. */
export function noLake(config: FirnConfig): never {
  throw new FirnError('not-found', `${noLakeYet(config.home)}.`)
}

export function noLakeYet(home: string): string {
  return `there is no lake in ${home} yet: \`firn demo\` or \`firn run nightly\` makes one, and FIRN_HOME names another folder`
}

/** The pipeline of that name; the error tells which there are. */
export function pipelineNamed(pipelines: ReadonlyMap<string, Pipeline>, name: string): Pipeline {
  const pipeline = pipelines.get(name)
  if (pipeline !== undefined) return pipeline
  const known = [...pipelines.keys()].join(', ') || 'none'
  throw new FirnError(
    'not-found',
    `there is no pipeline ${JSON.stringify(name)}. Known: ${known}. FIRN_PIPELINES names the folders that are looked in.`,
  )
}
