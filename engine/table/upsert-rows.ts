import { IcebergError } from '../../iceberg/error.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import { fieldById } from '../../iceberg/spec/schema.js'
import { isPrimitive, type NestedField, type Schema } from '../../iceberg/spec/type.js'
import { quoteName } from '../duckdb/sql-text.js'
import { EngineError, type EngineSession } from '../engine.js'
import { fileOfPlace, PLACE } from '../row-place.js'
import type { Basis, ComputedChange } from './compute-change.js'
import { changeSettings } from './delete-rows.js'
import { keyFilter } from './key-filter.js'
import { applyDelta } from './row-delta.js'
import { textOf } from './row-value.js'
import { keepSource } from './source-relation.js'
import type { Source, UpsertOptions } from './table.js'
import { addTarget, columnList, planTarget } from './target-rows.js'

/**
 * Rows of the source replace those of the same key; the others are added. Other rows of the source's keys must not come
 * in between, so it is serializable whatever the table's property says.
 */
export async function upsertRows(
  basis: Basis,
  source: Source,
  options: UpsertOptions,
): Promise<ComputedChange> {
  const { schema } = basis
  const key = keyFields(schema, options.key)
  const session = await basis.session()
  const kept = await keepSource(session, schema, source)
  await checkKeys(session, kept, key)
  const filter = await keyFilter(session, kept, key)
  const tasks = await planTarget(basis, filter)
  const isUpdate = (options.whenMatched ?? 'update') === 'update'
  const on = key.map(({ name }) => `t.${quoteName(name)} = s.${quoteName(name)}`).join(' AND ')
  const looked = isUpdate ? await touchedOf(basis, tasks, on) : tasks
  await match(basis, looked, on, isUpdate ? changedSql(schema, key) : 'false')
  const isNew = options.whenNotMatched === 'ignore' ? 'false' : 'm."_src" IS NULL'
  const fresh = `SELECT ${columnList(schema, 's')} FROM ${kept} s LEFT JOIN ${MATCHED} m ON m."_src" = s.rowid
    WHERE ${isNew} OR m."_changed"`
  const { change, goneRows, freshRows } = await applyDelta(basis, {
    tasks: looked,
    whole: [],
    gone: GONE,
    fresh: [fresh],
    filter,
    ...changeSettings(basis.metadata, 'merge', { isolation: 'serializable', ...options }),
  })
  return { change, rows: { added: freshRows - goneRows, updated: goneRows, deleted: 0 } }
}

/** Work table (place, _src, _changed) of the table's rows that a source row has the key of. */
const MATCHED = '_firn_matched'
/** Those of it that change. */
const GONE = '_firn_gone'

/** Files of fewer bytes are read once, with all columns; of more, first only the keys, to find which are touched. */
const SMALL_BYTES = 64 * 1024 * 1024

async function touchedOf(
  basis: Basis,
  tasks: readonly FileScanTask[],
  on: string,
): Promise<readonly FileScanTask[]> {
  const bytes = tasks.reduce((sum, { file }) => sum + file.fileSizeInBytes, 0)
  if (tasks.length <= 1 || bytes <= SMALL_BYTES) return tasks
  const target = await addTarget(basis, '_firn_candidates', tasks)
  const session = await basis.session()
  const { rows } = await session.query(
    `SELECT DISTINCT ${fileOfPlace(`t.${PLACE}`)}::DOUBLE AS file FROM "_firn_source" s JOIN ${target} t ON ${on}`,
    { limit: tasks.length },
  )
  const touched = new Set(rows.map((row) => row['file']))
  return tasks.filter((_, index) => touched.has(index))
}

async function match(
  basis: Basis,
  tasks: readonly FileScanTask[],
  on: string,
  changed: string,
): Promise<void> {
  const target = await addTarget(basis, '_firn_target', tasks)
  const session = await basis.session()
  await session.addRelation({
    kind: 'query',
    name: MATCHED,
    sql: `SELECT t.${PLACE}, s.rowid AS "_src", ${changed} AS "_changed"
      FROM "_firn_source" s JOIN ${target} t ON ${on}`,
  })
  await session.addRelation({
    kind: 'query',
    name: GONE,
    lazy: true,
    sql: `SELECT ${PLACE} FROM ${MATCHED} WHERE "_changed"`,
  })
}

function changedSql(schema: Schema, key: readonly NestedField[]): string {
  const others = schema.fields.filter((field) => !key.includes(field))
  const differ = others.map(({ name }) => `t.${quoteName(name)} IS DISTINCT FROM s.${quoteName(name)}`)
  return differ.length === 0 ? 'false' : `(${differ.join(' OR ')})`
}

function keyFields(schema: Schema, names: readonly string[] | undefined): readonly NestedField[] {
  const identifiers = schema['identifier-field-ids'] ?? []
  const fields =
    names === undefined
      ? identifiers.map((id) => fieldById(schema, id))
      : names.map((name) => schema.fields.find((field) => field.name === name))
  const known = schema.fields.map((field) => field.name).join(', ')
  if (fields.length === 0) {
    throw new IcebergError(
      'invalid-argument',
      `an upsert needs a key and the schema has no identifier fields: name some of ${known}`,
    )
  }
  return fields.map((field, at) => {
    if (field !== undefined && isPrimitive(field.type) && schema.fields.includes(field)) return field
    const name = names?.[at] ?? field?.name ?? String(identifiers[at])
    throw new IcebergError(
      'invalid-argument',
      `'${name}' cannot be a key: choose primitive top-level columns of ${known}`,
      { context: { column: name } },
    )
  })
}

const SHOWN_KEYS = 5

/** A source that names a row twice has no one right outcome; null equals nothing. */
async function checkKeys(session: EngineSession, source: string, key: readonly NestedField[]): Promise<void> {
  const columns = key.map((field) => quoteName(field.name)).join(', ')
  const isNull = key.map((field) => `${quoteName(field.name)} IS NULL`).join(' OR ')
  const wrong = await session.query(
    `SELECT concat_ws(', ', ${columns}) AS key, count(*)::DOUBLE AS n FROM ${source}
     GROUP BY ${columns} HAVING count(*) > 1 OR ${isNull} LIMIT ${SHOWN_KEYS}`,
  )
  if (wrong.rows.length === 0) return
  const names = key.map((field) => field.name).join(', ')
  const nulls = await session.query(`SELECT count(*)::DOUBLE AS n FROM ${source} WHERE ${isNull}`)
  const nullRows = Number(nulls.rows[0]?.['n'])
  if (nullRows > 0) {
    throw new EngineError(
      'data-invalid',
      `${nullRows} rows of the source have null in their key (${names}): leave them out or append them`,
      { context: { key: names, rows: nullRows } },
    )
  }
  const shown = wrong.rows.map((row) => `(${textOf(row['key'])}) ${Number(row['n'])} times`)
  throw new EngineError(
    'data-invalid',
    `the source has the same key (${names}) more than once: ${shown.join(', ')}; keep one row a key`,
    { context: { key: names, duplicates: wrong.rows.map((row) => row['key']) } },
  )
}
