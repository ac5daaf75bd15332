import type { RestoreTarget } from '../lake/backup/run-restore.js'
import type { FirnConfig } from './config.js'
import { openLocalCatalog, openStorage } from './open-catalog.js'

/** Where the lake of a configuration is put back to; nothing of it is opened yet. */
export function restoreTarget(config: FirnConfig): RestoreTarget {
  const { warehouse, catalogPath, registryPath } = config
  return {
    ...{ warehouse, catalogPath, registryPath, now: Date.now },
    io: openStorage(config),
    open: () => openLocalCatalog(config),
  }
}
