import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'

/** A file that loses rows. */
export interface TouchedFile {
  readonly task: FileScanTask
  /** Of the task in the delta: what places in `gone` say. */
  readonly number: number
  readonly goneRows: number
}
