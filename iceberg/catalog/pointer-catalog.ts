import { IcebergError } from '../error.js'
import type { FileIO } from '../io/file-io.js'
import { joinLocation } from '../io/location.js'
import { parseTableMetadata, serializeTableMetadata } from '../spec/metadata-json.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import { applyUpdates } from '../update/apply-updates.js'
import { checkRequirements } from '../update/check-requirements.js'
import { newTableMetadata } from '../update/new-metadata.js'
import type { Catalog, CreateTable, LoadedTable, TableCommit, TableIdentifier } from './catalog.js'
import { formatIdentifier } from './catalog.js'
import { checkIdentifier, checkNamespace } from './name.js'
import type { PointerStore, Properties, Swap } from './pointer-store.js'
import { purgeTable } from './purge-table.js'

export interface CatalogOptions {
  readonly name: string
  /** Root location of tables that name none of their own. */
  readonly warehouse: string
  readonly io: FileIO
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly newUuid: () => string
}

/** Swaps lost to changes that the requirements allow (a tag, another branch) are tried again here, this often. */
const SWAP_TRIES = 3
const CACHED_METADATA = 256

/** A catalog of metadata files over any pointer store: the logic that memory, SQLite and others share. */
export class PointerCatalog implements Catalog {
  readonly name: string
  readonly io: FileIO
  readonly #store: PointerStore
  readonly #options: CatalogOptions
  /** By location: metadata files never change. The oldest use goes first. */
  readonly #cache = new Map<string, TableMetadata>()

  constructor(store: PointerStore, options: CatalogOptions) {
    this.name = options.name
    this.io = options.io
    this.#store = store
    this.#options = options
  }

