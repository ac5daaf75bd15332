import type { CompactionOptions } from '../../iceberg/maintain/plan-compaction.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'

/** A partition that the last so many commits left alone is closed: it is compacted once, not after every batch. */
const QUIET_COMMITS = 2
/** Where every batch writes, files may pile up to this number before they are merged all the same. */
const OPEN_FILES_MAX = 30

/** Which partitions are worth compacting now: closed ones, and open ones with many files. `notes`: of those asked about. */
export function closedPartitions({ 'last-sequence-number': lastSequenceNumber }: TableMetadata): {
  readonly isClosed: NonNullable<CompactionOptions['isClosed']>
  readonly notes: () => readonly string[]
} {
  let open = 0
  return {
    isClosed: ({ files, newestSequenceNumber }) => {
      const isOpen = lastSequenceNumber - newestSequenceNumber < QUIET_COMMITS && files < OPEN_FILES_MAX
      if (isOpen && files > 1) open += 1
      return !isOpen
    },
    notes: () => (open === 0 ? [] : [`not compacted: ${open} partitions that are still being written to`]),
  }
}
