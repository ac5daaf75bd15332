import { toLocalPath } from '../iceberg/io/location.js'

/** Gives the engine files to open: it reads local paths only. */
export interface LocalFiles {
  /** A local path for each location, by location. */
  open(locations: readonly string[]): Promise<ReadonlyMap<string, string>>
}

/** Files of the local disk are read where they lie. */
export const IN_PLACE: LocalFiles = {
  open: (locations) =>
    Promise.resolve(new Map(locations.map((location) => [location, toLocalPath(location)]))),
}
