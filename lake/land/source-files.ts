import { createHash } from 'node:crypto'
import { FirnError } from '../../schemas/error.js'

/** A file of a source as its store tells it. `path` is relative to the source, with slashes. */
export interface ListedFile {
  readonly path: string
  readonly size: number
  /** ms since 1970, by the store's clock. */
  readonly mtimeMs: number
  /** Of an object store: it tells states apart better than the time, which counts seconds there. */
  readonly etag?: string | undefined
}

/** A file with the offsets that its records get. */
export interface PlannedFile extends ListedFile {
  readonly first: number
  readonly records: number
}

/** The files of documents in one place: a folder of a disk, or a prefix of an object store. */
export interface SourceFiles {
  /** In the order of their paths' UTF-8 bytes; `after`: only those behind that path. Errors: `io`. */
  list(after?: string): Promise<FileListing>
  /** The file as it is now; undefined where it is gone. Errors: `io`. */
  stat(path: string): Promise<ListedFile | undefined>
  /**
   * Its bytes, a piece at a time. Errors: `stale-range` where it is gone, or is another one by its etag; of a file without
   * one only `stat` tells afterwards. `io`.
   */
  read(file: ListedFile): AsyncIterable<Buffer>
}

export interface FileListing {
  readonly files: readonly ListedFile[]
  /** Names that were listed and could not be found then. */
  readonly gone: readonly string[]
  /** How many names were gone over, files that are no documents among them. */
  readonly seen: number
}

/** The identity of a source of files: offsets count per incarnation. */
export function incarnationOf(location: string): string {
  return createHash('sha256').update(location).digest('hex').slice(0, 12)
}

/** Whether nothing happened to the file. What is uploaded again as it was is the same. */
export function isSameState(a: ListedFile, b: ListedFile): boolean {
  if (a.size !== b.size) return false
  return a.etag === undefined || b.etag === undefined ? a.mtimeMs === b.mtimeMs : a.etag === b.etag
}

/** Hidden files and folders, and what Hadoop has not finished writing. */
export function isPassedOver(path: string): boolean {
  return /(^|\/)(\.|_temporary(\/|$))/.test(path)
}

/** Error of kind `stale-range`: what was planned can't be read any more. */
export function fileChanged({ path }: ListedFile, why: string): FirnError {
  return new FirnError(
    'stale-range',
    `${JSON.stringify(path)} changed since its landing was planned: ${why}. Nothing was landed; land again.`,
    { context: { path } },
  )
}
