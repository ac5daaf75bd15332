/** What a listing tells of one object. `modifiedMs` is the store's clock, in ms since 1970. */
export interface FileStatus {
  readonly location: string
  readonly sizeBytes: number
  readonly modifiedMs: number
}

/**
 * The one port to storage. A location is an absolute URI or path, kept as its writer spelled it.
 * Errors: IcebergError `not-found` (read, stat), `already-exists` (createIfAbsent), `io` (anything else).
 */
export interface FileIO {
  /** The whole object, or its bytes from `start` to `end` (exclusive), fewer where it ends before. */
  read(location: string, range?: { readonly start: number; readonly end: number }): Promise<Uint8Array>
  /** Durable (flushed, its directory too) once it resolves. Replaces what is there: use unique names. */
  write(location: string, bytes: Uint8Array): Promise<void>
  /** Atomic: exactly one of several racing calls succeeds, and a reader sees nothing or the whole object. */
  createIfAbsent(location: string, bytes: Uint8Array): Promise<void>
  /** As `write`, from a file of the local disk, which stays; of a large file only a few parts are in memory at a time. */
  upload(localPath: string, location: string): Promise<void>
  /** Size and time of one object. */
  stat(location: string): Promise<FileStatus>
  /** All objects whose location starts with `prefix`, in no promised order; nothing where there is none. */
  list(prefix: string): AsyncIterable<FileStatus>
  /** Resolves also where the object is absent already. */
  delete(location: string): Promise<void>
}
