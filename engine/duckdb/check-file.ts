import { stat } from 'node:fs/promises'
import { inParallel } from '../../iceberg/io/in-parallel.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { EngineError } from '../engine.js'
import type { FileColumn } from './file-columns.js'

const STATS_AT_ONCE = 16

/**
 * Refuses files that are not as long as their manifest says: cut off, or replaced. Parquet and Avro have no checksum over
 * the whole, so that a reader would take what is left for all of it.
 */
export async function requireSizes(
  files: readonly DataFile[],
  pathOf: (file: DataFile) => string,
): Promise<void> {
  await inParallel(files, STATS_AT_ONCE, async (file) => {
    const found = await sizeOf(pathOf(file))
    if (found !== file.fileSizeInBytes) throw differs(file, 'bytes', file.fileSizeInBytes, found)
  })
}

export function requireRowCount(file: DataFile, found: number): void {
  if (found !== file.recordCount) throw differs(file, 'rows', file.recordCount, found)
}

/** Refuses a file that lacks a column of which the manifest counts values: it would be read as null. */
export function requireColumns(file: DataFile, columns: readonly FileColumn[]): void {
  const { valueCounts, nullValueCounts } = file
  if (valueCounts === undefined || nullValueCounts === undefined) return
  const ids = new Set<number>()
  collectIds(columns, ids)
  // Without ids of its own a file is read by a name mapping, and that may have changed since.
  if (ids.size === 0) return
  for (const [id, count] of valueCounts) {
    const nulls = nullValueCounts.get(id)
    if (nulls === undefined || count <= nulls || ids.has(id)) continue
    throw damaged(
      file,
      `its manifest counts ${count - nulls} values of the column with field id ${id}, which the file lacks`,
    )
  }
}

function collectIds(columns: readonly FileColumn[], ids: Set<number>): void {
  for (const { fieldId, children } of columns) {
    if (fieldId !== undefined) ids.add(fieldId)
    collectIds(children, ids)
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EngineError('io', `${path} cannot be read: ${reason}`, { context: { path }, cause })
  }
}

function differs(file: DataFile, unit: string, expected: number, found: number): EngineError {
  return damaged(file, `it has ${found} ${unit} and its manifest says ${expected}`)
}

function damaged(file: DataFile, reason: string): EngineError {
  return new EngineError(
    'data-invalid',
    `${file.filePath} is damaged or was replaced: ${reason}; restore the file, or delete its rows from the table`,
    { context: { location: file.filePath } },
  )
}
