import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { NestedField, Schema } from '../../iceberg/spec/type.js'
import type { ScanRelation } from '../engine.js'
import { EngineError } from '../engine.js'
import type { DeletedKeys } from './equality-deletes.js'
import { deletesByKey, equalityDeletes, keyName, withoutDeletedSql, reachesAny } from './equality-deletes.js'
import type { FileColumn } from './file-columns.js'
import { withNan } from './file-columns.js'
import { identityColumns, type IdentityColumn } from './identity-columns.js'
import type { OpenFile, OpenFiles, ScanContext } from './open-files.js'
import { hidesPositions, openFiles, rowsOf } from './open-files.js'
import { deletesByPosition, positionDeletes } from './position-deletes.js'
import { projectField, projectNested } from './project-fields.js'
import { PLACE, placeSql } from '../row-place.js'
import { quoteName, sqlType } from './sql-text.js'

export type { ScanContext } from './open-files.js'

/**
 * SELECT of the live rows of a scan, by field id. Work tables for deletes are made on the way. Rows come in the order of
 * the tasks and their files; with deletes in any, since DuckDB keeps no order through joins.
 */
export async function scanSql(context: ScanContext, relation: ScanRelation): Promise<string> {
  const { schema, tasks, metadata, places } = relation
  refuseTwins(schema)
  if (tasks.length === 0) return emptySql(schema, places !== undefined)
  const opened = await openFiles(context, filesOf(tasks), metadata)
  const deletedRows = await positionDeletes(context, tasks, opened)
  const deletedKeys = await equalityDeletes(context, relation, opened)
  const scan: Scan = { schema, places, deletedRows, deletedKeys }
  const runs = runsOf(relation, opened)
  const files = runs.some((run) => joinsFiles(scan, run)) ? await fileTable(context, scan, runs) : ''
  return runs
    .map((run, index) =>
      branchSql(scan, run, joinsFiles(scan, run) ? { table: files, run: index } : undefined),
    )
    .join('\nUNION ALL ')
}

function filesOf(tasks: readonly FileScanTask[]): readonly DataFile[] {
  return tasks.flatMap((task) => [task.file, ...task.deletes])
}

interface Scan {
  readonly schema: Schema
  readonly places: readonly number[] | undefined
  /** Work table (file, pos) of deleted positions. */
  readonly deletedRows: string | undefined
  readonly deletedKeys: readonly DeletedKeys[]
}

/** Neighbouring tasks that one projection serves. */
interface Run {
  readonly files: [OpenFile, ...OpenFile[]]
  /** Of the tasks in the scan, one after the other. */
  readonly indexes: [number, ...number[]]
  readonly tasks: FileScanTask[]
  readonly key: string
  /** Columns that the files lack and that their partitions say. */
  readonly identity: readonly IdentityColumn[]
  readonly hasDeletes: boolean
}

/** Beyond so many runs, files with and without deletes are read together: a SELECT for each would cost more. */
const MOST_RUNS = 32

function runsOf(relation: ScanRelation, opened: OpenFiles, together = false): readonly Run[] {
  const { tasks, metadata, schema, places } = relation
  const runs: Run[] = []
  const inLast = new Set<string>()
  for (const [index, task] of tasks.entries()) {
    const file = opened.get(task.file.filePath)
    if (file === undefined) throw notOpened(task.file)
    const hasDeletes = together || deletesByPosition(task) || deletesByKey(task)
    const identity = identityColumns(task.file, file.columns, schema, metadata)
    const needsRows = hasDeletes || places !== undefined || identity.length > 0
    const alone = needsRows && file.table === undefined && hidesPositions(file)
    const specKey = identity.length === 0 ? '' : task.file.specId
    const key = [file.signature, hasDeletes, specKey, alone ? index : ''].join('\u0003')
    const last = runs.at(-1)
    // A file that is there twice has its rows twice; in a work table its path tells them apart only between runs.
    if (last?.key === key && !(file.table !== undefined && inLast.has(file.path))) {
      last.files.push(file)
      last.indexes.push(index)
      last.tasks.push(task)
    } else {
      inLast.clear()
      runs.push({ files: [file], indexes: [index], tasks: [task], key, identity, hasDeletes })
    }
    inLast.add(file.path)
  }
  const mayMix = !together && tasks.some((task) => task.deletes.length > 0)
  return mayMix && runs.length > MOST_RUNS ? runsOf(relation, opened, true) : runs
}

/** Whether a run's rows need more of their file than its number. */
function joinsFiles(scan: Scan, run: Run): boolean {
  return run.files[0].table !== undefined || run.identity.length > 0 || deletedKeysOf(scan, run).length > 0
}

/** Those that reach the run, with their number in the scan. */
function deletedKeysOf({ deletedKeys }: Scan, run: Run): readonly (readonly [number, DeletedKeys])[] {
  return [...deletedKeys.entries()].filter(([, keys]) => run.hasDeletes && reachesAny(keys, run.indexes))
}

