import type { FileIO, FileStatus, ReadRange } from '../io/file-io.js'

/** Storage that a catalog lends for the locations under a prefix. */
export interface LentStorage {
  readonly io: FileIO
  /** In ms since 1970; undefined: for good. */
  readonly expiresAtMs?: number
  /** Lends anew, by `lend`. */
  readonly renew: () => Promise<void>
}

/** Credentials are renewed this long before they expire. */
const EARLY_MS = 60_000

/** Storage of many tables, each with the credentials that the catalog lent for it; the longest prefix holds. */
export class RestFileIO implements FileIO {
  readonly #base: FileIO
  readonly #now: () => number
  readonly #lent = new Map<string, LentStorage>()
  /** Longest first. */
  #prefixes: readonly string[] = []
  readonly #renewing = new Map<LentStorage, Promise<void>>()

  /** `base` holds for what no prefix fits. */
  constructor(base: FileIO, now: () => number) {
    this.#base = base
    this.#now = now
  }

  lend(prefix: string, storage: LentStorage): void {
    const isNew = !this.#lent.has(prefix)
    this.#lent.set(prefix, storage)
    if (isNew) this.#prefixes = [...this.#lent.keys()].sort((left, right) => right.length - left.length)
  }

  async read(location: string, range?: ReadRange): Promise<Uint8Array> {
    return (await this.#ioFor(location)).read(location, range)
  }

  async write(location: string, bytes: Uint8Array): Promise<void> {
    await (await this.#ioFor(location)).write(location, bytes)
  }

  async createIfAbsent(location: string, bytes: Uint8Array): Promise<void> {
    await (await this.#ioFor(location)).createIfAbsent(location, bytes)
  }

  async upload(localPath: string, location: string): Promise<void> {
    await (await this.#ioFor(location)).upload(localPath, location)
  }

  async stat(location: string): Promise<FileStatus> {
    return (await this.#ioFor(location)).stat(location)
  }

  async *list(prefix: string, after?: string): AsyncIterable<FileStatus> {
    yield* (await this.#ioFor(prefix)).list(prefix, after)
  }

  async delete(location: string): Promise<void> {
    await (await this.#ioFor(location)).delete(location)
  }

  async #ioFor(location: string): Promise<FileIO> {
    const prefix = this.#prefixes.find((candidate) => location.startsWith(candidate))
    const storage = prefix === undefined ? undefined : this.#lent.get(prefix)
    if (prefix === undefined || storage === undefined) return this.#base
    if (storage.expiresAtMs === undefined || this.#now() < storage.expiresAtMs - EARLY_MS) return storage.io
    const renewing =
      this.#renewing.get(storage) ?? storage.renew().finally(() => this.#renewing.delete(storage))
    this.#renewing.set(storage, renewing)
    await renewing
    return (this.#lent.get(prefix) ?? storage).io
  }
}
