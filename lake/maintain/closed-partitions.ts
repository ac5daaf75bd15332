import type { CompactionOptions } from '../../iceberg/maintain/plan-compaction.js'
import { partitionKey } from '../../iceberg/spec/partition-key.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'

/** A partition that the last so many commits left alone is closed: it is compacted once, not after every batch. */
const QUIET_COMMITS = 2
/** Where every batch writes, files may pile up to this number before they are merged all the same. */
const OPEN_FILES_MAX = 30

/**
 * Which partitions are worth compacting now: closed ones, and open ones with many files; never those that a build has
 * `staged`. `notes`: of those asked about.
 */
export function closedPartitions(
  { 'last-sequence-number': lastSequenceNumber }: TableMetadata,
  staged: ReadonlySet<string>,
): {
  readonly isClosed: NonNullable<CompactionOptions['isClosed']>
  readonly notes: () => readonly string[]
} {
  const open = new Set<string>()
  const waiting = new Set<string>()
  return {
    isClosed: (group) => {
      const { files, newestSequenceNumber } = group
      const key = partitionKey(group)
      const isOpen = lastSequenceNumber - newestSequenceNumber < QUIET_COMMITS && files < OPEN_FILES_MAX
      if (files > 1 && staged.has(key)) waiting.add(key)
      else if (files > 1 && isOpen) open.add(key)
      return !isOpen && !staged.has(key)
    },
    notes: () => [
      ...(open.size === 0 ? [] : [`not compacted: ${open.size} partitions that are still being written to`]),
      ...(waiting.size === 0
        ? []
        : [`not compacted: ${waiting.size} partitions that a build under way writes anew`]),
    ],
  }
}
