/**
 * What a store tells of one object. `modifiedMs` is the store's clock, in ms since 1970. `etag` is another one whenever the
 * content is; files of a disk have none.
 */
export interface FileStatus {
  readonly location: string
  readonly sizeBytes: number
  readonly modifiedMs: number
  readonly etag?: string
}

/** Bytes from `start` to `end` (exclusive). `etag`: only of the object in that state, where the store has such. */
export interface ReadRange {
  readonly start: number
  readonly end: number
  readonly etag?: string
}

/**
 * The one port to storage. A location is an absolute URI or path, kept as its writer spelled it.
 * Errors: IcebergError `not-found` (read, stat), `already-exists` (createIfAbsent), `io` (anything else).
 */
export interface FileIO {
  /** The whole object, or a range of it, fewer bytes where it ends before. `not-found` also: it has another `etag` now. */
  read(location: string, range?: ReadRange): Promise<Uint8Array>
  /** Durable (flushed, its directory too) once it resolves. Replaces what is there: use unique names. */
  write(location: string, bytes: Uint8Array): Promise<void>
  /** Atomic: exactly one of several racing calls succeeds, and a reader sees nothing or the whole object. */
  createIfAbsent(location: string, bytes: Uint8Array): Promise<void>
  /** As `write`, from a file of the local disk, which stays; of a large file only a few parts are in memory at a time. */
  upload(localPath: string, location: string): Promise<void>
  /** Size and time of one object. */
  stat(location: string): Promise<FileStatus>
  /**
   * All objects whose location starts with `prefix`, in no promised order; nothing where there is none. `after`: only those
   * behind that location in the order of UTF-8 bytes, which spares an object store to go over the others.
   */
  list(prefix: string, after?: string): AsyncIterable<FileStatus>
  /** Resolves also where the object is absent already. */
  delete(location: string): Promise<void>
}
