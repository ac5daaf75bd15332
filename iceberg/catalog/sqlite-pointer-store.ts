import type { NamespaceChange, NamespaceUpdate, Properties, TableIdentifier } from './catalog.js'
import { applyNamespaceChange } from './namespace-change.js'
import type { Pointers, PointerStore, Swap } from './pointer-store.js'
import { SqliteConnection, type SqliteConnectionOptions } from './sqlite-connection.js'
import { type Key, type PointerKind, prepareNamespaces, preparePointers } from './sqlite-statements.js'

export interface SqlitePointerStoreOptions extends SqliteConnectionOptions {
  /** `catalog_name` of all rows read and written. */
  readonly name: string
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

/** Pointers in a SQLite database (WAL, synchronous=FULL). */
export class SqlitePointerStore implements PointerStore {
  readonly views?: Pointers
  readonly #connection: SqliteConnection
  readonly #tables: Pointers
  readonly #name: string
  readonly #statements: ReturnType<typeof prepareNamespaces>

  constructor(options: SqlitePointerStoreOptions) {
    const connection = new SqliteConnection(options, SCHEMA)
    this.#connection = connection
    this.#name = options.name
    this.#statements = prepareNamespaces(connection.database)
    // A database of schema V0 has no `iceberg_type`; it stays as it is, for the older programs that use it.
    const columns = connection.database.pragma('table_info(iceberg_tables)') as readonly { name: string }[]
    const isTyped = columns.some((column) => column.name === 'iceberg_type')
    this.#tables = new SqlitePointers(connection, options.name, isTyped ? 'TABLE' : 'UNTYPED')
    if (isTyped) this.views = new SqlitePointers(connection, options.name, 'VIEW')
  }

  read(identifiers: readonly TableIdentifier[]): Promise<readonly (string | undefined)[]> {
    return this.#tables.read(identifiers)
  }

  swap(swaps: readonly Swap[]): Promise<boolean> {
    return this.#tables.swap(swaps)
  }

  list(namespace?: string): Promise<readonly TableIdentifier[]> {
    return this.#tables.list(namespace)
  }

  rename(from: TableIdentifier, to: TableIdentifier): Promise<boolean> {
    return this.#tables.rename(from, to)
  }

  remove(identifier: TableIdentifier): Promise<string | undefined> {
    return this.#tables.remove(identifier)
  }

  namespaces(): Promise<readonly string[]> {
    return this.#connection.transaction('DEFERRED', () =>
      this.#statements.all.all(this.#name).map((row) => row.namespace),
    )
  }

  namespaceProperties(namespace: string): Promise<Properties | undefined> {
    return this.#connection.transaction('DEFERRED', () => this.#properties(namespace))
  }

  addNamespace(namespace: string, properties: Properties): Promise<boolean> {
    return this.#connection.transaction('IMMEDIATE', () => {
      if (this.#properties(namespace) !== undefined) return false
      this.#write(namespace, properties)
      return true
    })
  }

  updateNamespace(namespace: string, change: NamespaceChange): Promise<NamespaceUpdate> {
    return this.#connection.transaction('IMMEDIATE', () => {
      const { properties, update } = applyNamespaceChange(this.#properties(namespace) ?? {}, change)
      this.#statements.remove.run(this.#name, namespace)
      this.#write(namespace, properties)
      return update
    })
  }

  removeNamespace(namespace: string): Promise<void> {
    return this.#connection.transaction('IMMEDIATE', () => {
      this.#statements.remove.run(this.#name, namespace)
    })
  }

  close(): void {
    this.#connection.database.close()
  }

  #properties(namespace: string): Properties | undefined {
    const rows = this.#statements.properties.all(this.#name, namespace)
    if (rows.length === 0) return undefined
    const own = rows.filter((row) => row.key !== EXISTS.key || row.value !== EXISTS.value)
    return Object.fromEntries(own.map((row) => [row.key, row.value]))
  }

  #write(namespace: string, properties: Properties): void {
    for (const [key, value] of Object.entries({ [EXISTS.key]: EXISTS.value, ...properties }))
      this.#statements.add.run(this.#name, namespace, key, value)
  }
}

/** The marker by which PyIceberg and Java know a namespace without properties of its own. */
const EXISTS = { key: 'exists', value: 'true' }

class SqlitePointers implements Pointers {
  readonly #connection: SqliteConnection
  readonly #name: string
  readonly #statements: ReturnType<typeof preparePointers>

  constructor(connection: SqliteConnection, name: string, kind: PointerKind) {
    this.#connection = connection
    this.#name = name
    this.#statements = preparePointers(connection.database, kind)
  }

  read(identifiers: readonly TableIdentifier[]): Promise<readonly (string | undefined)[]> {
    return this.#connection.transaction('DEFERRED', () =>
      identifiers.map((identifier) => this.#location(identifier)),
    )
  }

  swap(swaps: readonly Swap[]): Promise<boolean> {
    return this.#connection.transaction('IMMEDIATE', () => {
      const holds = swaps.every(({ identifier, from }) =>
        // A view holds its name against tables too, and the other way round.
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

  list(namespace?: string): Promise<readonly TableIdentifier[]> {
    return this.#connection.transaction('DEFERRED', () =>
      namespace === undefined
        ? this.#statements.all.all(this.#name)
        : this.#statements.inNamespace.all(this.#name, namespace),
    )
  }

  rename(from: TableIdentifier, to: TableIdentifier): Promise<boolean> {
    return this.#connection.transaction('IMMEDIATE', () => {
      if (this.#location(from) === undefined || this.#statements.taken.get(...this.#key(to))) return false
      this.#statements.rename.run(to.namespace, to.name, ...this.#key(from))
      return true
    })
  }

  remove(identifier: TableIdentifier): Promise<string | undefined> {
    return this.#connection.transaction('IMMEDIATE', () => {
      const location = this.#location(identifier)
      this.#statements.remove.run(...this.#key(identifier))
      return location
    })
  }

  #location(identifier: TableIdentifier): string | undefined {
    return this.#statements.location.get(...this.#key(identifier))?.location ?? undefined
  }

  #key({ namespace, name }: TableIdentifier): Key {
    return [this.#name, namespace, name]
  }
}
