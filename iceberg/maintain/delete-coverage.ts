import type { FileScanTask } from '../scan/scan-plan.js'
import type { DataFile } from '../spec/data-file.js'

/**
 * Which live data files each delete file applies to. A delete file goes together with the last of them; until then it
 * stays, since taking it away would bring deleted rows back.
 */
export class DeleteCoverage {
  readonly #left = new Map<string, { readonly file: DataFile; count: number }>()

  /** Each live data file once. */
  add({ deletes }: FileScanTask): void {
    for (const file of deletes) {
      const key = keyOf(file)
      const known = this.#left.get(key)
      if (known === undefined) this.#left.set(key, { file, count: 1 })
      else known.count += 1
    }
  }

  /** The delete files that apply to nothing else once the data files of `tasks` are gone. */
  coveredBy(tasks: readonly FileScanTask[]): readonly DataFile[] {
    const taken = new Map<string, number>()
    for (const { deletes } of tasks)
      for (const file of deletes) taken.set(keyOf(file), (taken.get(keyOf(file)) ?? 0) + 1)
    return [...taken].flatMap(([key, count]) => {
      const left = this.#left.get(key)
      return left !== undefined && left.count === count ? [left.file] : []
    })
  }

  /** The data files of `tasks` are gone. */
  take(tasks: readonly FileScanTask[]): void {
    for (const { deletes } of tasks) {
      for (const file of deletes) {
        const left = this.#left.get(keyOf(file))
        if (left !== undefined) left.count -= 1
      }
    }
  }
}

/** Several deletion vectors may lie in one file. */
function keyOf({ filePath, contentOffset }: DataFile): string {
  return contentOffset === undefined ? filePath : `${filePath}#${contentOffset}`
}
