import { randomUUID } from 'node:crypto'
import type { Catalog } from '../iceberg/catalog/catalog.js'
import { openSqliteCatalog } from '../iceberg/catalog/sqlite.js'
import type { FileIO } from '../iceberg/io/file-io.js'
import { LocalFileIO } from '../iceberg/io/local.js'
import type { FirnConfig } from './config.js'

/** Opens the catalog of a configuration, made where it doesn't exist yet; the caller closes it. */
export function openCatalog(
  config: FirnConfig,
  overrides: { readonly io?: FileIO; readonly now?: () => number } = {},
): Catalog {
  return openSqliteCatalog({
    path: config.catalogPath,
    name: config.catalogName,
    warehouse: config.warehouse,
    io: overrides.io ?? new LocalFileIO(),
    now: overrides.now ?? Date.now,
    newUuid: randomUUID,
  })
}
