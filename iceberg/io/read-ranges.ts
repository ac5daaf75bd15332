import { IcebergError } from '../error.js'
import type { FileIO } from './file-io.js'
import { inParallel } from './in-parallel.js'

/** Bytes of a file, `start` inclusive, `end` exclusive. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** When ranges of one file are fetched together. */
export interface MergeOptions {
  /** Ranges this far apart are fetched as one: the bytes between cost less than another request. Default 1 MiB. */
  readonly gapBytes?: number
  /** No fetch is made longer than this by merging. Default 16 MiB. */
  readonly mostBytes?: number
}

/** A range to fetch and the asked ones that lie in it, by their place in the list. */
export interface MergedRange extends ByteRange {
  readonly holds: readonly number[]
}

/** Near and overlapping ranges as one fetch, in the order of the file. */
export function mergeRanges(
  ranges: readonly ByteRange[],
  { gapBytes = MIB, mostBytes = 16 * MIB }: MergeOptions = {},
): readonly MergedRange[] {
  const inOrder = ranges.map((range, index) => ({ ...range, index })).sort((a, b) => a.start - b.start)
  const merged: (ByteRange & { readonly holds: number[] })[] = []
  for (const { start, end, index } of inOrder) {
    const last = merged.at(-1)
    const joined = last === undefined ? end : Math.max(last.end, end)
    if (last === undefined || start - last.end > gapBytes || joined - last.start > mostBytes) {
      merged.push({ start, end, holds: [index] })
    } else {
      last.holds.push(index)
      merged[merged.length - 1] = { ...last, end: joined }
    }
  }
  return merged
}

/** The bytes of each range, read by as few requests as `mergeRanges` makes. Throws `data-invalid` where the file is shorter. */
export async function readRanges(
  io: FileIO,
  location: string,
  ranges: readonly ByteRange[],
  options: MergeOptions = {},
): Promise<readonly Uint8Array[]> {
  const found = new Map<number, Uint8Array>()
  await inParallel(mergeRanges(ranges, options), REQUESTS, async ({ start, end, holds }) => {
    const bytes = await io.read(location, { start, end })
    if (bytes.length < end - start) throw tooShort(location, { start, end }, bytes.length)
    for (const index of holds) {
      const range = ranges[index]
      // A copy: a view would keep all that was fetched with it in memory.
      if (range !== undefined) found.set(index, bytes.slice(range.start - start, range.end - start))
    }
  })
  return ranges.map((_, index) => found.get(index) ?? new Uint8Array(0))
}

const MIB = 1024 * 1024
const REQUESTS = 4

function tooShort(location: string, { start, end }: ByteRange, got: number): IcebergError {
  return new IcebergError(
    'data-invalid',
    `${location} ends before byte ${end}: of the bytes from ${start} on only ${got} are there`,
    { context: { location, start, end, got } },
  )
}
