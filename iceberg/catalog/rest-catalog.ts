import { IcebergError } from '../error.js'
import type { FileIO } from '../io/file-io.js'
import { storageProperties } from '../rest/storage-properties.js'
import {
  createTableDocument,
  loadTablesDocument,
  parseTableResult,
  parseTableResults,
  registerTableDocument,
  renameDocument,
  type TableResult,
} from '../rest/table-documents.js'
import type {
  Catalog,
  CreateTable,
  LoadedTable,
  NamespaceChange,
  NamespaceUpdate,
  Properties,
  TableCommit,
  TableIdentifier,
  ViewCatalog,
} from './catalog.js'
import { formatIdentifier } from './catalog.js'
import { checkAtomic, commitTable, commitTables } from './rest-commit.js'
import { identifiersIn, type RestConnection } from './rest-connection.js'
import { RestFileIO } from './rest-file-io.js'
import { RestNamespaces } from './rest-namespaces.js'
import { RestViews } from './rest-views.js'

export interface RestCatalogParts {
  readonly name: string
  readonly server: RestConnection
  /** A store by the settings that Iceberg gives names to: `s3.endpoint`, `s3.access-key-id` and so on. */
  readonly openIO: (properties: Readonly<Record<string, string>>) => FileIO
  readonly publish?: 'transactional'
  readonly now: () => number
}

/** What the catalog remembers of a table, to ask only whether it changed. */
interface Known {
  readonly table: LoadedTable
  readonly etag?: string
  /** The server gave this table one of its own. */
  readonly token?: string
}

const KNOWN_TABLES = 256
const MOMENT_TRIES = 4

/** A catalog behind a REST server. Storage that the server lends for a table is used for that table's files. */
export class RestCatalog implements Catalog {
  readonly name: string
  readonly io: FileIO
  readonly views?: ViewCatalog
  readonly #parts: RestCatalogParts
  readonly #server: RestConnection
  readonly #namespaces: RestNamespaces
  readonly #io: RestFileIO
  /** By name; the oldest use goes first. */
  readonly #known = new Map<string, Known>()

  constructor(parts: RestCatalogParts) {
    this.name = parts.name
    this.#parts = parts
    this.#server = parts.server
    this.#namespaces = new RestNamespaces(parts.server)
    this.#io = new RestFileIO(parts.openIO(parts.server.properties), parts.now)
    this.io = this.#io
    if (parts.server.offers('loadView')) this.views = new RestViews(parts.server)
  }

  createNamespace(namespace: string, properties: Properties = {}): Promise<void> {
    return this.#namespaces.create(namespace, properties)
  }

  loadNamespace(namespace: string): Promise<Properties> {
    return this.#namespaces.load(namespace)
  }

  updateNamespace(namespace: string, change: NamespaceChange): Promise<NamespaceUpdate> {
    return this.#namespaces.update(namespace, change)
  }

  listNamespaces(parent?: string): Promise<readonly string[]> {
    return this.#namespaces.list(parent)
  }

  dropNamespace(namespace: string): Promise<void> {
    return this.#namespaces.drop(namespace)
  }

