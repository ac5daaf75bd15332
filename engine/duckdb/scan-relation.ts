import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { fieldById } from '../../iceberg/spec/schema.js'
import type { NestedField, Schema } from '../../iceberg/spec/type.js'
import type { ScanRelation } from '../engine.js'
import { EngineError } from '../engine.js'
import type { LocalFiles } from '../local-files.js'
import type { FileColumn, FileSchema, Select } from './file-schemas.js'
import { readFileSchemas } from './file-schemas.js'
import { projectField, requireFieldIds } from './project-fields.js'
import { quoteName, quotePath, quoteText, sqlType } from './sql-text.js'

export interface ScanContext {
  readonly select: Select
  readonly run: (sql: string) => Promise<void>
  /** A name for a work table that nothing else in the session has. */
  readonly newName: () => string
  readonly fileSchemas: Map<string, FileSchema>
  readonly files: LocalFiles
}

/** SELECT of the live rows of a scan, by field id, files in their order. Work tables for deletes are made on the way. */
export async function scanSql(context: ScanContext, relation: ScanRelation): Promise<string> {
  const { schema, tasks, positions = false } = relation
  if (tasks.length === 0) return emptySql(schema, positions)
  const files = tasks.flatMap((task) => [task.file, ...task.deletes])
  for (const file of files) requireParquet(file)
  const paths = await context.files.open(
    files.map((file) => ({ location: file.filePath, sizeBytes: file.fileSizeInBytes })),
  )
  const pathOf = (file: DataFile): string => paths.get(file.filePath) ?? file.filePath
  const schemas = await readFileSchemas(context.select, files.map(pathOf), context.fileSchemas)
  const deleted = await positionDeletes(context, tasks, pathOf)
  const locations = positions ? await locationTable(context, tasks, pathOf) : undefined
  const branch = { schema, schemas, pathOf, deleted, locations }
  return runsOf(tasks, schemas, pathOf)
    .map((run) => branchSql(branch, run))
    .join('\nUNION ALL ')
}

type PathOf = (file: DataFile) => string

interface Branch {
  readonly schema: Schema
  readonly schemas: ReadonlyMap<string, FileSchema>
  readonly pathOf: PathOf
  /** Work table (file, pos) of deleted positions. */
  readonly deleted: string | undefined
  /** Work table (path, location); only where `_file` and `_pos` are asked for. */
  readonly locations: string | undefined
}

function emptySql(schema: Schema, positions: boolean): string {
  const columns = schema.fields.map(
    (field) => `CAST(NULL AS ${sqlType(field.type)}) AS ${quoteName(field.name)}`,
  )
  const more = positions ? ['CAST(NULL AS VARCHAR) AS "_file"', 'CAST(NULL AS BIGINT) AS "_pos"'] : []
  return `SELECT ${[...columns, ...more].join(', ')} WHERE false`
}

/** What `_file` says of each path that is read. */
async function locationTable(
  context: ScanContext,
  tasks: readonly FileScanTask[],
  pathOf: PathOf,
): Promise<string> {
  const name = context.newName()
  const pairs = tasks.map(({ file }) => `(${quoteText(pathOf(file))}, ${quoteText(file.filePath)})`)
  await context.run(`CREATE TABLE ${name} AS SELECT * FROM (VALUES ${pairs.join(', ')}) t(path, location)`)
  return name
}

function requireParquet(file: DataFile): void {
  if (file.fileFormat === 'parquet') return
  const what = file.fileFormat === 'puffin' ? 'a deletion vector (v3)' : `${file.fileFormat} file`
  throw new EngineError('unsupported', `${file.filePath} is ${what}; this engine reads Parquet files only`, {
    context: { location: file.filePath },
  })
}

/** Neighbouring tasks that one projection and one set of equality deletes serve. */
interface TaskRun {
  readonly tasks: FileScanTask[]
  readonly file: FileSchema
  readonly equalityDeletes: readonly DataFile[]
  readonly hasPositionDeletes: boolean
  readonly key: string
}

function runsOf(
  tasks: readonly FileScanTask[],
  schemas: ReadonlyMap<string, FileSchema>,
  pathOf: PathOf,
): TaskRun[] {
  const runs: TaskRun[] = []
  for (const task of tasks) {
    const path = pathOf(task.file)
    const file = schemas.get(path)
    if (file === undefined) continue
    requireFieldIds(file.columns, path)
    const equalityDeletes = task.deletes.filter((deletes) => deletes.content === 'equality-deletes')
    const hasPositionDeletes = task.deletes.some((deletes) => deletes.content === 'position-deletes')
    const key = [
      file.signature,
      hasPositionDeletes,
      ...equalityDeletes.map((deletes) => deletes.filePath).sort(),
    ].join('\u0003')
    const last = runs.at(-1)
    if (last?.key === key) last.tasks.push(task)
    else runs.push({ tasks: [task], file, equalityDeletes, hasPositionDeletes, key })
  }
  return runs
}