/** (run, file, path, seq, scopes by group, partition values by column), a row for each task. */
async function fileTable(context: ScanContext, scan: Scan, runs: readonly Run[]): Promise<string> {
  const table = context.newName()
  const scopes = scan.deletedKeys.map((_, index) => `scope_${index} INTEGER`)
  const values = new Map(runs.flatMap((run) => run.identity.map(({ field }) => [field.id, field])))
  const valueColumns = [...values.values()].map((field) => `value_${field.id} ${sqlType(field.type)}`)
  const columns = ['run INTEGER', 'file BIGINT', 'path VARCHAR', 'seq BIGINT']
  await context.run(`CREATE TABLE ${table} (${[...columns, ...scopes, ...valueColumns].join(', ')})`)
  await context.append(table, (append) => {
    for (const [number, run] of runs.entries()) {
      const partition = new Map(run.identity.map((column) => [column.field.id, column]))
      append([
        run.tasks.map(() => number),
        run.indexes.map(BigInt),
        run.files.map((file) => file.path),
        run.tasks.map((task) => BigInt(task.sequenceNumber)),
        ...scan.deletedKeys.map((keys) => run.indexes.map((index) => keys.scopes.get(index) ?? null)),
        ...[...values.keys()].map((id) =>
          run.tasks.map((task) => partition.get(id)?.valueOf(task.file) ?? null),
        ),
      ])
    }
  })
  return table
}

function branchSql(scan: Scan, run: Run, files: RunFiles | undefined): string {
  const { schema, deletedRows } = scan
  const columns = columnsOf(run)
  const identity = new Map(run.identity.map(({ field }) => [field.id, field]))
  const inFile = schema.fields.filter((field) => !identity.has(field.id))
  const projected = inFile.map((field) => `${projectField(field, columns)} AS ${quoteName(field.name)}`)
  const isDeleted = run.hasDeletes && deletedRows !== undefined
  if (files === undefined && !isDeleted && scan.places === undefined) {
    return `SELECT ${projected.join(', ')} FROM ${rowsOf(run.files, false)}`
  }
  const groups = deletedKeysOf(scan, run)
  const keys = new Map(groups.flatMap(([, group]) => group.fields.map((field) => [field.id, field])))
  const hidden = [...keys.values()]
    .filter((field) => !identity.has(field.id))
    .map((field) => `${projectNested(field, columns)} AS ${keyName(field)}`)
  const keyOf = (field: NestedField): string =>
    identity.has(field.id) ? `l.value_${field.id}` : `b.${keyName(field)}`
  const file = fileSql(run)
  const gone = `SELECT ${placeSql('file', 'pos')} FROM ${deletedRows ?? ''}`
  const where = isDeleted ? `WHERE ${placeSql(file, 'b."_firn_row"')} NOT IN (${gone})` : ''
  const shown = schema.fields.map((field) =>
    identity.has(field.id) ? `l.value_${field.id} AS ${quoteName(field.name)}` : `b.${quoteName(field.name)}`,
  )
  const place =
    scan.places === undefined ? [] : [`${numbered(scan.places, run, file)} AS ${quoteName(PLACE)}`]
  const position = run.files[0].table === undefined ? '"_firn_index"' : '"_firn_file"'
  return `SELECT ${[...shown, ...place].join(', ')}
    FROM (SELECT ${[...projected, ...hidden, position, '"_firn_row"'].join(', ')} FROM ${rowsOf(run.files, true)}) b
    ${[...joinFiles(run, files), ...groups.map(([at, group]) => withoutDeletedSql(group, at, keyOf))].join('\n    ')}
    ${where}`
}

/** The index of a row's task in the scan. */
function fileSql({ files: [first], indexes: [index] }: Run): string {
  return first.table === undefined ? `(${index} + b."_firn_index")` : 'l.file'
}

/** Where `fileTable` says more of a run's files. */
interface RunFiles {
  readonly table: string
  readonly run: number
}

function joinFiles(run: Run, files: RunFiles | undefined): readonly string[] {
  if (files === undefined) return []
  const isFile = run.files[0].table === undefined ? `l.file = ${fileSql(run)}` : 'l.path = b."_firn_file"'
  return [`JOIN ${files.table} l ON ${isFile} AND l.run = ${files.run}`]
}

function numbered(places: readonly number[], { indexes }: Run, file: string): string {
  const [first] = indexes
  const numbers = indexes.map((index) => places[index] ?? index)
  const shift = (numbers[0] ?? 0) - first
  const isShifted = numbers.every((number, at) => number === first + at + shift)
  const sql = isShifted ? `(${file} + ${shift})` : `[${numbers.join(', ')}][${file} - ${first} + 1]`
  return placeSql(`CAST(${sql} AS BIGINT)`, 'b."_firn_row"')
}

/** Files of a run differ in their metrics only. Work tables keep bounds that know of NaN. */
function columnsOf({ files, tasks }: Run): readonly FileColumn[] {
  const [{ columns, table }] = files
  return table === undefined
    ? withNan(
        columns,
        tasks.map((task) => task.file),
      )
    : columns
}

function emptySql(schema: Schema, hasPlaces: boolean): string {
  const columns = schema.fields.map(
    (field) => `CAST(NULL AS ${sqlType(field.type)}) AS ${quoteName(field.name)}`,
  )
  const more = hasPlaces ? [`CAST(NULL AS BIGINT) AS ${quoteName(PLACE)}`] : []
  return `SELECT ${[...columns, ...more].join(', ')} WHERE false`
}

function notOpened({ filePath }: DataFile): EngineError {
  return new EngineError('unsupported', `${filePath} is a deletion vector, not a file of rows`)
}

function refuseTwins(schema: Schema): void {
  const names = new Map<string, string>()
  for (const { name } of schema.fields) {
    const twin = names.get(name.toLowerCase())
    if (twin !== undefined) {
      throw new EngineError(
        'unsupported',
        `columns ${quoteName(twin)} and ${quoteName(name)} differ in case only, and SQL can't tell them apart: rename one`,
      )
    }
    names.set(name.toLowerCase(), name)
  }
}
