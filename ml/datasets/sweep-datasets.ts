import { joinLocation } from '../../iceberg/io/location.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'

/** Where files of data sets lie: scratch, which can be made again from pins. */
export function datasetFolder(warehouse: string): string {
  return joinLocation(warehouse, '_scratch', 'datasets')
}

export interface SweptDatasets {
  readonly removed: number
  readonly bytes: number
}

/** Removes files of data sets that were written longer ago than any training takes. Building a data set again renews its file. */
export async function sweepDatasets(
  deps: Pick<LakeDeps, 'catalog' | 'warehouse' | 'now'>,
  { olderThanMs }: { readonly olderThanMs: number },
): Promise<SweptDatasets> {
  const { io } = deps.catalog
  const before = deps.now() - olderThanMs
  let [removed, bytes] = [0, 0]
  for await (const file of io.list(joinLocation(datasetFolder(deps.warehouse), ''))) {
    if (file.modifiedMs >= before) continue
    await io.delete(file.location)
    removed++
    bytes += file.sizeBytes
  }
  return { removed, bytes }
}

/** Once its training is done; nothing happens where it is gone already. */
export function removeDataset(deps: Pick<LakeDeps, 'catalog'>, location: string): Promise<void> {
  return deps.catalog.io.delete(location)
}
