import type { FileScanTask } from '../scan/scan-plan.js'
import type { DataFile } from '../spec/data-file.js'
import { partitionKey } from '../spec/partition-key.js'
import type { Value } from '../spec/type.js'

/** Which files are worth rewriting. Defaults are those of the table, then those of Java. */
export interface CompactionOptions {
  /** Default the table's `write.target-file-size-bytes`, else 512 MiB. */
  readonly targetFileSizeBytes?: number
  /** A partition with fewer files to merge is left alone, unless they make up a whole file. Default 5. */
  readonly minInputFiles?: number
  /** Files below this part of the target are merged. Default 0.75. */
  readonly minFileSizeRatio?: number
  /** Files above this part of the target are split. Default: none are; Java's is 1.8. */
  readonly maxFileSizeRatio?: number
  /** A file with so many delete files upon it is rewritten, also alone. Default 1. */
  readonly deleteFileThreshold?: number
  /** So is one of which this part of the rows is deleted, as far as delete files of it alone tell. Default 0.3. */
  readonly deletedRowRatio?: number
  /** Rows that are sorted, or moved to the current partition spec, together. Default 10 GiB; a bin-packed group is one file. */
  readonly maxGroupBytes?: number
  /** Every file, whatever its size. */
  readonly rewriteAll?: boolean
  /** Files of older partition specs stay in theirs unless they are due by themselves. Default: all are moved. */
  readonly keepOldSpecs?: boolean
  /** Partitions that may still be written to are left alone; default: none are. */
  readonly isClosed?: (group: {
    readonly specId: number
    readonly partition: readonly (Value | null)[]
    readonly files: number
    readonly newestSequenceNumber: number
  }) => boolean
}

/** What the plan needs to know of the table. */
export interface CompactionTable {
  /** Default: each file keeps its spec. */
  readonly currentSpecId?: number
  /** Whether groups are sorted rather than bin-packed. */
  readonly sorts?: boolean
  /** Which files may be rewritten; default all. */
  readonly isWanted?: (task: FileScanTask) => boolean
}

/** Files whose rows become one new file (or a few of target size). */
export interface CompactionGroup {
  /** The spec that the rows go to. */
  readonly specId: number
  /** Of the inputs; absent where they come of several, or of another spec. */
  readonly partition?: readonly (Value | null)[]
  readonly tasks: readonly FileScanTask[]
  readonly sizeBytes: number
}

export const TARGET_FILE_SIZE_BYTES = 512 * 1024 * 1024
const MAX_GROUP_BYTES = 10 * 1024 * 1024 * 1024

/** Which files go together: small, delete-heavy and oversized ones by partition; those of older specs move to the current. */
export function planCompaction(
  tasks: Iterable<FileScanTask>,
  options: CompactionOptions = {},
  table: CompactionTable = {},
): readonly CompactionGroup[] {
  const planner = new CompactionPlanner(options, table)
  for (const task of tasks) planner.add(task)
  return planner.groups()
}

interface Partition {
  readonly specId: number
  readonly partition: readonly (Value | null)[]
  files: number
  newestSequenceNumber: number
  readonly due: FileScanTask[]
}

/** The plan file by file: only those that are due are kept, without their metrics. */
export class CompactionPlanner {
  readonly #options: CompactionOptions
  readonly #table: CompactionTable
  readonly #target: number
  readonly #partitions = new Map<string, Partition>()

  constructor(options: CompactionOptions, table: CompactionTable = {}) {
    this.#options = options
    this.#table = table
    this.#target = options.targetFileSizeBytes ?? TARGET_FILE_SIZE_BYTES
  }

