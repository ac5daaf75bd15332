import Database from 'better-sqlite3'
import { setTimeout as sleep } from 'node:timers/promises'
import { IcebergError } from '../error.js'
import type { TableIdentifier } from './catalog.js'
import type { PointerStore, Properties, Swap } from './pointer-store.js'
import { uuidFraction } from './uuid-fraction.js'

export interface SqlitePointerStoreOptions {
  readonly path: string
  /** `catalog_name` of all rows read and written. */
  readonly name: string
  readonly now: () => number
  readonly newUuid: () => string
  readonly lockTimeoutMs?: number
}

// Column by column as PyIceberg's SqlCatalog and Java's JdbcCatalog (schema V1) make them.
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS iceberg_tables (
    catalog_name VARCHAR(255) NOT NULL,
    table_namespace VARCHAR(255) NOT NULL,
    table_name VARCHAR(255) NOT NULL,
    metadata_location VARCHAR(1000),
    previous_metadata_location VARCHAR(1000),
    iceberg_type VARCHAR(5),
    PRIMARY KEY (catalog_name, table_namespace, table_name)
  );
  CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
    catalog_name VARCHAR(255) NOT NULL,
    namespace VARCHAR(255) NOT NULL,
    property_key VARCHAR(255) NOT NULL,
    property_value VARCHAR(1000) NOT NULL,
    PRIMARY KEY (catalog_name, namespace, property_key)
  );`

/** The database's own wait blocks the event loop, so it is short; the rest is waited for asynchronously. */
const BUSY_TIMEOUT_MS = 50
const LOCK_TIMEOUT_MS = 30_000
const FIRST_WAIT_MS = 2
const MAX_WAIT_MS = 100

/** Pointers in a SQLite database (WAL, synchronous=FULL). */
export class SqlitePointerStore implements PointerStore {
  readonly #database: Database.Database
  readonly #options: SqlitePointerStoreOptions
  readonly #statements: Statements

  constructor(options: SqlitePointerStoreOptions) {
    this.#options = options
    this.#database = open(options.path)
    this.#statements = prepare(this.#database)
  }

  read(identifiers: readonly TableIdentifier[]): Promise<readonly (string | undefined)[]> {
    return this.#transaction('DEFERRED', () => identifiers.map((identifier) => this.#location(identifier)))
  }

  swap(swaps: readonly Swap[]): Promise<boolean> {
    return this.#transaction('IMMEDIATE', () => {
      const holds = swaps.every(({ identifier, from }) =>
        // A view holds its name against tables too.
        from === null
          ? this.#statements.taken.get(...this.#key(identifier)) === undefined
          : this.#location(identifier) === from,
      )
      if (!holds) return false
      for (const { identifier, from, to } of swaps) {
        if (from === null) this.#statements.insert.run(...this.#key(identifier), to)
        else if (from !== to) this.#statements.update.run(to, from, ...this.#key(identifier))
      }
      return true
    })
  }

  tables(namespace?: string): Promise<readonly TableIdentifier[]> {
    return this.#transaction('DEFERRED', () =>
      this.#statements.tables
        .all(this.#options.name)
        .filter((row) => namespace === undefined || row.namespace === namespace),
    )
  }

  rename(from: TableIdentifier, to: TableIdentifier): Promise<boolean> {
    return this.#transaction('IMMEDIATE', () => {
      if (this.#location(from) === undefined || this.#statements.taken.get(...this.#key(to))) return false
      this.#statements.rename.run(to.namespace, to.name, ...this.#key(from))
      return true
    })
  }

  remove(identifier: TableIdentifier): Promise<string | undefined> {
    return this.#transaction('IMMEDIATE', () => {
      const location = this.#location(identifier)
      this.#statements.remove.run(...this.#key(identifier))
      return location
    })
  }

  namespaces(): Promise<readonly string[]> {
    return this.#transaction('DEFERRED', () =>
      this.#statements.namespaces.all(this.#options.name).map((row) => row.namespace),
    )
  }

  addNamespace(namespace: string, properties: Properties): Promise<boolean> {
    return this.#transaction('IMMEDIATE', () => {
      const known = this.#statements.namespaces.all(this.#options.name)
      if (known.some((row) => row.namespace === namespace)) return false
      // PyIceberg's marker of a namespace without properties of its own.
      for (const [key, value] of Object.entries({ exists: 'true', ...properties })) {
        this.#statements.addProperty.run(this.#options.name, namespace, key, value)
      }
      return true
    })
  }

  removeNamespace(namespace: string): Promise<void> {
    return this.#transaction('IMMEDIATE', () => {
      this.#statements.removeNamespace.run(this.#options.name, namespace)
    })
  }

  close(): void {
    this.#database.close()
  }

  #location(identifier: TableIdentifier): string | undefined {
    return this.#statements.location.get(...this.#key(identifier))?.location ?? undefined
  }

  #key({ namespace, name }: TableIdentifier): [string, string, string] {
    return [this.#options.name, namespace, name]
  }

  /** `action` runs inside one transaction and may be repeated, as long as the database is locked by others. */
  async #transaction<T>(mode: 'DEFERRED' | 'IMMEDIATE', action: () => T): Promise<T> {
    const startedMs = this.#options.now()
    const limitMs = this.#options.lockTimeoutMs ?? LOCK_TIMEOUT_MS
    let waitedMs = 0
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, MAX_WAIT_MS)) {
      try {
        return this.#once(mode, action)
      } catch (error) {
        if (!isBusy(error)) throw error
        // Both clocks: an injected one may stand still.
        if (Math.max(waitedMs, this.#options.now() - startedMs) >= limitMs)
          throw stillLocked(this.#options, error)
      }
      const jittered = waitMs * (0.5 + uuidFraction(this.#options.newUuid()))
      waitedMs += jittered + BUSY_TIMEOUT_MS
      await sleep(jittered)
    }
  }

  #once<T>(mode: 'DEFERRED' | 'IMMEDIATE', action: () => T): T {
    let committing = false
    try {
      this.#database.exec(`BEGIN ${mode}`)
      const result = action()
      committing = mode === 'IMMEDIATE'
      this.#database.exec('COMMIT')
      return result
    } catch (error) {
      if (this.#database.inTransaction) this.#database.exec('ROLLBACK')
      if (isBusy(error)) throw error
      throw failed(this.#options.path, committing, error)
    }
  }
}

function open(path: string): Database.Database {
  let database
  try {
    database = new Database(path, { timeout: 5000 })
    database.pragma('journal_mode = WAL')
    database.pragma('synchronous = FULL')
    database.exec(SCHEMA)
    database.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`)
    return database
  } catch (error) {
    database?.close()
    throw failed(path, false, error)
  }
}