  async createNamespace(namespace: string, properties: Properties = {}): Promise<void> {
    checkNamespace(namespace)
    const known = await this.listNamespaces()
    if (known.includes(namespace) || !(await this.#store.addNamespace(namespace, properties))) {
      throw new IcebergError('already-exists', `namespace ${namespace} exists already`)
    }
  }

  async listNamespaces(): Promise<readonly string[]> {
    const tables = await this.#store.tables()
    const named = await this.#store.namespaces()
    return [...new Set([...named, ...tables.map((table) => table.namespace)])].sort()
  }

  async dropNamespace(namespace: string): Promise<void> {
    await this.#requireNamespace(namespace)
    const tables = await this.#store.tables(namespace)
    if (tables.length > 0) {
      throw new IcebergError(
        'invalid-argument',
        `namespace ${namespace} has ${tables.length} tables; drop them first`,
      )
    }
    await this.#store.removeNamespace(namespace)
  }

  async listTables(namespace: string): Promise<readonly TableIdentifier[]> {
    await this.#requireNamespace(namespace)
    return this.#store.tables(namespace)
  }

  async createTable(table: CreateTable): Promise<LoadedTable> {
    const { identifier } = table
    checkIdentifier(identifier)
    await this.#requireNamespace(identifier.namespace)
    const [known] = await this.#store.read([identifier])
    if (known !== undefined) throw tableExists(identifier)
    const { newUuid, now } = this.#options
    const metadata = newTableMetadata({
      ...table,
      location: table.location ?? (await this.#freeLocation(identifier)),
      uuid: newUuid(),
      now: now(),
    })
    const to = await this.#writeMetadata(metadata, 0)
    if (await this.#store.swap([{ identifier, from: null, to }])) {
      return { identifier, metadataLocation: to, metadata: this.#remember(to, metadata) }
    }
    await this.#discard([to])
    throw tableExists(identifier)
  }

  async loadTable(identifier: TableIdentifier): Promise<LoadedTable> {
    const [table] = await this.loadTables([identifier])
    if (table === undefined) throw noSuchTable(identifier)
    return table
  }

  async loadTables(identifiers: readonly TableIdentifier[]): Promise<readonly LoadedTable[]> {
    identifiers.forEach(checkIdentifier)
    const locations = await this.#store.read(identifiers)
    return Promise.all(
      identifiers.map(async (identifier, position) => {
        const metadataLocation = locations[position]
        if (metadataLocation === undefined) throw noSuchTable(identifier)
        return { identifier, metadataLocation, metadata: await this.#readMetadata(metadataLocation) }
      }),
    )
  }

  async commit(commits: readonly TableCommit[]): Promise<readonly LoadedTable[]> {
    const names = new Set(commits.map((commit) => formatIdentifier(commit.identifier)))
    if (names.size < commits.length) {
      throw new IcebergError('invalid-argument', 'a commit names a table twice; join its updates into one')
    }
    for (let attempt = 1; attempt <= SWAP_TRIES; attempt++) {
      const committed = await this.#tryCommit(commits)
      if (committed !== undefined) return committed
    }
    throw new IcebergError(
      'commit-conflict',
      `other commits to ${[...names].join(', ')} were first, ${SWAP_TRIES} times; load and try again`,
      { context: { tables: [...names] } },
    )
  }

  async renameTable(from: TableIdentifier, to: TableIdentifier): Promise<void> {
    checkIdentifier(from)
    checkIdentifier(to)
    await this.#requireNamespace(to.namespace)
    if (await this.#store.rename(from, to)) return
    const [known] = await this.#store.read([from])
    throw known === undefined ? noSuchTable(from) : tableExists(to)
  }

  async dropTable(identifier: TableIdentifier, options: { readonly purge?: boolean } = {}): Promise<void> {
    checkIdentifier(identifier)
    const location = await this.#store.remove(identifier)
    if (location === undefined) throw noSuchTable(identifier)
    if (options.purge !== true) return
    await purgeTable(this.io, await this.#readMetadata(location), location)
  }

  close(): void {
    this.#store.close()
  }

  /** Undefined where another commit came between reading and swapping. */
  async #tryCommit(commits: readonly TableCommit[]): Promise<readonly LoadedTable[] | undefined> {
    const tables = await this.loadTables(commits.map((commit) => commit.identifier))
    const now = this.#options.now()
    const next = tables.map((table, position) => {
      const { requirements, updates } = commits[position] ?? { requirements: [], updates: [] }
      checkRequirements(table.metadata, requirements)
      const metadata = applyUpdates(table.metadata, updates, {
        now,
        metadataLocation: table.metadataLocation,
      })
      return { table, metadata, changed: metadata !== table.metadata }
    })
    const written = await Promise.all(
      next.map(async ({ table, metadata, changed }) => {
        if (!changed) return table
        const location = await this.#writeMetadata(metadata, 1 + versionOf(table.metadataLocation))
        return { identifier: table.identifier, metadataLocation: location, metadata }
      }),
    )
    // Tables that stay as they are take part too: their requirements have to hold at the moment of the swap.
    const swaps = written.map((table, position): Swap => {
      const from = tables[position]?.metadataLocation ?? null
      return { identifier: table.identifier, from, to: table.metadataLocation }
    })
    if (swaps.length === 0) return []
    if (!(await this.#store.swap(swaps))) {
      await this.#discard(swaps.filter((swap) => swap.from !== swap.to).map((swap) => swap.to))
      return undefined
    }
    for (const table of written) this.#remember(table.metadataLocation, table.metadata)
    return written
  }

  /** A renamed or dropped table may still have its files under its first name: two tables never share a folder. */
  async #freeLocation({ namespace, name }: TableIdentifier): Promise<string> {
    const { warehouse, newUuid } = this.#options
    const location = joinLocation(warehouse, namespace, name)
    const listing = this.io.list(`${location}/`)[Symbol.asyncIterator]()
    const isTaken = (await listing.next()).done !== true
    await listing.return?.()
    return isTaken ? `${location}-${newUuid().slice(0, 8)}` : location
  }

  async #requireNamespace(namespace: string): Promise<void> {
    checkNamespace(namespace)
    if ((await this.listNamespaces()).includes(namespace)) return
    throw new IcebergError('not-found', `there is no namespace ${namespace}; create it first`, {
      context: { namespace },
    })
  }

  async #writeMetadata(metadata: TableMetadata, version: number): Promise<string> {
    const folder = metadata.properties['write.metadata.path'] ?? joinLocation(metadata.location, 'metadata')
    const file = `${String(version).padStart(5, '0')}-${this.#options.newUuid()}.metadata.json`
    const location = joinLocation(folder, file)
    await this.io.write(location, serializeTableMetadata(metadata))
    return location
  }

  async #readMetadata(location: string): Promise<TableMetadata> {
    const cached = this.#cache.get(location)
    return this.#remember(location, cached ?? parseTableMetadata(await this.io.read(location)))
  }

  #remember(location: string, metadata: TableMetadata): TableMetadata {
    this.#cache.delete(location)
    this.#cache.set(location, metadata)
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= CACHED_METADATA) break
      this.#cache.delete(oldest)
    }
    return metadata
  }

  /** Only for metadata files whose swap was definitely refused: nothing names them. A failure leaves an orphan. */
  async #discard(locations: readonly string[]): Promise<void> {
    await Promise.allSettled(locations.map((location) => this.io.delete(location)))
  }
}

/** `…/00012-<uuid>.metadata.json` → 12; Hadoop's `v12.metadata.json` likewise; 0 where a name has no number. */
function versionOf(metadataLocation: string): number {
  const file = metadataLocation.slice(metadataLocation.lastIndexOf('/') + 1)
  return Number.parseInt(/^v?(\d+)/.exec(file)?.[1] ?? '0', 10)
}

function noSuchTable(identifier: TableIdentifier): IcebergError {
  const name = formatIdentifier(identifier)
  return new IcebergError('not-found', `there is no table ${name}`, { context: { table: name } })
}

function tableExists(identifier: TableIdentifier): IcebergError {
  const name = formatIdentifier(identifier)
  return new IcebergError('already-exists', `table ${name} exists already`, { context: { table: name } })
}