  add(task: FileScanTask): void {
    const { specId, partition } = task.file
    const key = partitionKey(task.file)
    let known = this.#partitions.get(key)
    if (known === undefined) {
      known = { specId, partition, files: 0, newestSequenceNumber: 0, due: [] }
      this.#partitions.set(key, known)
    }
    known.files += 1
    known.newestSequenceNumber = Math.max(known.newestSequenceNumber, task.sequenceNumber)
    const isWanted = this.#table.isWanted?.(task) !== false
    if (isWanted && (this.#isDue(task) || this.#isMoved(task))) known.due.push(withoutMetrics(task))
  }

  groups(): readonly CompactionGroup[] {
    const closed = [...this.#partitions.values()].filter((one) => this.#options.isClosed?.(one) !== false)
    const { currentSpecId, sorts = false } = this.#table
    const { maxGroupBytes = MAX_GROUP_BYTES } = this.#options
    const stay = closed.filter((one) => currentSpecId === undefined || one.specId === currentSpecId)
    const groups = stay.flatMap(({ specId, partition, due }) =>
      pack(due, sorts ? maxGroupBytes : Math.min(this.#target, maxGroupBytes))
        .filter((bin) => this.#isWorthIt(bin))
        .map((bin) => ({ specId, partition, tasks: bin, sizeBytes: sizeOf(bin) })),
    )
    if (currentSpecId === undefined) return groups
    const move = closed.filter((one) => one.specId !== currentSpecId).flatMap((one) => one.due)
    const moved = pack(move, maxGroupBytes)
      .filter((bin) => this.#options.keepOldSpecs !== true || this.#isWorthIt(bin))
      .map((bin) => ({ specId: currentSpecId, tasks: bin, sizeBytes: sizeOf(bin) }))
    return [...groups, ...moved]
  }

  #isDue(task: FileScanTask): boolean {
    const { minFileSizeRatio = 0.75, rewriteAll = false } = this.#options
    const size = task.file.fileSizeInBytes
    return rewriteAll || size < this.#target * minFileSizeRatio || this.#isDueAlone(task)
  }

  #isDueAlone(task: FileScanTask): boolean {
    const { deleteFileThreshold = 1, deletedRowRatio = 0.3, maxFileSizeRatio = Infinity } = this.#options
    if (task.file.fileSizeInBytes > this.#target * maxFileSizeRatio) return true
    if (task.deletes.length === 0) return false
    return task.deletes.length >= deleteFileThreshold || deletedRatio(task) >= deletedRowRatio
  }

  #isMoved({ file }: FileScanTask): boolean {
    const { currentSpecId } = this.#table
    return currentSpecId !== undefined && file.specId !== currentSpecId && this.#options.keepOldSpecs !== true
  }

  #isWorthIt(bin: readonly FileScanTask[]): boolean {
    const { minInputFiles = 5, rewriteAll = false } = this.#options
    return (
      rewriteAll ||
      bin.length >= minInputFiles ||
      (bin.length > 1 && sizeOf(bin) >= this.#target) ||
      bin.some((task) => this.#isDueAlone(task))
    )
  }
}

function deletedRatio({ file, deletes }: FileScanTask): number {
  const own = deletes.filter((one) => one.referencedDataFile === file.filePath)
  return own.reduce((sum, one) => sum + one.recordCount, 0) / Math.max(file.recordCount, 1)
}

/** First fit in the files' own order, so rows that were written together stay together. */
function pack(tasks: readonly FileScanTask[], most: number): FileScanTask[][] {
  const bins: FileScanTask[][] = []
  let size = Number.POSITIVE_INFINITY
  for (const task of tasks) {
    size += task.file.fileSizeInBytes
    const last = bins.at(-1)
    if (last === undefined || size > most) {
      bins.push([task])
      size = task.file.fileSizeInBytes
    } else last.push(task)
  }
  return bins
}

function sizeOf(tasks: readonly FileScanTask[]): number {
  return tasks.reduce((sum, task) => sum + task.file.fileSizeInBytes, 0)
}

/** Metrics are most of what a file takes in memory, and a rewrite makes them anew. */
function withoutMetrics(task: FileScanTask): FileScanTask {
  const file: DataFile = { ...task.file }
  for (const metric of METRICS) Reflect.deleteProperty(file, metric)
  return { ...task, file }
}

const METRICS = [
  ...(['columnSizes', 'valueCounts', 'nullValueCounts', 'nanValueCounts'] as const),
  ...(['lowerBounds', 'upperBounds', 'splitOffsets'] as const),
] as const