interface Row {
  readonly namespace: string
  readonly name: string
}

type Key = [string, string, string]

type Statements = ReturnType<typeof prepare>

/** A database of schema V0 has no `iceberg_type`; it stays as it is, for the older programs that use it. */
function prepare(database: Database.Database) {
  const columns = database.pragma('table_info(iceberg_tables)') as readonly { readonly name: string }[]
  const typed = columns.some((column) => column.name === 'iceberg_type')
  const isTable = typed ? `(iceberg_type = 'TABLE' OR iceberg_type IS NULL)` : 'TRUE'
  const key = 'catalog_name = ? AND table_namespace = ? AND table_name = ?'
  return {
    location: database.prepare<Key, { readonly location: string | null }>(
      `SELECT metadata_location AS location FROM iceberg_tables WHERE ${key} AND ${isTable}`,
    ),
    taken: database.prepare<Key>(`SELECT 1 FROM iceberg_tables WHERE ${key}`),
    insert: database.prepare<[...Key, string]>(
      `INSERT INTO iceberg_tables
         (catalog_name, table_namespace, table_name, metadata_location${typed ? ', iceberg_type' : ''})
       VALUES (?, ?, ?, ?${typed ? `, 'TABLE'` : ''})`,
    ),
    update: database.prepare<[string, string, ...Key]>(
      `UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ? WHERE ${key}`,
    ),
    rename: database.prepare<[string, string, ...Key]>(
      `UPDATE iceberg_tables SET table_namespace = ?, table_name = ? WHERE ${key}`,
    ),
    remove: database.prepare<Key>(`DELETE FROM iceberg_tables WHERE ${key} AND ${isTable}`),
    tables: database.prepare<[string], Row>(
      `SELECT table_namespace AS namespace, table_name AS name FROM iceberg_tables
       WHERE catalog_name = ? AND ${isTable} ORDER BY 1, 2`,
    ),
    namespaces: database.prepare<[string], { readonly namespace: string }>(
      'SELECT DISTINCT namespace FROM iceberg_namespace_properties WHERE catalog_name = ? ORDER BY 1',
    ),
    addProperty: database.prepare<[string, string, string, string]>(
      'INSERT INTO iceberg_namespace_properties VALUES (?, ?, ?, ?)',
    ),
    removeNamespace: database.prepare<[string, string]>(
      'DELETE FROM iceberg_namespace_properties WHERE catalog_name = ? AND namespace = ?',
    ),
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && /^SQLITE_(BUSY|LOCKED)/.test(error.code)
}

function stillLocked({ path, lockTimeoutMs }: SqlitePointerStoreOptions, cause: unknown): IcebergError {
  return new IcebergError(
    'io',
    `${path} has been locked by another process for ${(lockTimeoutMs ?? LOCK_TIMEOUT_MS) / 1000} s; see who holds it and retry`,
    { context: { path }, cause },
  )
}

function failed(path: string, committing: boolean, cause: unknown): IcebergError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return committing
    ? new IcebergError(
        'commit-unknown',
        `${path}: the answer to a commit was lost (${reason}); load and look`,
        {
          context: { path },
          cause,
        },
      )
    : new IcebergError('io', `${path} could not be used as a catalog: ${reason}`, {
        context: { path },
        cause,
      })
}
