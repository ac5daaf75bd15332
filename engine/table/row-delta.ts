import type { Expression } from '../../iceberg/expr/expression.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { Change, IsolationLevel } from '../../iceberg/write/table-change.js'
import { rowsOf } from './append-rows.js'
import type { Basis } from './compute-change.js'
import { writePositionDeletes } from './position-deletes.js'
import { textOf } from './row-value.js'
import type { WriteMode } from './table.js'
import { addTarget, columnList } from './target-rows.js'
import { writeTableFiles } from './write-target.js'

/** Which rows of the table go and which come. Work tables lie in the basis's session. */
export interface RowDelta {
  /** Files that were looked at; `gone` names rows of these. */
  readonly tasks: readonly FileScanTask[]
  /** Files that go whole without a look. */
  readonly whole: readonly FileScanTask[]
  /** A work table of (_file, _pos), each row once. Absent: no row of `tasks` goes. */
  readonly gone?: string
  /** SELECTs of the table's columns. */
  readonly fresh: readonly string[]
  readonly mode: WriteMode
  readonly isolation: IsolationLevel
  readonly filter: Expression
}

export interface AppliedDelta {
  readonly change: Change
  readonly goneRows: number
  readonly freshRows: number
}

/** Writes a delta's files: those that lose rows anew, without them (copy-on-write), or position deletes beside them. */
export async function applyDelta(basis: Basis, delta: RowDelta): Promise<AppliedDelta> {
  const gone = await goneByFile(basis, delta.gone)
  const touched = delta.tasks.filter((task) => gone.has(task.file.filePath))
  const live = await liveRows(basis, [...delta.whole, ...touched])
  const rowsLeft = ({ file }: FileScanTask): number =>
    (live.get(file.filePath) ?? 0) - (gone.get(file.filePath) ?? 0)
  const emptied = [...delta.whole, ...touched.filter((task) => rowsLeft(task) === 0)]
  const partial = touched.filter((task) => rowsLeft(task) > 0)
  const isRewrite = delta.mode === 'copy-on-write'
  const survivors = isRewrite ? await survivorsSql(basis, delta.gone, partial) : []
  const selects = [...survivors, ...delta.fresh]
  const added = selects.length === 0 ? [] : await writeAll(basis, selects)
  const deletes = isRewrite ? [] : await writePositionDeletes(basis, delta.gone, partial, emptied)
  const survived = isRewrite ? partial.reduce((sum, task) => sum + rowsLeft(task), 0) : 0
  const wholeRows = delta.whole.reduce((sum, { file }) => sum + (live.get(file.filePath) ?? 0), 0)
  return {
    change: {
      kind: 'row-delta',
      removed: filesOf(isRewrite ? [...emptied, ...partial] : emptied),
      added,
      deletes,
      deletedFrom: isRewrite ? [] : filesOf(partial),
      filter: delta.filter,
      isolation: delta.isolation,
      basis: basis.head,
    },
    goneRows: wholeRows + [...gone.values()].reduce((sum, rows) => sum + rows, 0),
    freshRows: rowsOf(added) - survived,
  }
}

async function goneByFile(basis: Basis, gone: string | undefined): Promise<ReadonlyMap<string, number>> {
  if (gone === undefined) return new Map()
  const session = await basis.session()
  const { rows } = await session.query(
    `SELECT "_file" AS file, count(*)::DOUBLE AS rows FROM ${gone} GROUP BY 1`,
    { limit: EVERY_FILE },
  )
  return new Map(rows.map((row) => [textOf(row['file']), Number(row['rows'])]))
}

/** One row a file. */
const EVERY_FILE = 100_000_000

/** Live rows by file: the file's own count where no delete applies to it. */
async function liveRows(basis: Basis, tasks: readonly FileScanTask[]): Promise<ReadonlyMap<string, number>> {
  const live = new Map(tasks.map(({ file }) => [file.filePath, file.recordCount]))
  const deletedFrom = tasks.filter((task) => task.deletes.length > 0)
  if (deletedFrom.length === 0) return live
  const counted = await goneByFile(basis, await addTarget(basis, '_firn_live', deletedFrom))
  for (const { file } of deletedFrom) live.set(file.filePath, counted.get(file.filePath) ?? 0)
  return live
}

async function survivorsSql(
  basis: Basis,
  gone: string | undefined,
  partial: readonly FileScanTask[],
): Promise<readonly string[]> {
  if (gone === undefined || partial.length === 0) return []
  const name = await addTarget(basis, '_firn_survivors', partial)
  return [
    `SELECT ${columnList(basis.schema, 't')} FROM ${name} t
     WHERE NOT EXISTS (SELECT 1 FROM ${gone} g WHERE g."_file" = t."_file" AND g."_pos" = t."_pos")`,
  ]
}

async function writeAll(basis: Basis, selects: readonly string[]): Promise<readonly DataFile[]> {
  return writeTableFiles(basis, await basis.session(), selects.join('\nUNION ALL '))
}

function filesOf(tasks: readonly FileScanTask[]): readonly DataFile[] {
  return tasks.map((task) => task.file)
}
