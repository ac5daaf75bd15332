import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { NestedField, Schema } from '../../iceberg/spec/type.js'
import type { ScanRelation } from '../engine.js'
import { EngineError } from '../engine.js'
import type { DeletedKeys } from './equality-deletes.js'
import { deletesByKey, equalityDeletes, keyName, withoutDeletedSql, reachesAny } from './equality-deletes.js'
import type { FileColumn } from './file-columns.js'
import { withNan } from './file-columns.js'
import { identityColumns, type IdentityColumn } from './identity-columns.js'
import type { OpenFile, OpenFiles, ScanContext } from './open-files.js'
import { hasRowNumberColumn, openFiles, rowsOf } from './open-files.js'
import { deletesByPosition, positionDeletes } from './position-deletes.js'
import { projectField, projectNested } from './project-fields.js'
import { quoteName, sqlType } from './sql-text.js'

export type { ScanContext } from './open-files.js'

/** SELECT of the live rows of a scan, by field id, files in their order. Work tables for deletes are made on the way. */
export async function scanSql(context: ScanContext, relation: ScanRelation): Promise<string> {
  const { schema, tasks, metadata, positions = false } = relation
  refuseTwins(schema)
  if (tasks.length === 0) return emptySql(schema, positions)
  const opened = await openFiles(context, filesOf(tasks), metadata)
  const deletedRows = await positionDeletes(context, tasks, opened)
  const deletedKeys = await equalityDeletes(context, relation, opened)
  const runs = runsOf(tasks, opened, metadata, schema, positions)
  const scan: Scan = { schema, positions, deletedRows, deletedKeys, files: '' }
  const files = runs.some((run) => run.joinsFiles) ? await fileTable(context, scan, runs) : ''
  return runs.map((run, index) => branchSql({ ...scan, files }, run, index)).join('\nUNION ALL ')
}

function filesOf(tasks: readonly FileScanTask[]): readonly DataFile[] {
  return tasks.flatMap((task) => [task.file, ...task.deletes])
}

interface Scan {
  readonly schema: Schema
  readonly positions: boolean
  /** Work table (file, pos) of deleted positions. */
  readonly deletedRows: string | undefined
  readonly deletedKeys: readonly DeletedKeys[]
  /** Work table of what is known of each file beside its rows; empty where no run joins it. */
  readonly files: string
}

/** Neighbouring tasks that one projection serves. */
interface Run {
  readonly files: [OpenFile, ...OpenFile[]]
  /** Of the tasks in the scan. */
  readonly indexes: number[]
  readonly tasks: FileScanTask[]
  readonly key: string
  /** Columns that the files lack and that their partitions say. */
  readonly identity: readonly IdentityColumn[]
  readonly hasDeletes: boolean
  readonly joinsFiles: boolean
}

/** Beyond so many runs, files with and without deletes are read together: a SELECT for each would cost more. */
const MOST_RUNS = 32

function runsOf(
  tasks: readonly FileScanTask[],
  opened: OpenFiles,
  metadata: TableMetadata | undefined,
  schema: Schema,
  positions: boolean,
  together = false,
): readonly Run[] {
  const runs: Run[] = []
  const inLast = new Set<string>()
  for (const [index, task] of tasks.entries()) {
    const file = opened.get(task.file.filePath)
    if (file === undefined) continue
    const hasDeletes = together || deletesByPosition(task) || deletesByKey(task)
    const identity = identityColumns(task.file, file.columns, schema, metadata)
    const needsRows = hasDeletes || positions
    const joinsFiles = needsRows || identity.length > 0 || file.table !== undefined
    const alone = joinsFiles && file.table === undefined && hasRowNumberColumn(file)
    const specKey = identity.length === 0 ? '' : task.file.specId
    const key = [file.signature, hasDeletes, specKey, alone ? index : ''].join('\u0003')
    const last = runs.at(-1)
    // A file that is there twice has its rows twice; its path tells them apart only between runs.
    if (last?.key === key && !(joinsFiles && inLast.has(file.path))) {
      last.files.push(file)
      last.indexes.push(index)
      last.tasks.push(task)
    } else {
      inLast.clear()
      runs.push({ files: [file], indexes: [index], tasks: [task], key, identity, hasDeletes, joinsFiles })
    }
    inLast.add(file.path)
  }
  if (together || runs.length <= MOST_RUNS) return runs
  return runsOf(
    tasks,
    opened,
    metadata,
    schema,
    positions,
    tasks.some((task) => task.deletes.length > 0),
  )
}

