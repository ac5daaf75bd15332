import type { DataFile } from './data-file.js'

/** Rows of the data files among these; deletes that apply to them are not counted off. */
export function rowsOf(files: readonly DataFile[]): number {
  return files.reduce((sum, file) => sum + (file.content === 'data' ? file.recordCount : 0), 0)
}
