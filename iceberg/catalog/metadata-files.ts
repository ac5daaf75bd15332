import type { FileIO } from '../io/file-io.js'
import { joinLocation } from '../io/location.js'
import type { Properties, TableIdentifier } from './catalog.js'
import { folderOf } from './name.js'

const CACHED = 256

/** How a kind of document is written and read. */
export interface MetadataCodec<M> {
  readonly parse: (bytes: Uint8Array) => M
  readonly serialize: (metadata: M) => Uint8Array
}

export interface MetadataFilesOptions {
  readonly io: FileIO
  readonly warehouse: string
  readonly newUuid: () => string
}

interface Described {
  readonly location: string
  readonly properties: Properties
}

/** The metadata files of tables or of views: written under new names, read once. */
export class MetadataFiles<M extends Described> {
  readonly #codec: MetadataCodec<M>
  readonly #options: MetadataFilesOptions
  /** By location: metadata files never change. The oldest use goes first. */
  readonly #cache = new Map<string, M>()

  constructor(codec: MetadataCodec<M>, options: MetadataFilesOptions) {
    this.#codec = codec
    this.#options = options
  }

  async write(metadata: M, version: number): Promise<string> {
    const folder = metadata.properties['write.metadata.path'] ?? joinLocation(metadata.location, 'metadata')
    const file = `${String(version).padStart(5, '0')}-${this.#options.newUuid()}.metadata.json`
    const location = joinLocation(folder, file)
    await this.#options.io.write(location, this.#codec.serialize(metadata))
    return location
  }

  async read(location: string): Promise<M> {
    const cached = this.#cache.get(location)
    return this.remember(location, cached ?? this.#codec.parse(await this.#options.io.read(location)))
  }

  remember(location: string, metadata: M): M {
    this.#cache.delete(location)
    this.#cache.set(location, metadata)
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= CACHED) break
      this.#cache.delete(oldest)
    }
    return metadata
  }

  /** Only for files that nothing names: their swap was definitely refused, or a log let go of them. A failure leaves an orphan. */
  async discard(locations: readonly string[]): Promise<void> {
    await Promise.allSettled(locations.map((location) => this.#options.io.delete(location)))
  }

  /** A renamed or dropped table may still have its files under its first name: two tables never share a folder. */
  async freeLocation({ namespace, name }: TableIdentifier): Promise<string> {
    const { io, warehouse, newUuid } = this.#options
    const location = joinLocation(warehouse, folderOf(namespace), folderOf(name))
    const listing = io.list(`${location}/`)[Symbol.asyncIterator]()
    const isTaken = (await listing.next()).done !== true
    await listing.return?.()
    return isTaken ? `${location}-${newUuid().slice(0, 8)}` : location
  }
}

/** `…/00012-<uuid>.metadata.json` → 12; Hadoop's `v12.metadata.json` likewise; 0 where a name has no number. */
export function versionOf(metadataLocation: string): number {
  const file = metadataLocation.slice(metadataLocation.lastIndexOf('/') + 1)
  return Number.parseInt(/^v?(\d+)/.exec(file)?.[1] ?? '0', 10)
}
