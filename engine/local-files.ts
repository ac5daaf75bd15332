import { toLocalPath } from '../iceberg/io/location.js'

export interface FileToOpen {
  readonly location: string
  /**
   * As a manifest says it: such a file never changes. Without a size the store is asked first, so that a file which was
   * replaced since is read anew.
   */
  readonly sizeBytes?: number
}

/** Gives the engine files to open: it reads local paths only. One for each session. */
export interface LocalFiles {
  /** A local path for each location, by location. The paths hold until `release`. */
  open(files: readonly FileToOpen[]): Promise<ReadonlyMap<string, string>>
  /** Says that no path is used any more. */
  release(): void
}

/** Files of the local disk are read where they lie. */
export const IN_PLACE: LocalFiles = {
  open: (files) => Promise.resolve(new Map(files.map(({ location }) => [location, toLocalPath(location)]))),
  release: () => undefined,
}
