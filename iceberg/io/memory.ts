import { createHash } from 'node:crypto'
import { IcebergError } from '../error.js'
import type { FileIO, FileStatus, ReadRange } from './file-io.js'
import { withLocalSource } from './local-source.js'
import { compareLocations } from './location.js'

interface StoredFile {
  readonly bytes: Uint8Array
  readonly modifiedMs: number
  readonly etag: string
}

/** The in-memory twin of a store, with the same promises. `now` in ms since 1970 dates its files. */
export class MemoryFileIO implements FileIO {
  readonly #files = new Map<string, StoredFile>()
  readonly #now: () => number

  constructor(options: { readonly now?: () => number } = {}) {
    this.#now = options.now ?? (() => 0)
  }

  read(location: string, range?: ReadRange): Promise<Uint8Array> {
    return this.#settle(() => {
      const { bytes, etag } = this.#find(location)
      if (range?.etag !== undefined && range.etag !== etag) {
        throw new IcebergError('not-found', `${location} was replaced`, { context: { location } })
      }
      return bytes.slice(range?.start, range?.end)
    })
  }

  write(location: string, bytes: Uint8Array): Promise<void> {
    return this.#settle(() => {
      this.#put(location, bytes)
    })
  }

  createIfAbsent(location: string, bytes: Uint8Array): Promise<void> {
    return this.#settle(() => {
      if (this.#files.has(location)) {
        throw new IcebergError('already-exists', `${location} exists already`, { context: { location } })
      }
      this.#put(location, bytes)
    })
  }

  async upload(localPath: string, location: string): Promise<void> {
    await withLocalSource(localPath, async ({ handle }) => this.write(location, await handle.readFile()))
  }

  stat(location: string): Promise<FileStatus> {
    return this.#settle(() => {
      const { bytes, modifiedMs, etag } = this.#find(location)
      return { location, sizeBytes: bytes.length, modifiedMs, etag }
    })
  }

  async *list(prefix: string, after?: string): AsyncIterable<FileStatus> {
    for (const location of [...this.#files.keys()]) {
      if (!location.startsWith(prefix)) continue
      if (after !== undefined && compareLocations(location, after) <= 0) continue
      const file = this.#files.get(location)
      if (file === undefined) continue
      yield await Promise.resolve({
        location,
        sizeBytes: file.bytes.length,
        modifiedMs: file.modifiedMs,
        etag: file.etag,
      })
    }
  }

  delete(location: string): Promise<void> {
    return this.#settle(() => {
      this.#files.delete(location)
    })
  }

  /** Keeps a copy of the bytes. */
  #put(location: string, bytes: Uint8Array): void {
    const etag = createHash('md5').update(bytes).digest('hex')
    this.#files.set(location, { bytes: bytes.slice(), modifiedMs: this.#now(), etag })
  }

  #find(location: string): StoredFile {
    const file = this.#files.get(location)
    if (file !== undefined) return file
    throw new IcebergError('not-found', `${location} does not exist`, { context: { location } })
  }

  /** Errors come as rejections, never as throws, like those of a real store. */
  #settle<T>(action: () => T): Promise<T> {
    return new Promise((resolve) => {
      resolve(action())
    })
  }
}
