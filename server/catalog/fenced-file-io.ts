import { IcebergError } from '../../iceberg/error.js'
import type { FileIO, FileStatus, ReadRange } from '../../iceberg/io/file-io.js'
import { liesIn, sameLocation } from '../../iceberg/maintain/reachable-files.js'

export interface Fence {
  /** Locations that everything has to lie under. */
  readonly roots: readonly string[]
}

/** Whether a location lies under a root, with no step upwards on its way. */
export function isInside({ roots }: Fence, location: string): boolean {
  if (/[\0\\]|%2e%2e|%2f/i.test(location)) return false
  const plain = sameLocation(location)
  if (plain.split('/').some((step) => step === '..' || step === '.')) return false
  return roots.some((root) => liesIn(root, plain))
}

/**
 * A store in which a server touches only what lies under its roots, whatever locations clients put into metadata. Throws
 * `invalid-argument` for others.
 */
export class FencedFileIO implements FileIO {
  readonly #inner: FileIO
  readonly #fence: Fence

  constructor(inner: FileIO, fence: Fence) {
    this.#inner = inner
    this.#fence = fence
  }

  async read(location: string, range?: ReadRange): Promise<Uint8Array> {
    return this.#inner.read(this.#inside(location), range)
  }

  async write(location: string, bytes: Uint8Array): Promise<void> {
    return this.#inner.write(this.#inside(location), bytes)
  }

  async createIfAbsent(location: string, bytes: Uint8Array): Promise<void> {
    return this.#inner.createIfAbsent(this.#inside(location), bytes)
  }

  async upload(localPath: string, location: string): Promise<void> {
    return this.#inner.upload(localPath, this.#inside(location))
  }

  async stat(location: string): Promise<FileStatus> {
    return this.#inner.stat(this.#inside(location))
  }

  async *list(prefix: string, after?: string): AsyncIterable<FileStatus> {
    yield* this.#inner.list(this.#inside(prefix), after)
  }

  async delete(location: string): Promise<void> {
    return this.#inner.delete(this.#inside(location))
  }

  #inside(location: string): string {
    if (isInside(this.#fence, location)) return location
    throw new IcebergError(
      'invalid-argument',
      `location ${JSON.stringify(location)} lies outside of what this server keeps tables in; leave it out, or have its operator allow it`,
      { context: { location } },
    )
  }
}