/** (run, file, path, location, seq, scopes by group, partition values by column), a row for each task. */
async function fileTable(context: ScanContext, scan: Scan, runs: readonly Run[]): Promise<string> {
  const table = context.newName()
  const scopes = scan.deletedKeys.map((_, index) => `scope_${index} INTEGER`)
  const values = new Map(runs.flatMap((run) => run.identity.map(({ field }) => [field.id, field])))
  const valueColumns = [...values.values()].map((field) => `value_${field.id} ${sqlType(field.type)}`)
  const columns = ['run INTEGER', 'file BIGINT', 'path VARCHAR', 'location VARCHAR', 'seq BIGINT']
  await context.run(`CREATE TABLE ${table} (${[...columns, ...scopes, ...valueColumns].join(', ')})`)
  await context.append(table, (append) => {
    for (const [number, run] of runs.entries()) {
      const partition = new Map(run.identity.map((column) => [column.field.id, column]))
      append([
        run.tasks.map(() => number),
        run.indexes.map(BigInt),
        run.files.map((file) => file.path),
        run.tasks.map((task) => task.file.filePath),
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

/**
 * More than a file has rows. One number for file and position lets DuckDB look each row up as it comes, in its order; an
 * anti join of both may turn its sides round.
 */
const FILE_ROWS = '1099511627776'

function branchSql(scan: Scan, run: Run, index: number): string {
  const { schema, deletedRows } = scan
  const columns = columnsOf(run)
  const identity = new Map(run.identity.map(({ field }) => [field.id, field]))
  const inFile = schema.fields.filter((field) => !identity.has(field.id))
  const projected = inFile.map((field) => `${projectField(field, columns)} AS ${quoteName(field.name)}`)
  if (!run.joinsFiles) return `SELECT ${projected.join(', ')} FROM ${rowsOf(run.files, false)}`
  const groups = [...scan.deletedKeys.entries()].filter(([, keys]) => reachesAny(keys, run.indexes))
  const keys = new Map(groups.flatMap(([, group]) => group.fields.map((field) => [field.id, field])))
  const hidden = [...keys.values()]
    .filter((field) => !identity.has(field.id))
    .map((field) => `${projectNested(field, columns)} AS ${keyName(field)}`)
  const keyOf = (field: NestedField): string =>
    identity.has(field.id) ? `l.value_${field.id}` : `b.${keyName(field)}`
  const joins = groups.map(([at, group]) => withoutDeletedSql(group, at, keyOf))
  const where =
    run.hasDeletes && deletedRows !== undefined
      ? `WHERE l.file * ${FILE_ROWS} + b."_firn_row" NOT IN (SELECT file * ${FILE_ROWS} + pos FROM ${deletedRows})`
      : ''
  const shown = schema.fields.map((field) =>
    identity.has(field.id) ? `l.value_${field.id} AS ${quoteName(field.name)}` : `b.${quoteName(field.name)}`,
  )
  const positions = scan.positions ? ['l.location AS "_file"', 'b."_firn_row" AS "_pos"'] : []
  const inner = [...projected, ...hidden, '"_firn_file"', '"_firn_row"']
  return `SELECT ${[...shown, ...positions].join(', ')}
    FROM (SELECT ${inner.join(', ')} FROM ${rowsOf(run.files, true)}) b
    JOIN ${scan.files} l ON l.path = b."_firn_file" AND l.run = ${index}
    ${joins.join('\n    ')}
    ${where}`
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

function emptySql(schema: Schema, positions: boolean): string {
  const columns = schema.fields.map(
    (field) => `CAST(NULL AS ${sqlType(field.type)}) AS ${quoteName(field.name)}`,
  )
  const more = positions ? ['CAST(NULL AS VARCHAR) AS "_file"', 'CAST(NULL AS BIGINT) AS "_pos"'] : []
  return `SELECT ${[...columns, ...more].join(', ')} WHERE false`
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
