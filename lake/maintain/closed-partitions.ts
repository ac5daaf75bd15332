import type { CompactionOptions } from '../../iceberg/maintain/plan-compaction.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import { partitionKey } from '../../iceberg/spec/partition-key.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'

/** A partition that the last so many commits left alone is closed: it is compacted once, not after every batch. */
const QUIET_COMMITS = 2
/** Where every batch writes, files may pile up to this number before they are merged all the same. */
const OPEN_FILES_MAX = 30

/** Which partitions are worth compacting now: closed ones, and open ones with many files. */
export function closedPartitions(
  metadata: TableMetadata,
  tasks: readonly FileScanTask[],
): {
  readonly isClosed: NonNullable<CompactionOptions['isClosed']>
  readonly notes: readonly string[]
} {
  const files = new Map<string, number>()
  const newest = new Map<string, number>()
  for (const { file, sequenceNumber } of tasks) {
    const key = partitionKey(file)
    files.set(key, (files.get(key) ?? 0) + 1)
    newest.set(key, Math.max(newest.get(key) ?? 0, sequenceNumber))
  }
  const isOpen = (key: string, newestSequenceNumber: number): boolean =>
    metadata['last-sequence-number'] - newestSequenceNumber < QUIET_COMMITS &&
    (files.get(key) ?? 0) < OPEN_FILES_MAX
  const open = [...newest].filter(([key, sequence]) => (files.get(key) ?? 0) > 1 && isOpen(key, sequence))
  return {
    isClosed: (group) => !isOpen(partitionKey(group), group.newestSequenceNumber),
    notes:
      open.length === 0 ? [] : [`not compacted: ${open.length} partitions that are still being written to`],
  }
}
