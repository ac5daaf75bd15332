import { IcebergError } from '../error.js'
import { applyViewUpdates, checkViewRequirements } from '../view/apply-view-updates.js'
import { newViewMetadata } from '../view/new-view.js'
import { parseViewMetadata, serializeViewMetadata } from '../view/view-json.js'
import type { ViewMetadata } from '../view/view-metadata.js'
import type { CreateView, LoadedView, TableIdentifier, ViewCatalog, ViewCommit } from './catalog.js'
import { formatIdentifier } from './catalog.js'
import { MetadataFiles, type MetadataFilesOptions, versionOf } from './metadata-files.js'
import { checkIdentifier } from './name.js'
import { noSuch, type PointerNames } from './pointer-names.js'
import type { Pointers } from './pointer-store.js'

const SWAP_TRIES = 3

/** Views as metadata files, named by pointers beside those of the tables. */
export class PointerViews implements ViewCatalog {
  readonly #pointers: Pointers
  readonly #names: PointerNames
  readonly #files: MetadataFiles<ViewMetadata>
  readonly #options: MetadataFilesOptions & { readonly now: () => number }

  constructor(
    pointers: Pointers,
    names: PointerNames,
    options: MetadataFilesOptions & { readonly now: () => number },
  ) {
    this.#pointers = pointers
    this.#names = names
    this.#options = options
    this.#files = new MetadataFiles({ parse: parseViewMetadata, serialize: serializeViewMetadata }, options)
  }

  async createView(view: CreateView): Promise<LoadedView> {
    const { identifier } = view
    checkIdentifier(identifier)
    await this.#names.requireNamespace(identifier.namespace)
    const metadata = newViewMetadata({
      ...view,
      location: view.location ?? (await this.#files.freeLocation(identifier)),
      uuid: this.#options.newUuid(),
    })
    const to = await this.#files.write(metadata, 0)
    if (await this.#pointers.swap([{ identifier, from: null, to }])) {
      return { identifier, metadataLocation: to, metadata: this.#files.remember(to, metadata) }
    }
    await this.#files.discard([to])
    throw await this.#names.taken(identifier)
  }

  async loadView(identifier: TableIdentifier): Promise<LoadedView> {
    checkIdentifier(identifier)
    const [metadataLocation] = await this.#pointers.read([identifier])
    if (metadataLocation === undefined) throw noSuch('view', identifier)
    return { identifier, metadataLocation, metadata: await this.#files.read(metadataLocation) }
  }

  async listViews(namespace: string): Promise<readonly TableIdentifier[]> {
    await this.#names.requireNamespace(namespace)
    return this.#pointers.list(namespace)
  }

  async commitView(commit: ViewCommit): Promise<LoadedView> {
    for (let attempt = 1; attempt <= SWAP_TRIES; attempt++) {
      const committed = await this.#tryCommit(commit)
      if (committed !== undefined) return committed
    }
    const view = formatIdentifier(commit.identifier)
    throw new IcebergError(
      'commit-conflict',
      `other commits to view ${view} were first, ${SWAP_TRIES} times; load it and try again`,
      { context: { view } },
    )
  }

  async renameView(from: TableIdentifier, to: TableIdentifier): Promise<void> {
    checkIdentifier(from)
    checkIdentifier(to)
    await this.#names.requireNamespace(to.namespace)
    if (await this.#pointers.rename(from, to)) return
    const [known] = await this.#pointers.read([from])
    throw known === undefined ? noSuch('view', from) : await this.#names.taken(to)
  }

  /** A view has no data; its metadata files stay for orphan clean-up, as those of a dropped table do. */
  async dropView(identifier: TableIdentifier): Promise<void> {
    checkIdentifier(identifier)
    if ((await this.#pointers.remove(identifier)) === undefined) throw noSuch('view', identifier)
  }

  /** Undefined where another commit came between reading and swapping. */
  async #tryCommit({ identifier, requirements, updates }: ViewCommit): Promise<LoadedView | undefined> {
    const view = await this.loadView(identifier)
    checkViewRequirements(view.metadata, requirements)
    const metadata = applyViewUpdates(view.metadata, updates, { now: this.#options.now() })
    if (metadata === view.metadata) return view
    const to = await this.#files.write(metadata, 1 + versionOf(view.metadataLocation))
    if (await this.#pointers.swap([{ identifier, from: view.metadataLocation, to }])) {
      return { identifier, metadataLocation: to, metadata: this.#files.remember(to, metadata) }
    }
    await this.#files.discard([to])
    return undefined
  }
}
