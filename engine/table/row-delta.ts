import type { Expression } from '../../iceberg/expr/expression.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { rowsOf } from '../../iceberg/spec/rows-of.js'
import type { Change, IsolationLevel } from '../../iceberg/write/table-change.js'
import { fileOfPlace, PLACE } from '../row-place.js'
import type { Basis } from './compute-change.js'
import { writePositionDeletes } from './position-deletes.js'
import type { WriteMode } from './table.js'
import type { TouchedFile } from './touched-file.js'
import { addTarget, columnList } from './target-rows.js'
import { writeTableFiles } from './write-target.js'

/** Which rows of the table go and which come. Work tables lie in the basis's session. */
export interface RowDelta {
  /** Files that were looked at; `gone` names rows of these. */
  readonly tasks: readonly FileScanTask[]
  /** Files that go whole without a look. */
  readonly whole: readonly FileScanTask[]
  /** A work table with the `PLACE` of each row that goes, once, by the tasks' order. Absent: no row of `tasks` goes. */
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
  const isRewrite = delta.mode === 'copy-on-write'
  const touched = await touchedFiles(basis, delta)
  const live = await liveRows(basis, touched, isRewrite)
  const wholeRows = await countWhole(basis, delta.whole)
  const emptied = touched.filter((file) => live(file) === file.goneRows)
  const partial = touched.filter((file) => live(file) > file.goneRows)
  const survivors = isRewrite ? await survivorsSql(basis, delta.gone, partial) : []
  const selects = [...survivors, ...delta.fresh]
  const added = selects.length === 0 ? [] : await writeAll(basis, selects)
  const deletes = isRewrite ? [] : await writePositionDeletes(basis, delta.gone, partial, emptied.length > 0)
  const survived = isRewrite ? partial.reduce((sum, file) => sum + live(file) - file.goneRows, 0) : 0
  return {
    change: {
      kind: 'row-delta',
      removed: filesOf([...delta.whole, ...(isRewrite ? touched : emptied).map(({ task }) => task)]),
      added,
      deletes,
      deletedFrom: isRewrite ? [] : filesOf(partial.map(({ task }) => task)),
      filter: delta.filter,
      isolation: delta.isolation,
      basis: basis.head,
    },
    goneRows: wholeRows + touched.reduce((sum, file) => sum + file.goneRows, 0),
    freshRows: rowsOf(added) - survived,
  }
}

async function touchedFiles(basis: Basis, { gone, tasks }: RowDelta): Promise<readonly TouchedFile[]> {
  const rows = gone === undefined ? new Map<number, number>() : await countByFile(basis, gone)
  return tasks.flatMap((task, number) => {
    const goneRows = rows.get(number) ?? 0
    return goneRows === 0 ? [] : [{ task, number, goneRows }]
  })
}

async function countByFile(basis: Basis, table: string): Promise<ReadonlyMap<number, number>> {
  const session = await basis.session()
  const { rows } = await session.query(
    `SELECT ${fileOfPlace(PLACE)}::DOUBLE AS file, count(*)::DOUBLE AS rows FROM ${table} GROUP BY 1`,
    { limit: EVERY_FILE },
  )
  return new Map(rows.map((row) => [Number(row['file']), Number(row['rows'])]))
}

/** One row a file. */
const EVERY_FILE = 100_000_000

/**
 * Live rows of a file: its own count where no delete applies to it. Else they are counted; unless exact numbers are
 * wanted, only where its deletes are so many that none may be left.
 */
async function liveRows(
  basis: Basis,
  touched: readonly TouchedFile[],
  exact: boolean,
): Promise<(file: TouchedFile) => number> {
  const counted = touched.filter(
    (file) => file.task.deletes.length > 0 && (exact || leastLive(file) <= file.goneRows),
  )
  if (counted.length === 0) return leastLive
  const name = await addTarget(
    basis,
    '_firn_live',
    counted.map(({ task }) => task),
    counted.map(({ number }) => number),
  )
  const rows = await countByFile(basis, name)
  const known = new Set(counted)
  return (file) => (known.has(file) ? (rows.get(file.number) ?? 0) : leastLive(file))
}

/** No delete file removes more rows than it has, but one of equality deletes may remove many by one row. */
function leastLive({ task: { file, deletes } }: TouchedFile): number {
  return deletes.reduce(
    (rows, each) => (each.content === 'equality-deletes' ? 0 : rows - each.recordCount),
    file.recordCount,
  )
}

async function countWhole(basis: Basis, whole: readonly FileScanTask[]): Promise<number> {
  const deletedFrom = whole.filter((task) => task.deletes.length > 0)
  const plain = whole.filter((task) => task.deletes.length === 0)
  const rows = plain.reduce((sum, { file }) => sum + file.recordCount, 0)
  if (deletedFrom.length === 0) return rows
  const counted = await countByFile(basis, await addTarget(basis, '_firn_whole', deletedFrom))
  return [...counted.values()].reduce((sum, count) => sum + count, rows)
}

async function survivorsSql(
  basis: Basis,
  gone: string | undefined,
  partial: readonly TouchedFile[],
): Promise<readonly string[]> {
  if (gone === undefined || partial.length === 0) return []
  const name = await addTarget(
    basis,
    '_firn_survivors',
    partial.map(({ task }) => task),
    partial.map(({ number }) => number),
  )
  return [
    `SELECT ${columnList(basis.schema, 't')} FROM ${name} t WHERE t.${PLACE} NOT IN (SELECT ${PLACE} FROM ${gone})`,
  ]
}

async function writeAll(basis: Basis, selects: readonly string[]): Promise<readonly DataFile[]> {
  return writeTableFiles(basis, await basis.session(), selects.join('\nUNION ALL '))
}

function filesOf(tasks: readonly FileScanTask[]): readonly DataFile[] {
  return tasks.map((task) => task.file)
}
