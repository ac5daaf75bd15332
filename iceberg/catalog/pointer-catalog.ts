import { IcebergError, isIcebergError } from '../error.js'
import type { FileIO } from '../io/file-io.js'
import { parseTableMetadata, serializeTableMetadata } from '../spec/metadata-json.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import { applyUpdates } from '../update/apply-updates.js'
import { checkRequirements } from '../update/check-requirements.js'
import { metadataOfUpdates } from '../update/metadata-of-updates.js'
import { newTableMetadata } from '../update/new-metadata.js'
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
import { MetadataFiles, versionOf } from './metadata-files.js'
import { checkIdentifier } from './name.js'
import { noSuch, PointerNames } from './pointer-names.js'
import type { PointerStore, Swap } from './pointer-store.js'
import { PointerViews } from './pointer-views.js'
import { filesToPurge, purgeFiles } from './purge-table.js'

/** What every catalog that keeps pointers to metadata files is told. */
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
const READ_TRIES = 5

/** A catalog of metadata files over any pointer store: the logic that memory, SQLite and others share. */
export class PointerCatalog implements Catalog {
  readonly name: string
  readonly io: FileIO
  readonly views?: ViewCatalog
  readonly #store: PointerStore
  readonly #options: CatalogOptions
  readonly #names: PointerNames
  readonly #files: MetadataFiles<TableMetadata>

