import { IcebergError } from '../error.js'
import type { FileIO, FileStatus, ReadRange } from './file-io.js'
import type { LocalFileIOOptions } from './local.js'
import { LocalFileIO } from './local.js'
import { isLocalLocation } from './location.js'
import type { S3FileIOOptions } from './s3.js'
import { isS3Location } from './s3-location.js'

/** How the stores behind `openFileIO` are reached. */
export interface FileIOOptions extends LocalFileIOOptions, S3FileIOOptions {}

/**
 * Storage by the scheme of each location: `s3://`, `s3a://` and `s3n://` are objects, `file:` and plain paths the local
 * disk. One lake may hold both. What S3 needs is loaded with the first of its locations.
 */
export function openFileIO(options: FileIOOptions): FileIO {
  return new SchemeFileIO(options)
}

class SchemeFileIO implements FileIO {
  readonly #local: FileIO
  readonly #options: FileIOOptions
  #s3: Promise<FileIO> | undefined

  constructor(options: FileIOOptions) {
    this.#local = new LocalFileIO(options)
    this.#options = options
  }

  async read(location: string, range?: ReadRange): Promise<Uint8Array> {
    return (await this.#of(location)).read(location, range)
  }

  async write(location: string, bytes: Uint8Array): Promise<void> {
    await (await this.#of(location)).write(location, bytes)
  }

  async createIfAbsent(location: string, bytes: Uint8Array): Promise<void> {
    await (await this.#of(location)).createIfAbsent(location, bytes)
  }

  async upload(localPath: string, location: string): Promise<void> {
    await (await this.#of(location)).upload(localPath, location)
  }

  async stat(location: string): Promise<FileStatus> {
    return (await this.#of(location)).stat(location)
  }

  async *list(prefix: string, after?: string): AsyncIterable<FileStatus> {
    yield* (await this.#of(prefix)).list(prefix, after)
  }

  async delete(location: string): Promise<void> {
    await (await this.#of(location)).delete(location)
  }

  async #of(location: string): Promise<FileIO> {
    if (isS3Location(location)) {
      this.#s3 ??= import('./s3.js').then(({ S3FileIO }) => new S3FileIO(this.#options))
      return this.#s3
    }
    if (isLocalLocation(location)) return this.#local
    const scheme = location.slice(0, location.indexOf(':'))
    throw new IcebergError(
      'unsupported',
      `${location} lies in a store of kind "${scheme}", which is not supported: known are file:, s3:, s3a: and s3n:`,
      { context: { location } },
    )
  }
}
