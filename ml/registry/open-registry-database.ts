import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { FirnError } from '../../schemas/error.js'
import { DEFINITION_HISTORY_SCHEMA } from '../views/definition-history.js'
import { REGISTRY_SCHEMA } from './registry-schema.js'

/** `registry.db`: runs, model versions, aliases, and the history of definitions. */
export type RegistryDatabase = Database.Database

/** Each is applied once, in this order; `PRAGMA user_version` counts them. What was released never changes: add one. */
const MIGRATIONS: readonly string[] = [REGISTRY_SCHEMA, DEFINITION_HISTORY_SCHEMA]

/** Opens the database, made with its folder where there is none. Local disks only. */
export function openRegistryDatabase({ path }: { readonly path: string }): RegistryDatabase {
  mkdirSync(dirname(path), { recursive: true })
  const database = new Database(path, { timeout: 5000 })
  try {
    database.pragma('journal_mode = WAL')
    database.pragma('synchronous = FULL')
    // Several processes may open a new file at once: only one finds the old version inside the transaction.
    database.transaction(() => migrate(database, path)).immediate()
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function migrate(database: RegistryDatabase, path: string): void {
  const from = Number(database.pragma('user_version', { simple: true }))
  if (from > MIGRATIONS.length) {
    throw new FirnError(
      'config',
      `${path} was written by a newer Firn (its version is ${from}, this one knows ${MIGRATIONS.length}). Use that one, or FIRN_HOME names another lake.`,
    )
  }
  for (const migration of MIGRATIONS.slice(from)) database.exec(migration)
  database.pragma(`user_version = ${MIGRATIONS.length}`)
}
