import { randomUUID } from 'node:crypto'
import { FencedFileIO } from '../server/catalog/fenced-file-io.js'
import { listen, type ListenOptions, type RunningServer } from '../server/catalog/listen.js'
import { SqliteAnswerLog } from '../server/catalog/sqlite-answer-log.js'
import type { FirnConfig } from './config.js'
import { openLocalCatalog, openStorage } from './open-catalog.js'

type ServeOptions = Pick<
  ListenOptions,
  'host' | 'port' | 'tokens' | 'defaults' | 'overrides' | 'onFailure'
> & {
  /** Folders outside of the warehouse that tables may lie in. */
  readonly allowed?: readonly string[]
}

/** Serves the lake's own catalog for as long as `use` runs; its files only as far as the warehouse and `allowed` go. */
export async function serveCatalog<T>(
  config: FirnConfig,
  { allowed = [], ...options }: ServeOptions,
  use: (server: RunningServer) => Promise<T>,
): Promise<T> {
  const { warehouse } = config
  const fence = { roots: [warehouse, ...allowed] }
  const clock = { now: Date.now, newUuid: randomUUID }
  const catalog = openLocalCatalog(config, { io: new FencedFileIO(openStorage(config), fence) })
  const answers = new SqliteAnswerLog({ path: config.catalogPath, ...clock })
  try {
    const server = await listen({ ...clock, ...options, catalog, warehouse, fence, answers })
    try {
      return await use(server)
    } finally {
      await server.close()
    }
  } finally {
    answers.close()
    catalog.close()
  }
}
