import { open } from 'node:fs/promises'
import { isIcebergError } from '../../iceberg/error.js'
import { decodeDeletionVector } from '../../iceberg/format/puffin/deletion-vector.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { NestedField } from '../../iceberg/spec/type.js'
import { EngineError } from '../engine.js'
import { requireSizes } from './check-file.js'
import type { OpenFile, OpenFiles, ScanContext } from './open-files.js'
import { fileToOpen, rowsOf } from './open-files.js'
import { projectField } from './project-fields.js'

/** Columns of a position delete file (Iceberg spec, "Position Delete Files"). */
const FILE_PATH: NestedField = { id: 2147483546, name: 'file_path', required: true, type: 'string' }
const POS: NestedField = { id: 2147483545, name: 'pos', required: true, type: 'long' }

/**
 * A work table (file, pos) of the positions that delete files and deletion vectors remove, `file` being the task's
 * index; `undefined` where there are none.
 */
export async function positionDeletes(
  context: ScanContext,
  tasks: readonly FileScanTask[],
  opened: OpenFiles,
): Promise<string | undefined> {
  if (!tasks.some(deletesByPosition)) return undefined
  const table = context.newName()
  await context.run(`CREATE TABLE ${table} (file BIGINT, pos BIGINT)`)
  await addVectors(context, table, tasks)
  await addDeleteFiles(context, table, tasks, opened)
  return table
}

export function deletesByPosition(task: FileScanTask): boolean {
  return task.deletes.some((file) => file.content === 'position-deletes')
}

/** Tasks name the delete files in sets that many of them share; only the sets' members become pairs. */
async function addDeleteFiles(
  context: ScanContext,
  table: string,
  tasks: readonly FileScanTask[],
  opened: OpenFiles,
): Promise<void> {
  const sets = new Map<string, number>()
  const pairs: [string, number][] = []
  const targets: [number, string, number][] = []
  const files = new Map<string, OpenFile>()
  for (const [index, task] of tasks.entries()) {
    const deletes = task.deletes.flatMap((file) => (isRowFile(file) ? (opened.get(file.filePath) ?? []) : []))
    if (deletes.length === 0) continue
    for (const file of deletes) files.set(file.path, file)
    const key = deletes.map((file) => file.path).join('\u0000')
    let set = sets.get(key)
    if (set === undefined) {
      set = sets.size
      sets.set(key, set)
      for (const file of deletes) pairs.push([file.path, set])
    }
    targets.push([index, task.file.filePath, set])
  }
  if (files.size === 0) return
  const [pairTable, targetTable] = [context.newName(), context.newName()]
  await context.run(`CREATE TABLE ${pairTable} (path VARCHAR, set_id INTEGER)`)
  await context.append(pairTable, (append) => append([pairs.map((p) => p[0]), pairs.map((p) => p[1])]))
  await context.run(`CREATE TABLE ${targetTable} (file INTEGER, location VARCHAR, set_id INTEGER)`)
  await context.append(targetTable, (append) =>
    append([targets.map((t) => t[0]), targets.map((t) => t[1]), targets.map((t) => t[2])]),
  )
  await context.run(
    `INSERT INTO ${table} SELECT t.file, d.pos FROM (${positionSelects([...files.values()]).join('\nUNION ALL ')}) d
     JOIN ${targetTable} t ON t.location = d.file_path JOIN ${pairTable} p ON p.set_id = t.set_id AND p.path = d."_firn_file"`,
  )
  await context.run(`DROP TABLE ${pairTable}`)
  await context.run(`DROP TABLE ${targetTable}`)
}

function isRowFile(file: DataFile): boolean {
  return file.content === 'position-deletes' && file.fileFormat !== 'puffin'
}

/** Their third column, `row`, is not read. */
function positionSelects(files: readonly OpenFile[]): readonly string[] {
  const bySignature = new Map<string, [OpenFile, ...OpenFile[]]>()
  for (const file of files) {
    const equal = bySignature.get(file.signature)
    if (equal === undefined) bySignature.set(file.signature, [file])
    else equal.push(file)
  }
  return [...bySignature.values()].map((equal) => {
    const { columns } = equal[0]
    return `SELECT ${projectField(FILE_PATH, columns)} AS file_path, ${projectField(POS, columns)} AS pos, "_firn_file"
      FROM ${rowsOf(equal, true)}`
  })
}

/** One Puffin file holds the vectors of many data files, each at its own offset. */
async function addVectors(
  context: ScanContext,
  table: string,
  tasks: readonly FileScanTask[],
): Promise<void> {
  const byLocation = new Map<string, { readonly index: number; readonly vector: DataFile }[]>()
  for (const [index, task] of tasks.entries()) {
    for (const vector of task.deletes) {
      if (vector.content !== 'position-deletes' || vector.fileFormat !== 'puffin') continue
      const list = byLocation.get(vector.filePath) ?? []
      list.push({ index, vector })
      byLocation.set(vector.filePath, list)
    }
  }
  if (byLocation.size === 0) return
  const vectorFiles = [...byLocation.values()].flatMap(([first]) =>
    first === undefined ? [] : [first.vector],
  )
  const paths = await context.files.open(vectorFiles.map(fileToOpen))
  await requireSizes(vectorFiles, (file) => paths.get(file.filePath) ?? file.filePath)
  await context.append(table, async (append) => {
    for (const [location, vectors] of byLocation) {
      await readVectors(paths.get(location) ?? location, vectors, (index, positions) =>
        append([new Array<bigint>(positions.length).fill(BigInt(index)), positions]),
      )
    }
  })
}

async function readVectors(
  path: string,
  vectors: readonly { readonly index: number; readonly vector: DataFile }[],
  add: (index: number, positions: BigInt64Array) => void,
): Promise<void> {
  try {
    const handle = await open(path, 'r')
    try {
      const { size } = await handle.stat()
      for (const { index, vector } of vectors) {
        const { start, length } = rangeOf(vector, size)
        const blob = Buffer.allocUnsafe(length)
        const { bytesRead } = await handle.read(blob, 0, length, start)
        add(index, decodeDeletionVector(blob.subarray(0, bytesRead), vector.recordCount))
      }
    } finally {
      await handle.close()
    }
  } catch (cause) {
    if (cause instanceof EngineError) throw cause
    const kind = isIcebergError(cause, 'data-invalid') ? 'data-invalid' : 'io'
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EngineError(kind, `deletion vectors of ${path} cannot be read: ${reason}`, {
      context: { path },
      cause,
    })
  }
}

function rangeOf(vector: DataFile, size: number): { readonly start: number; readonly length: number } {
  const { contentOffset: start, contentSizeInBytes: length, filePath } = vector
  if (start !== undefined && length !== undefined && start >= 0 && length >= 0 && start + length <= size) {
    return { start, length }
  }
  throw new EngineError(
    'data-invalid',
    `the deletion vector at offset ${start ?? 'none'}, length ${length ?? 'none'} does not lie within ${filePath} of ${size} bytes`,
    { context: { location: filePath } },
  )
}
