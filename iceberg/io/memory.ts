import { IcebergError } from '../error.js'
import type { FileIO, FileStatus } from './file-io.js'
import { withLocalSource } from './local-source.js'

interface StoredFile {
  readonly bytes: Uint8Array
  readonly modifiedMs: number
}

/** The in-memory twin of a store, with the same promises. `now` in ms since 1970 dates its files. */
export class MemoryFileIO implements FileIO {
  readonly #files = new Map<string, StoredFile>()
  readonly #now: () => number

  constructor(options: { readonly now?: () => number } = {}) {
    this.#now = options.now ?? (() => 0)
  }

  read(location: string, range?: { readonly start: number; readonly end: number }): Promise<Uint8Array> {
    return this.#settle(() => {
      const { bytes } = this.#find(location)
      return bytes.slice(range?.start, range?.end)
    })
  }

  write(location: string, bytes: Uint8Array): Promise<void> {
    return this.#settle(() => {
      this.#files.set(location, { bytes: bytes.slice(), modifiedMs: this.#now() })
    })
  }

  createIfAbsent(location: string, bytes: Uint8Array): Promise<void> {
    return this.#settle(() => {
      if (this.#files.has(location)) {
        throw new IcebergError('already-exists', `${location} exists already`, { context: { location } })
      }
      this.#files.set(location, { bytes: bytes.slice(), modifiedMs: this.#now() })
    })
  }

  async upload(localPath: string, location: string): Promise<void> {
    await withLocalSource(localPath, async ({ handle }) => this.write(location, await handle.readFile()))
  }

  stat(location: string): Promise<FileStatus> {
    return this.#settle(() => {
      const { bytes, modifiedMs } = this.#find(location)
      return { location, sizeBytes: bytes.length, modifiedMs }
    })
  }

  async *list(prefix: string): AsyncIterable<FileStatus> {
    for (const location of [...this.#files.keys()]) {
      if (!location.startsWith(prefix)) continue
      const file = this.#files.get(location)
      if (file === undefined) continue
      yield await Promise.resolve({
        location,
        sizeBytes: file.bytes.length,
        modifiedMs: file.modifiedMs,
      })
    }
  }

  delete(location: string): Promise<void> {
    return this.#settle(() => {
      this.#files.delete(location)
    })
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
