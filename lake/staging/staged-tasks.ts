import { alwaysTrue } from '../../iceberg/expr/expression.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'

/** Data files that no snapshot names yet, as something to scan. */
export function tasksOf(files: readonly DataFile[]): readonly FileScanTask[] {
  return files.map((file) => ({ file, sequenceNumber: 0, deletes: [], residual: alwaysTrue }))
}