function branchSql(branch: Branch, run: TaskRun): string {
  const { schema, deleted, locations } = branch
  const paths = run.tasks.map((task) => quotePath(branch.pathOf(task.file))).join(', ')
  const columns = projection(schema.fields, run.file.columns)
  const groups = equalityGroups(branch, run)
  if (groups.length === 0 && !run.hasPositionDeletes && locations === undefined) {
    return `SELECT ${columns.join(', ')} FROM read_parquet([${paths}], hive_partitioning = false)`
  }
  const keys = new Map(groups.flatMap((group) => group.fields.map((field) => [field.id, field])))
  const hidden = [...keys.values()].map(
    (field) => `${projectField(field, run.file.columns)} AS ${hiddenName(field)}`,
  )
  const inner = [...columns, ...hidden, '"_firn_file"', '"_firn_row"'].join(', ')
  const conditions = groups.map(({ fields, sql }) => {
    const match = fields.map((field) => `d.${hiddenName(field)} IS NOT DISTINCT FROM b.${hiddenName(field)}`)
    return `NOT EXISTS (SELECT 1 FROM (${sql}) d WHERE ${match.join(' AND ')})`
  })
  if (run.hasPositionDeletes && deleted !== undefined) {
    conditions.push(
      `NOT EXISTS (SELECT 1 FROM ${deleted} p WHERE p.file = b."_firn_file" AND p.pos = b."_firn_row")`,
    )
  }
  const shown = schema.fields.map((field) => `b.${quoteName(field.name)}`)
  const positions = locations === undefined ? [] : ['l.location AS "_file"', 'b."_firn_row" AS "_pos"']
  return `SELECT ${[...shown, ...positions].join(', ')}
    FROM (SELECT ${inner} FROM (SELECT * EXCLUDE (file_row_number), file_row_number AS "_firn_row"
      FROM read_parquet([${paths}], hive_partitioning = false, filename = '_firn_file', file_row_number = true))) b
    ${locations === undefined ? '' : `JOIN ${locations} l ON l.path = b."_firn_file"`}
    ${conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`}`
}

function projection(fields: readonly NestedField[], columns: readonly FileColumn[]): readonly string[] {
  return fields.map((field) => `${projectField(field, columns)} AS ${quoteName(field.name)}`)
}

function hiddenName(field: NestedField): string {
  return quoteName(`_firn_key_${field.id}`)
}

interface EqualityGroup {
  readonly fields: readonly NestedField[]
  readonly sql: string
}

/** Equality deletes by their columns, as SELECTs of the deleted keys. */
function equalityGroups({ schema, schemas, pathOf }: Branch, run: TaskRun): readonly EqualityGroup[] {
  const groups = new Map<string, { fields: readonly NestedField[]; selects: string[] }>()
  for (const file of run.equalityDeletes) {
    const ids = [...(file.equalityIds ?? [])].sort((a, b) => a - b)
    const columns = schemas.get(pathOf(file))?.columns ?? []
    const fields = ids.map((id) => fieldById(schema, id) ?? droppedField(id, file))
    const group = groups.get(ids.join()) ?? { fields, selects: [] }
    const keys = fields.map((field) => `${projectField(field, columns)} AS ${hiddenName(field)}`)
    group.selects.push(
      `SELECT ${keys.join(', ')} FROM read_parquet([${quotePath(pathOf(file))}], hive_partitioning = false)`,
    )
    groups.set(ids.join(), group)
  }
  return [...groups.values()].map(({ fields, selects }) => ({ fields, sql: selects.join(' UNION ALL ') }))
}

function droppedField(id: number, file: DataFile): never {
  throw new EngineError(
    'unsupported',
    `${file.filePath} deletes by column ${id}, which was dropped: compact the table with the engine that wrote it`,
    { context: { location: file.filePath, fieldId: id } },
  )
}

/** A work table (file, pos) of what position deletes remove from the files they apply to; `undefined`: nothing. */
async function positionDeletes(
  context: ScanContext,
  tasks: readonly FileScanTask[],
  pathOf: PathOf,
): Promise<string | undefined> {
  const pairs: string[] = []
  const paths = new Set<string>()
  for (const task of tasks) {
    for (const file of task.deletes) {
      if (file.content !== 'position-deletes') continue
      paths.add(pathOf(file))
      const texts = [pathOf(file), task.file.filePath, pathOf(task.file)].map(quoteText)
      pairs.push(`(${texts.join(', ')})`)
    }
  }
  if (pairs.length === 0) return undefined
  const name = context.newName()
  await context.run(
    `CREATE TABLE ${name} AS SELECT DISTINCT pairs.local AS file, d.pos
     FROM read_parquet([${[...paths].map(quotePath).join(', ')}], hive_partitioning = false, filename = '_firn_file') d
     JOIN (VALUES ${pairs.join(', ')}) pairs(deletes, location, local)
       ON pairs.deletes = d."_firn_file" AND pairs.location = d.file_path`,
  )
  return name
}
