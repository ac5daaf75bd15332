import type { DataFile } from '../spec/data-file.js'
import type { PartitionSpec } from '../spec/partition-spec.js'
import { compareValues } from '../spec/single-value.js'
import { partitionMatcher } from './partition-match.js'

/** Column of a position delete file that holds the data files' paths. */
const FILE_PATH_ID = 2147483546

/** Whether a delete file may delete rows of one of `targets`, whatever the sequence numbers say. */
export function mayDelete(
  specs: readonly PartitionSpec[],
  targets: readonly DataFile[],
): (deletes: DataFile) => boolean {
  if (targets.length === 0) return () => false
  const paths = new Set(targets.map((file) => file.filePath))
  // A delete file of an unpartitioned spec reaches every partition; the matcher calls it `straddles`.
  const relation = partitionMatcher(specs, targets)
  return (deletes) => {
    const named = referencedFile(deletes)
    if (named !== undefined) return paths.has(named)
    return relation(deletes) !== 'outside' && reachesPath(deletes, paths)
  }
}

/** The one data file that a position delete file names, said outright or by bounds that leave room for one path only. */
export function referencedFile(file: DataFile): string | undefined {
  if (file.content !== 'position-deletes') return undefined
  if (file.referencedDataFile !== undefined) return file.referencedDataFile
  const bounds = pathBounds(file)
  // Truncated bounds are never equal: the upper one is rounded up.
  const isOne = bounds !== undefined && Buffer.compare(bounds.lower, bounds.upper) === 0
  return isOne ? new TextDecoder().decode(bounds.lower) : undefined
}

function reachesPath(deletes: DataFile, paths: ReadonlySet<string>): boolean {
  const bounds = pathBounds(deletes)
  if (bounds === undefined) return true
  return [...paths].some((path) => {
    const bytes = Buffer.from(path)
    return (
      compareValues('binary', bytes, bounds.lower) >= 0 && compareValues('binary', bytes, bounds.upper) <= 0
    )
  })
}

function pathBounds(file: DataFile): { readonly lower: Uint8Array; readonly upper: Uint8Array } | undefined {
  if (file.content !== 'position-deletes') return undefined
  const lower = file.lowerBounds?.get(FILE_PATH_ID)
  const upper = file.upperBounds?.get(FILE_PATH_ID)
  return lower === undefined || upper === undefined ? undefined : { lower, upper }
}
