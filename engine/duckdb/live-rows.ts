import type { RewriteRequest } from '../../iceberg/maintain/rewriter.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import { alwaysTrue } from '../../iceberg/expr/expression.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { partitionKey } from '../../iceberg/spec/partition-key.js'
import { schemasNewestFirst } from '../../iceberg/spec/specs.js'
import type { NestedField, Schema } from '../../iceberg/spec/type.js'
import type { EngineSession, Row } from '../engine.js'
import { EngineError } from '../engine.js'
import { quoteName } from './sql-text.js'

/**
 * SELECT of a rewrite's live rows. Equality deletes are read once each, whatever the number of data files they apply to,
 * and joined by key with the newest sequence number they reach: hundreds of delete files upon hundreds of data files are
 * one hash join, which spills.
 */
export async function liveRows(session: EngineSession, request: RewriteRequest): Promise<string> {
  const { tasks, schema, metadata } = request
  const groups = equalityGroups(request)
  const missing = groups
    .flatMap(({ fields }) => fields)
    .filter((field) => schema.fields.every(({ id }) => id !== field.id))
  const dropped = [...new Map(missing.map((field) => [field.id, hidden(field)])).values()]
  await session.addRelation({
    ...{ kind: 'scan', name: 'live_rows', ...(metadata && { metadata }) },
    schema: { ...schema, fields: [...schema.fields, ...dropped] },
    tasks: tasks.map((task) => ({ ...task, deletes: task.deletes.filter((file) => !isEquality(file)) })),
    positions: groups.length > 0,
  })
  const columns = schema.fields.map(({ name }) => `r.${quoteName(name)}`).join(', ')
  if (groups.length === 0) return `SELECT ${columns} FROM live_rows r`
  await addRows(session, 'data_files', tasks.map(dataRow))
  const joins: string[] = []
  for (const [index, group] of groups.entries()) {
    await addDeletes(session, request, group, index)
    const matches = group.fields.map((field) => {
      const name = schema.fields.find(({ id }) => id === field.id)?.name ?? hidden(field).name
      return `r.${quoteName(name)} IS NOT DISTINCT FROM d${index}.${quoteName(hidden(field).name)}`
    })
    joins.push(
      `LEFT JOIN deletes_${index} d${index} ON d${index}.scope = f.scope AND ${matches.join(' AND ')}`,
    )
  }
  const isLive = groups.map((_, index) => `(d${index}.reach IS NULL OR d${index}.reach < f.seq)`)
  return `SELECT ${columns} FROM live_rows r JOIN data_files f ON f.file = r."_file"
    ${joins.join('\n')}
    WHERE ${isLive.join(' AND ')}`
}

/** Equality deletes by the same columns. */
interface EqualityGroup {
  readonly fields: readonly NestedField[]
  /** By delete file and scope, the newest data file (by sequence number) that it applies to. */
  readonly reach: ReadonlyMap<DataFile, ReadonlyMap<string, number>>
}

function equalityGroups(request: RewriteRequest): readonly EqualityGroup[] {
  const groups = new Map<string, Map<string, { file: DataFile; reach: Map<string, number> }>>()
  for (const task of request.tasks) {
    for (const file of task.deletes.filter(isEquality)) {
      const key = [...(file.equalityIds ?? [])].sort((a, b) => a - b).join()
      const group = groups.get(key) ?? new Map<string, { file: DataFile; reach: Map<string, number> }>()
      groups.set(key, group)
      const known = group.get(file.filePath) ?? { file, reach: new Map<string, number>() }
      group.set(file.filePath, known)
      const scope = partitionKey(task.file)
      known.reach.set(scope, Math.max(known.reach.get(scope) ?? 0, task.sequenceNumber))
    }
  }
  return [...groups].map(([key, files]) => ({
    fields: key.split(',').map((id) => keyField(request, Number(id), files)),
    reach: new Map([...files.values()].map(({ file, reach }) => [file, reach])),
  }))
}

/** A view of key, scope and the newest sequence number that a delete of this key reaches there. */
async function addDeletes(
  session: EngineSession,
  { metadata }: RewriteRequest,
  { fields, reach }: EqualityGroup,
  index: number,
): Promise<void> {
  await session.addRelation({
    ...{ kind: 'scan', name: `keys_${index}`, ...(metadata && { metadata }), positions: true },
    schema: { type: 'struct', 'schema-id': 0, fields: fields.map(hidden) },
    tasks: [...reach.keys()].map(asData),
  })
  const rows = [...reach].flatMap(([{ filePath }, scopes]) =>
    [...scopes].map(([scope, seq]) => ({ file: filePath, scope, seq: BigInt(seq) })),
  )
  await addRows(session, `delete_files_${index}`, rows)
  const keys = fields.map((field) => `k.${quoteName(hidden(field).name)}`).join(', ')
  await session.addRelation({
    ...{ kind: 'query', name: `deletes_${index}`, lazy: true },
    sql: `SELECT ${keys}, f.scope, max(f.seq) AS reach
      FROM keys_${index} k JOIN delete_files_${index} f ON f.file = k."_file" GROUP BY ALL`,
  })
}

const FILE_ROWS: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'file', required: true, type: 'string' },
    { id: 2, name: 'scope', required: true, type: 'string' },
    { id: 3, name: 'seq', required: true, type: 'long' },
  ],
}

async function addRows(session: EngineSession, name: string, rows: readonly Row[]): Promise<void> {
  await session.addRelation({ kind: 'rows', name, schema: FILE_ROWS, rows })
}

function dataRow({ file, sequenceNumber }: FileScanTask): Row {
  return { file: file.filePath, scope: partitionKey(file), seq: BigInt(sequenceNumber) }
}

/** A delete file read for what it holds. */
function asData(file: DataFile): FileScanTask {
  return { file: { ...file, content: 'data' }, sequenceNumber: 0, deletes: [], residual: alwaysTrue }
}

/** Under a name that no column of a table has. */
function hidden(field: NestedField): NestedField {
  return { ...field, name: `_firn_key_${field.id}`, required: false }
}

/** The column may have been dropped since: then it is one of an older schema. */
function keyField(
  { schema: current, metadata }: RewriteRequest,
  id: number,
  files: ReadonlyMap<string, { readonly file: DataFile }>,
): NestedField {
  for (const schema of [current, ...(metadata === undefined ? [] : schemasNewestFirst(metadata))]) {
    const field = schema.fields.find((candidate) => candidate.id === id)
    if (field !== undefined) return field
  }
  const location = [...files.keys()][0] ?? ''
  throw new EngineError(
    'unsupported',
    `${location} deletes by column ${id}, which is no top-level column of any schema of the table: compact the table with the engine that wrote it`,
    { context: { location, fieldId: id } },
  )
}

function isEquality(file: DataFile): boolean {
  return file.content === 'equality-deletes'
}
