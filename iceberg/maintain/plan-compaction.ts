import type { FileScanTask } from '../scan/scan-plan.js'
import { partitionKey } from '../spec/partition-key.js'
import type { Value } from '../spec/type.js'

export interface CompactionOptions {
  /** Default 512 MiB. */
  readonly targetFileSizeBytes?: number
  /** A partition with fewer files to merge is left alone. Default 5. */
  readonly minInputFiles?: number
  /** Partitions that may still be written to are left alone; default: none are. */
  readonly isClosed?: (group: {
    readonly specId: number
    readonly partition: readonly (Value | null)[]
    readonly files: number
    readonly newestSequenceNumber: number
  }) => boolean
}

/** Files of one partition whose rows become one new file (or a few of target size). */
export interface CompactionGroup {
  readonly specId: number
  readonly partition: readonly (Value | null)[]
  readonly tasks: readonly FileScanTask[]
  readonly sizeBytes: number
}

export const TARGET_FILE_SIZE_BYTES = 512 * 1024 * 1024
/** Files at least this part of the target are left as they are. */
const GOOD_ENOUGH = 0.75

/** Bin-packing per partition: small files, and files with deletes upon them, go together up to the target size. */
export function planCompaction(
  tasks: readonly FileScanTask[],
  options: CompactionOptions = {},
): readonly CompactionGroup[] {
  const target = options.targetFileSizeBytes ?? TARGET_FILE_SIZE_BYTES
  const minInputFiles = options.minInputFiles ?? 5
  const partitions = new Map<string, FileScanTask[]>()
  for (const task of tasks) {
    const key = partitionKey(task.file)
    const list = partitions.get(key)
    if (list === undefined) partitions.set(key, [task])
    else list.push(task)
  }
  return [...partitions.values()].flatMap((partition) => {
    const { specId, partition: values } = (partition[0] as FileScanTask).file
    const newestSequenceNumber = Math.max(...partition.map((task) => task.sequenceNumber))
    const files = partition.length
    if (options.isClosed?.({ specId, partition: values, files, newestSequenceNumber }) === false) return []
    const small = partition.filter(
      (task) => task.file.fileSizeInBytes < target * GOOD_ENOUGH || task.deletes.length > 0,
    )
    return pack(small, target)
      .filter((bin) => bin.length >= minInputFiles || bin.some((task) => task.deletes.length > 0))
      .map((bin) => ({ specId, partition: values, tasks: bin, sizeBytes: sizeOf(bin) }))
  })
}

/** First fit in the files' own order, so rows that were written together stay together. */
function pack(tasks: readonly FileScanTask[], target: number): FileScanTask[][] {
  const bins: FileScanTask[][] = []
  let size = Number.POSITIVE_INFINITY
  for (const task of tasks) {
    size += task.file.fileSizeInBytes
    const last = bins.at(-1)
    if (last === undefined || size > target) {
      bins.push([task])
      size = task.file.fileSizeInBytes
    } else last.push(task)
  }
  return bins
}

function sizeOf(tasks: readonly FileScanTask[]): number {
  return tasks.reduce((sum, task) => sum + task.file.fileSizeInBytes, 0)
}
