import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import { fieldById } from '../../iceberg/spec/schema.js'
import { schemasNewestFirst } from '../../iceberg/spec/specs.js'
import type { NestedField } from '../../iceberg/spec/type.js'
import type { ScanRelation } from '../engine.js'
import { EngineError } from '../engine.js'
import type { EqualityGroup, ScopedDelete } from './equality-scopes.js'
import { equalityGroups } from './equality-scopes.js'
import type { OpenFile, OpenFiles, ScanContext } from './open-files.js'
import { rowsOf } from './open-files.js'
import { projectNested } from './project-fields.js'
import { quoteName } from './sql-text.js'

/** Deleted keys of one set of columns: a work table of the keys, `scope` and `up_to`, each key once a scope. */
export interface DeletedKeys {
  readonly table: string
  readonly fields: readonly NestedField[]
  /** The scope of each task, by its index. */
  readonly scopes: ReadonlyMap<number, number>
}

/** Makes the work tables of all equality deletes that a scan's tasks name. */
export async function equalityDeletes(
  context: ScanContext,
  relation: ScanRelation,
  opened: OpenFiles,
): Promise<readonly DeletedKeys[]> {
  const groups = equalityGroups(relation.tasks)
  const made: DeletedKeys[] = []
  for (const group of groups) {
    const fields = group.fieldIds.map((id) => deletedField(relation, id, group))
    const table = context.newName()
    const scopes = await scopeTable(context, group.deletes, opened)
    const keys = fields.map((field) => keyName(field))
    const selects = keySelects(group.deletes, fields, opened)
    await context.run(
      `CREATE TABLE ${table} AS SELECT ${keys.map((key) => `k.${key}, `).join('')}s.scope, max(s.up_to) AS up_to
       FROM (${selects.join('\nUNION ALL ')}) k JOIN ${scopes} s ON s.path = k."_firn_file" GROUP BY ALL`,
    )
    await context.run(`DROP TABLE ${scopes}`)
    made.push({ table, fields, scopes: group.scopes })
  }
  return made
}

/** Name of a key column, in the work tables and beside the projected columns. */
export function keyName(field: NestedField): string {
  return quoteName(`_firn_key_${field.id}`)
}

/**
 * Joins rows of file `l` such that those stay which no deleted key of the group at `index` reaches; null equals null.
 * `valueOf` is SQL of a row's value of a key column. (DuckDB makes of NOT EXISTS a join that first groups all rows.)
 */
export function withoutDeletedSql(
  { table, fields }: DeletedKeys,
  index: number,
  valueOf: (field: NestedField) => string,
): string {
  const match = fields.map(
    (field) => ` AND d${index}.${keyName(field)} IS NOT DISTINCT FROM ${valueOf(field)}`,
  )
  return `ANTI JOIN ${table} d${index}
      ON d${index}.scope = l.scope_${index} AND d${index}.up_to >= l.seq${match.join('')}`
}

/** Whether any of the tasks is reached. */
export function reachesAny({ scopes }: DeletedKeys, indexes: readonly number[]): boolean {
  return indexes.some((index) => scopes.has(index))
}

export function deletesByKey(task: FileScanTask): boolean {
  return task.deletes.some((file) => file.content === 'equality-deletes')
}

/** A column that was dropped since goes on deleting what its older schema says. */
function deletedField({ schema, metadata }: ScanRelation, id: number, group: EqualityGroup): NestedField {
  const older = metadata === undefined ? [] : schemasNewestFirst(metadata)
  for (const candidate of [schema, ...older]) {
    const field = fieldById(candidate, id)
    if (field !== undefined) return field
  }
  const location = group.deletes[0]?.file.filePath
  throw new EngineError(
    'unsupported',
    `${location ?? 'a delete file'} deletes by column ${id}, which no schema of the table has any more: compact the table with the engine that wrote it`,
    { context: { location, fieldId: id } },
  )
}

async function scopeTable(
  context: ScanContext,
  deletes: readonly ScopedDelete[],
  opened: OpenFiles,
): Promise<string> {
  const table = context.newName()
  await context.run(`CREATE TABLE ${table} (path VARCHAR, scope INTEGER, up_to BIGINT)`)
  await context.append(table, (append) => {
    const paths = deletes.map(({ file }) => opened.get(file.filePath)?.path ?? file.filePath)
    append([paths, deletes.map(({ scope }) => scope), deletes.map(({ upTo }) => BigInt(upTo))])
  })
  return table
}

/** The keys of all delete files; files with one schema are read by one SELECT. */
function keySelects(
  deletes: readonly ScopedDelete[],
  fields: readonly NestedField[],
  opened: OpenFiles,
): readonly string[] {
  const bySignature = new Map<string, [OpenFile, ...OpenFile[]]>()
  for (const location of new Set(deletes.map(({ file }) => file.filePath))) {
    const file = opened.get(location)
    if (file === undefined) continue
    const files = bySignature.get(file.signature)
    if (files === undefined) bySignature.set(file.signature, [file])
    else files.push(file)
  }
  return [...bySignature.values()].map((files) => {
    const keys = fields.map((field) => `${projectNested(field, files[0].columns)} AS ${keyName(field)}`)
    return `SELECT ${[...keys, '"_firn_file"'].join(', ')} FROM ${rowsOf(files, true)}`
  })
}
