import { randomUUID } from 'node:crypto'
import type { Catalog } from '../iceberg/catalog/catalog.js'
import { openCatalog as openAnyCatalog } from '../iceberg/catalog/open-catalog.js'
import { openSqliteCatalog } from '../iceberg/catalog/sqlite.js'
import type { FileIO } from '../iceberg/io/file-io.js'
import { openFileIO } from '../iceberg/io/open-file-io.js'
import type { FirnConfig } from './config.js'

export interface CatalogOverrides {
  readonly io?: FileIO
  readonly now?: () => number
}

/**
 * Opens the catalog of a configuration; the caller closes it. Where it names a server, the catalog is that server's; else a
 * database in the lake's folder, made where it doesn't exist yet.
 */
export async function openCatalog(config: FirnConfig, overrides: CatalogOverrides = {}): Promise<Catalog> {
  const { catalogName: name, catalogServer } = config
  if (catalogServer === undefined) return openLocalCatalog(config, overrides)
  return await openAnyCatalog({ storage: config.s3, ...overrides, ...catalogServer, kind: 'rest', name })
}

/** The database in the lake's folder, whatever server is configured. */
export function openLocalCatalog(config: FirnConfig, overrides: CatalogOverrides = {}): Catalog {
  return openSqliteCatalog({
    path: config.catalogPath,
    name: config.catalogName,
    warehouse: config.warehouse,
    io: overrides.io ?? openStorage(config),
    now: overrides.now ?? Date.now,
    newUuid: randomUUID,
  })
}

/** The storage that a configuration describes. */
export function openStorage(config: FirnConfig): FileIO {
  return openFileIO({ ...config.s3, newUuid: randomUUID })
}