  async listTables(namespace: string): Promise<readonly TableIdentifier[]> {
    const path = this.#server.paths.tables(namespace)
    return await this.#server.list(
      'listTables',
      { what: `list the tables of ${namespace}`, path },
      identifiersIn,
    )
  }

  async createTable(table: CreateTable): Promise<LoadedTable> {
    const { identifier } = table
    this.#server.paths.table(identifier)
    const { body } = await this.#server.send('createTable', {
      what: `create table ${formatIdentifier(identifier)}`,
      path: this.#server.paths.tables(identifier.namespace),
      body: createTableDocument(table),
      headers: DELEGATION,
    })
    return this.#remember(identifier, parseTableResult(body))
  }

  async registerTable(identifier: TableIdentifier, metadataLocation: string): Promise<LoadedTable> {
    this.#server.paths.table(identifier)
    const { body } = await this.#server.send('registerTable', {
      what: `register ${metadataLocation} as table ${formatIdentifier(identifier)}`,
      path: `${this.#server.paths.namespace(identifier.namespace)}/register`,
      body: registerTableDocument({ name: identifier.name, metadataLocation, overwrite: false }),
      headers: DELEGATION,
    })
    return this.#remember(identifier, parseTableResult(body))
  }

  async loadTable(identifier: TableIdentifier): Promise<LoadedTable> {
    const name = formatIdentifier(identifier)
    const known = this.#known.get(name)
    const unchanged = known?.etag === undefined ? {} : { 'if-none-match': known.etag }
    const { status, body, headers } = await this.#server.send('loadTable', {
      what: `load table ${name}`,
      path: this.#server.paths.table(identifier),
      headers: { ...DELEGATION, ...unchanged },
    })
    if (status === 304 && known !== undefined) return known.table
    return this.#remember(identifier, parseTableResult(body), headers.get('etag') ?? undefined)
  }

  /**
   * Of Firn's server in one request. Of others each by itself, and again until two rounds agree, so that all stood so at one
   * moment between them; of tables that change all the time what was found last.
   */
  async loadTables(identifiers: readonly TableIdentifier[]): Promise<readonly LoadedTable[]> {
    if (identifiers.length > 1 && this.#server.offers('loadTables'))
      return await this.#loadTogether(identifiers)
    let tables = await this.#loadEach(identifiers)
    for (let round = 1; round < MOMENT_TRIES && tables.length > 1; round++) {
      const again = await this.#loadEach(identifiers)
      const agrees = again.every((table, at) => table.metadataLocation === tables[at]?.metadataLocation)
      tables = again
      if (agrees) break
    }
    return tables
  }

  async commit(commits: readonly TableCommit[]): Promise<readonly LoadedTable[]> {
    const names = new Set(commits.map((commit) => formatIdentifier(commit.identifier)))
    if (names.size < commits.length) {
      throw new IcebergError('invalid-argument', 'a commit names a table twice; join its updates into one')
    }
    const [first] = commits
    if (first === undefined) return []
    if (commits.length > 1) return await this.#commitTogether(commits)
    const name = formatIdentifier(first.identifier)
    const { body, etag } = await commitTable(this.#server, first, this.#known.get(name)?.token)
    return await committed(commits, () =>
      Promise.resolve([this.#remember(first.identifier, parseTableResult(body), etag)]),
    )
  }

  async renameTable(from: TableIdentifier, to: TableIdentifier): Promise<void> {
    this.#server.paths.table(from)
    this.#server.paths.table(to)
    await this.#server.send('renameTable', {
      what: `rename table ${formatIdentifier(from)} to ${formatIdentifier(to)}`,
      path: this.#server.paths.under('tables/rename'),
      body: renameDocument(from, to),
    })
    this.#known.delete(formatIdentifier(from))
  }

  async dropTable(identifier: TableIdentifier, options: { readonly purge?: boolean } = {}): Promise<void> {
    const name = formatIdentifier(identifier)
    await this.#server.send('dropTable', {
      what: `drop table ${name}`,
      path: `${this.#server.paths.table(identifier)}?purgeRequested=${options.purge === true}`,
    })
    this.#known.delete(name)
  }

  /** Connections close by themselves once they are idle. */
  close(): void {
    this.#known.clear()
  }

  async #loadEach(identifiers: readonly TableIdentifier[]): Promise<readonly LoadedTable[]> {
    return await Promise.all(identifiers.map((identifier) => this.loadTable(identifier)))
  }

  async #loadTogether(identifiers: readonly TableIdentifier[]): Promise<readonly LoadedTable[]> {
    for (const identifier of identifiers) this.#server.paths.table(identifier)
    const { body } = await this.#server.send('loadTables', {
      what: `load tables ${identifiers.map(formatIdentifier).join(', ')}`,
      path: this.#server.paths.under('firn/load-tables'),
      body: loadTablesDocument(identifiers),
      headers: DELEGATION,
      changes: false,
    })
    const results = parseTableResults(body)
    return identifiers.map((identifier, at) => {
      const result = results[at]
      if (result !== undefined) return this.#remember(identifier, result)
      throw new IcebergError(
        'data-invalid',
        `the catalog gave back ${results.length} of ${identifiers.length} tables`,
      )
    })
  }

  async #commitTogether(commits: readonly TableCommit[]): Promise<readonly LoadedTable[]> {
    checkAtomic(this.#server, commits, this.#parts.publish)
    await commitTables(this.#server, commits)
    return await committed(commits, () => this.loadTables(commits.map((commit) => commit.identifier)))
  }

  #remember(identifier: TableIdentifier, result: TableResult, etag?: string): LoadedTable {
    const { metadataLocation, metadata, config } = result
    const name = formatIdentifier(identifier)
    if (metadataLocation === undefined) {
      throw new IcebergError('data-invalid', `the catalog does not say where the metadata of ${name} lies`)
    }
    this.#lend(identifier, result)
    const before = this.#known.get(name)
    const token = config['token'] ?? before?.token
    // The same document, however often it comes, is one object: what was computed of it stays valid.
    const table =
      before?.table.metadataLocation === metadataLocation
        ? before.table
        : { identifier, metadataLocation, metadata }
    this.#known.delete(name)
    this.#known.set(name, {
      table,
      ...(etag === undefined ? {} : { etag }),
      ...(token === undefined ? {} : { token }),
    })
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= KNOWN_TABLES) break
      this.#known.delete(oldest)
    }
    return table
  }

  #lend(identifier: TableIdentifier, result: TableResult): void {
    const renew = async (): Promise<void> => {
      this.#known.delete(formatIdentifier(identifier))
      await this.loadTable(identifier)
    }
    for (const { prefix, properties, expiresAtMs } of storageProperties(result, this.#server.properties)) {
      const io = this.#parts.openIO(properties)
      this.#io.lend(prefix, { io, renew, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) })
    }
  }
}

const DELEGATION = { 'x-iceberg-access-delegation': 'vended-credentials' }

/** What goes wrong after a commit leaves the commit itself done: looking at the table tells. */
async function committed<T>(commits: readonly TableCommit[], read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (cause) {
    const tables = commits.map((commit) => formatIdentifier(commit.identifier))
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new IcebergError(
      'commit-unknown',
      `the commit of ${tables.join(', ')} was accepted, but what became of it can't be read: ${reason}`,
      { context: { tables }, cause },
    )
  }
}
