import { ifFound, isIcebergError } from '../../iceberg/error.js'
import type { FileIO, FileStatus } from '../../iceberg/io/file-io.js'
import { compareLocations } from '../../iceberg/io/location.js'
import { documentFormatOf } from './read-documents.js'
import type { FileListing, ListedFile, SourceFiles } from './source-files.js'
import { fileChanged, isPassedOver, isSameState } from './source-files.js'

/** One request fetches so much; two of them are in memory for each file that is read. */
const CHUNK_BYTES = 4 * 1024 * 1024

/** The documents below a prefix of an object store, in every state told by its ETag. Hidden names are passed over. */
export class PrefixFiles implements SourceFiles {
  /** `prefix` ends with a slash: `s3://bucket/in/`. */
  constructor(
    private readonly io: FileIO,
    private readonly prefix: string,
    private readonly chunkBytes = CHUNK_BYTES,
  ) {}

  async list(after?: string): Promise<FileListing> {
    const files: ListedFile[] = []
    let seen = 0
    const start = after === undefined ? undefined : this.prefix + after
    for await (const status of this.io.list(this.prefix, start)) {
      const file = this.fileOf(status)
      seen += 1
      if (documentFormatOf(file.path) !== undefined && !isPassedOver(file.path)) files.push(file)
    }
    // Stores list in this order, but for those that promise none (directory buckets).
    files.sort((a, b) => compareLocations(a.path, b.path))
    return { files, gone: [], seen }
  }

  async stat(path: string): Promise<ListedFile | undefined> {
    const status = await ifFound(this.io.stat(this.prefix + path))
    return status === undefined ? undefined : this.fileOf(status)
  }

  async *read(file: ListedFile): AsyncIterable<Buffer> {
    if (file.size === 0) {
      await this.assertUnchanged(file)
      return
    }
    let next = this.fetch(file, 0)
    for (let start = 0; start < file.size; start += this.chunkBytes) {
      const bytes = await next
      const behind = start + this.chunkBytes
      if (behind < file.size) next = this.fetch(file, behind)
      yield bytes
    }
  }

  private fetch(file: ListedFile, start: number): Promise<Buffer> {
    const end = Math.min(start + this.chunkBytes, file.size)
    const state = file.etag === undefined ? {} : { etag: file.etag }
    const fetched = this.io.read(this.prefix + file.path, { start, end, ...state }).then(
      (bytes) => {
        if (bytes.length === end - start) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
        throw fileChanged(file, `it ends before byte ${end}`)
      },
      (error: unknown) => {
        throw isIcebergError(error, 'not-found') ? fileChanged(file, 'it is gone or was replaced') : error
      },
    )
    // Whoever stops reading early leaves the last one unasked for.
    fetched.catch(() => undefined)
    return fetched
  }

  private async assertUnchanged(file: ListedFile): Promise<void> {
    const now = await this.stat(file.path)
    if (now === undefined || !isSameState(now, file)) throw fileChanged(file, 'it is gone or was replaced')
  }

  /** Whole seconds: some stores tell more of them in a listing than of one object. */
  private fileOf({ location, sizeBytes, modifiedMs, etag }: FileStatus): ListedFile {
    const mtimeMs = modifiedMs - (modifiedMs % 1000)
    return {
      path: location.slice(this.prefix.length),
      ...{ size: sizeBytes, mtimeMs },
      ...(etag === undefined ? {} : { etag }),
    }
  }
}
