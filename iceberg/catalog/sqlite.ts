import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Catalog } from './catalog.js'
import type { CatalogOptions } from './pointer-catalog.js'
import { PointerCatalog } from './pointer-catalog.js'
import { SqlitePointerStore } from './sqlite-pointer-store.js'

/** Which database file holds the catalog, in the JDBC layout that PyIceberg and Java share. */
export interface SqliteCatalogOptions extends CatalogOptions {
  /** Path of the database file; its folder is made where there is none. Local disks only. */
  readonly path: string
  /** How long a call waits for a locked database. Default 30 s. */
  readonly lockTimeoutMs?: number
}

/**
 * The default catalog: a SQLite database in the JDBC layout that PyIceberg and Java use. One database may hold several
 * catalogs, each under its `name`.
 */
export function openSqliteCatalog(options: SqliteCatalogOptions): Catalog {
  mkdirSync(dirname(options.path), { recursive: true })
  return new PointerCatalog(new SqlitePointerStore(options), options)
}