  constructor(store: PointerStore, options: CatalogOptions) {
    this.name = options.name
    this.io = options.io
    this.#store = store
    this.#options = options
    this.#names = new PointerNames(store)
    this.#files = new MetadataFiles({ parse: parseTableMetadata, serialize: serializeTableMetadata }, options)
    if (store.views !== undefined) this.views = new PointerViews(store.views, this.#names, options)
  }

  createNamespace(namespace: string, properties: Properties = {}): Promise<void> {
    return this.#names.createNamespace(namespace, properties)
  }

  loadNamespace(namespace: string): Promise<Properties> {
    return this.#names.loadNamespace(namespace)
  }

  updateNamespace(namespace: string, change: NamespaceChange): Promise<NamespaceUpdate> {
    return this.#names.updateNamespace(namespace, change)
  }

  listNamespaces(parent?: string): Promise<readonly string[]> {
    return this.#names.listNamespaces(parent)
  }

  dropNamespace(namespace: string): Promise<void> {
    return this.#names.dropNamespace(namespace)
  }

  async listTables(namespace: string): Promise<readonly TableIdentifier[]> {
    await this.#names.requireNamespace(namespace)
    return this.#store.list(namespace)
  }

  async createTable(table: CreateTable): Promise<LoadedTable> {
    const { identifier } = table
    await this.#requireFree(identifier)
    const { newUuid, now } = this.#options
    const metadata = newTableMetadata({
      ...table,
      location: table.location ?? (await this.#files.freeLocation(identifier)),
      uuid: newUuid(),
      now: now(),
    })
    const to = await this.#files.write(metadata, 0)
    if (await this.#store.swap([{ identifier, from: null, to }])) {
      return { identifier, metadataLocation: to, metadata: this.#files.remember(to, metadata) }
    }
    await this.#files.discard([to])
    throw await this.#names.taken(identifier)
  }

  async registerTable(identifier: TableIdentifier, metadataLocation: string): Promise<LoadedTable> {
    await this.#requireFree(identifier)
    const metadata = await this.#files.read(metadataLocation)
    if (await this.#store.swap([{ identifier, from: null, to: metadataLocation }])) {
      return { identifier, metadataLocation, metadata }
    }
    throw await this.#names.taken(identifier)
  }

  async loadTable(identifier: TableIdentifier): Promise<LoadedTable> {
    const [table] = await this.loadTables([identifier])
    if (table === undefined) throw noSuch('table', identifier)
    return table
  }

  async loadTables(identifiers: readonly TableIdentifier[]): Promise<readonly LoadedTable[]> {
    identifiers.forEach(checkIdentifier)
    return this.#whileMoving(identifiers, (locations) =>
      Promise.all(
        identifiers.map(async (identifier, position) => {
          const metadataLocation = locations[position]
          if (metadataLocation === undefined) throw noSuch('table', identifier)
          return { identifier, metadataLocation, metadata: await this.#files.read(metadataLocation) }
        }),
      ),
    )
  }

  async commit(commits: readonly TableCommit[]): Promise<readonly LoadedTable[]> {
    const names = new Set(commits.map((commit) => formatIdentifier(commit.identifier)))
    if (names.size < commits.length) {
      throw new IcebergError('invalid-argument', 'a commit names a table twice; join its updates into one')
    }
    for (const { identifier } of commits) checkIdentifier(identifier)
    for (const namespace of new Set(commits.filter(isCreation).map((commit) => commit.identifier.namespace)))
      await this.#names.requireNamespace(namespace)
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
    await this.#names.requireNamespace(to.namespace)
    if (await this.#store.rename(from, to)) return
    const [known] = await this.#store.read([from])
    throw known === undefined ? noSuch('table', from) : await this.#names.taken(to)
  }

  async dropTable(identifier: TableIdentifier, options: { readonly purge?: boolean } = {}): Promise<void> {
    // What is to go is known before the table is gone: metadata that can't be read must not leave it half dropped.
    const known = options.purge === true ? await this.loadTable(identifier) : undefined
    const planned = known === undefined ? [] : await this.#filesToPurge(known.metadataLocation)
    checkIdentifier(identifier)
    const location = await this.#store.remove(identifier)
    if (location === undefined) throw noSuch('table', identifier)
    if (known === undefined) return
    const isSame = location === known.metadataLocation
    await purgeFiles(this.io, isSame ? planned : await this.#filesToPurge(location))
  }

  close(): void {
    this.#store.close()
  }

  async #filesToPurge(metadataLocation: string): Promise<readonly string[]> {
    return filesToPurge(this.io, await this.#files.read(metadataLocation), metadataLocation)
  }

  /** Undefined where another commit came between reading and swapping. */
  async #tryCommit(commits: readonly TableCommit[]): Promise<readonly LoadedTable[] | undefined> {
    const next = await this.#whileMoving(
      commits.map((commit) => commit.identifier),
      (locations) =>
        Promise.all(commits.map((commit, position) => this.#nextMetadata(commit, locations[position]))),
    )
    const written = await Promise.all(
      next.map(async ({ identifier, from, before, metadata }) => {
        const isSame = from !== undefined && metadata === before
        const version = from === undefined ? 0 : 1 + versionOf(from)
        const metadataLocation = isSame ? from : await this.#files.write(metadata, version)
        return { identifier, metadataLocation, metadata }
      }),
    )
    // Tables that stay as they are take part too: their requirements have to hold at the moment of the swap.
    const swaps = written.map((table, position): Swap => {
      const from = next[position]?.from ?? null
      return { identifier: table.identifier, from, to: table.metadataLocation }
    })
    if (swaps.length === 0) return []
    if (!(await this.#store.swap(swaps))) {
      await this.#files.discard(swaps.filter((swap) => swap.from !== swap.to).map((swap) => swap.to))
      await this.#refuseTakenNames(swaps)
      return undefined
    }
    for (const table of written) this.#files.remember(table.metadataLocation, table.metadata)
    for (const { before, metadata } of next) await this.#files.discard(droppedLogFiles(before, metadata))
    return written
  }

  /** A metadata file may go between its pointer and it, where others commit meanwhile and the log is short. */
  async #whileMoving<R>(
    identifiers: readonly TableIdentifier[],
    read: (locations: readonly (string | undefined)[]) => Promise<R>,
  ): Promise<R> {
    for (let attempt = 1; ; attempt++) {
      const locations = await this.#store.read(identifiers)
      try {
        return await read(locations)
      } catch (error) {
        if (!isIcebergError(error, 'not-found') || attempt >= READ_TRIES) throw error
        const now = await this.#store.read(identifiers)
        if (now.every((location, position) => location === locations[position])) throw error
      }
    }
  }

  async #nextMetadata(commit: TableCommit, from: string | undefined): Promise<NextMetadata> {
    const { identifier, requirements, updates } = commit
    const now = this.#options.now()
    if (from === undefined) {
      if (!isCreation(commit)) throw noSuch('table', identifier)
      checkRequirements(undefined, requirements)
      const location = await this.#files.freeLocation(identifier)
      const metadata = metadataOfUpdates(updates, { now, location, uuid: this.#options.newUuid() })
      return { identifier, metadata }
    }
    const before = await this.#files.read(from)
    checkRequirements(before, requirements)
    return {
      identifier,
      from,
      before,
      metadata: applyUpdates(before, updates, { now, metadataLocation: from }),
    }
  }

  async #requireFree(identifier: TableIdentifier): Promise<void> {
    checkIdentifier(identifier)
    await this.#names.requireNamespace(identifier.namespace)
    const [table] = await this.#store.read([identifier])
    if (table !== undefined) throw await this.#names.taken(identifier)
  }

  /** A view under the name of a table to be created never goes away by itself: trying again is no use. */
  async #refuseTakenNames(swaps: readonly Swap[]): Promise<void> {
    for (const { identifier, from } of swaps) {
      const [view] = from === null ? ((await this.#store.views?.read([identifier])) ?? []) : []
      if (view !== undefined) throw await this.#names.taken(identifier)
    }
  }
}

interface NextMetadata {
  readonly identifier: TableIdentifier
  /** Absent where the commit creates the table. */
  readonly from?: string
  readonly before?: TableMetadata
  readonly metadata: TableMetadata
}

function isCreation(commit: TableCommit): boolean {
  return commit.requirements.some((requirement) => requirement.type === 'assert-create')
}

/** Metadata files that fell off the log with this commit, where the table wants them deleted. */
function droppedLogFiles(before: TableMetadata | undefined, after: TableMetadata): readonly string[] {
  const wanted = after.properties['write.metadata.delete-after-commit.enabled']?.trim().toLowerCase()
  if (before === undefined || wanted !== 'true') return []
  const kept = new Set(after['metadata-log'].map((entry) => entry['metadata-file']))
  return before['metadata-log'].map((entry) => entry['metadata-file']).filter((file) => !kept.has(file))
}
