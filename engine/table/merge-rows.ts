import { IcebergError } from '../../iceberg/error.js'
import { alwaysTrue, and, type Expression } from '../../iceberg/expr/expression.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { NestedField, Schema } from '../../iceberg/spec/type.js'
import { quoteName, sqlType } from '../duckdb/sql-text.js'
import { EngineError, type EngineSession } from '../engine.js'
import { fileOfPlace, PLACE, positionOfPlace } from '../row-place.js'
import { assignedColumns } from './assignments.js'
import type { Basis, ComputedChange } from './compute-change.js'
import { changeSettings } from './delete-rows.js'
import { expressionSql } from './expression-sql.js'
import { keyFilter } from './key-filter.js'
import { applyDelta } from './row-delta.js'
import { keepSource, keepSourceAsIs } from './source-relation.js'
import type { MatchedClause, Merge } from './table.js'
import { textOf } from './row-value.js'
import { addTarget, columnList, planTarget } from './target-rows.js'

/** Every pair of a target row and a source row it matches: (place, _src, _clause, the new columns). */
const PAIRS = '_firn_pairs'
/** The same of target rows without a source row. */
const UNMATCHED = '_firn_unmatched'
/** What a clause was taken for: (place, _clause, the new columns). */
const TAKEN = '_firn_taken'
const INSERTED = '_firn_inserted'

/** SQL's MERGE: each row takes the first clause whose condition is true. */
export async function mergeRows(basis: Basis, merge: Merge): Promise<ComputedChange> {
  const { schema, metadata } = basis
  const { whenMatched = [], whenNotMatched = [], whenNotMatchedBySource = [] } = merge
  checkClauses(whenNotMatchedBySource)
  const on = typeof merge.on === 'string' ? merge.on : equalColumns(merge.on)
  const session = await basis.session()
  const source = await keepMergeSource(session, schema, merge)
  const filter = await targetFilter(basis, merge, session, source)
  const tasks = await planTarget(basis, filter)
  const all = await addTarget(basis, '_firn_all', tasks)
  const wanted = merge.filter === undefined ? 'true' : expressionSql(schema, merge.filter, 't')
  const target = `(SELECT * FROM ${all} t WHERE ${wanted})`
  await session.addRelation({
    kind: 'query',
    name: PAIRS,
    sql: `SELECT target.${PLACE}, source.rowid AS "_src", ${clauseColumns(schema, whenMatched)}
      FROM ${source} AS source JOIN ${target} AS target ON (${on})`,
  })
  await session.addRelation({
    kind: 'query',
    name: UNMATCHED,
    sql: `SELECT target.${PLACE}, ${clauseColumns(schema, whenNotMatchedBySource)}
      FROM ${target} AS target WHERE ${whenNotMatchedBySource.length > 0}
      AND target.${PLACE} NOT IN (SELECT ${PLACE} FROM ${PAIRS})`,
  })
  await refuseTwoSources(session, tasks)
  await addTaken(session, schema)
  await addInserted(session, schema, source, whenNotMatched)
  const { change } = await applyDelta(basis, {
    tasks,
    whole: [],
    gone: TAKEN,
    fresh: [
      `SELECT ${columnList(schema)} FROM ${TAKEN} WHERE "_updates"`,
      `SELECT ${columnList(schema)} FROM ${INSERTED}`,
    ],
    filter,
    ...changeSettings(metadata, 'merge', merge),
  })
  return { change, rows: await countRows(session) }
}

async function keepMergeSource(session: EngineSession, schema: Schema, merge: Merge): Promise<string> {
  const isRows = !('sql' in merge.source) && !('rows' in merge.source)
  return isRows ? keepSource(session, schema, merge.source) : keepSourceAsIs(session, schema, merge.source)
}

/** Only where rows without a source row stay as they are do the source's keys choose the files. */
async function targetFilter(
  basis: Basis,
  merge: Merge,
  session: EngineSession,
  source: string,
): Promise<Expression> {
  const given = merge.filter ?? alwaysTrue
  if (typeof merge.on === 'string' || (merge.whenNotMatchedBySource ?? []).length > 0) return given
  const columns = merge.on.map((name) => keyColumn(basis.schema, name))
  const typed = columns.map(
    ({ name, type }) => `TRY_CAST(${quoteName(name)} AS ${sqlType(type)}) AS ${quoteName(name)}`,
  )
  return and(given, await keyFilter(session, `(SELECT ${typed.join(', ')} FROM ${source})`, columns))
}

function keyColumn(schema: Schema, name: string): NestedField {
  const field = schema.fields.find((candidate) => candidate.name === name)
  if (field !== undefined) return field
  const known = schema.fields.map((candidate) => candidate.name).join(', ')
  throw new IcebergError('invalid-argument', `no column '${name}' to merge on; the table has ${known}`)
}

function equalColumns(names: readonly string[]): string {
  if (names.length === 0) {
    throw new IcebergError('invalid-argument', 'a merge needs columns to merge on, or SQL')
  }
  return names.map((name) => `target.${quoteName(name)} = source.${quoteName(name)}`).join(' AND ')
}

function checkClauses(bySource: readonly MatchedClause[]): void {
  if (!bySource.some((clause) => 'update' in clause && clause.update === 'all')) return
  throw new IcebergError(
    'invalid-argument',
    `whenNotMatchedBySource cannot update 'all' columns, since there is no source row: name the columns`,
  )
}

/** `_clause` (null: none), `_updates` and the table's columns as the clause taken makes them. */
function clauseColumns(schema: Schema, clauses: readonly MatchedClause[]): string {
  const values = clauses.map((clause) =>
    'update' in clause
      ? assignedColumns(schema, clause.update, (name) => `target.${quoteName(name)}`)
      : undefined,
  )
  const choose = (of: (index: number) => string, type: string): string => {
    const rungs = clauses.map((clause, index) => `WHEN (${clause.when ?? 'true'}) THEN ${of(index)}`)
    return rungs.length === 0 ? `CAST(NULL AS ${type})` : `CAST(CASE ${rungs.join(' ')} END AS ${type})`
  }
  return [
    `${choose(String, 'INTEGER')} AS "_clause"`,
    `${choose((index) => String(values[index] !== undefined), 'BOOLEAN')} AS "_updates"`,
    ...schema.fields.map(
      ({ name, type }, at) =>
        `${choose((index) => values[index]?.[at] ?? 'NULL', sqlType(type))} AS ${quoteName(name)}`,
    ),
  ].join(', ')
}

async function refuseTwoSources(session: EngineSession, tasks: readonly FileScanTask[]): Promise<void> {
  const { rows } = await session.query(
    `SELECT ${fileOfPlace(PLACE)}::DOUBLE AS file, ${positionOfPlace(PLACE)} AS pos, count(*)::DOUBLE AS n
     FROM ${PAIRS} WHERE "_clause" IS NOT NULL GROUP BY ${PLACE} HAVING count(*) > 1 LIMIT 1`,
  )
  const [row] = rows
  if (row === undefined) return
  const file = tasks[Number(row['file'])]?.file.filePath ?? ''
  throw new EngineError(
    'data-invalid',
    `${Number(row['n'])} rows of the source want to change one row of the table (row ${textOf(row['pos'])} of ${file}): make the source's rows distinct by what it is merged on`,
    { context: { file, position: textOf(row['pos']) } },
  )
}

async function addTaken(session: EngineSession, schema: Schema): Promise<void> {
  const select = (from: string): string =>
    `SELECT ${PLACE}, "_updates", ${columnList(schema)} FROM ${from} WHERE "_clause" IS NOT NULL`
  const sql = `${select(PAIRS)} UNION ALL ${select(UNMATCHED)}`
  await session.addRelation({ kind: 'query', name: TAKEN, sql, lazy: true })
}

async function addInserted(
  session: EngineSession,
  schema: Schema,
  source: string,
  clauses: NonNullable<Merge['whenNotMatched']>,
): Promise<void> {
  const values = clauses.map(({ insert }) => assignedColumns(schema, insert, () => 'NULL'))
  const rungs = (of: (index: number) => string): string =>
    `CASE ${clauses.map(({ when = 'true' }, index) => `WHEN (${when}) THEN ${of(index)}`).join(' ')} END`
  const columns = schema.fields.map(({ name, type }, at) =>
    clauses.length === 0
      ? `CAST(NULL AS ${sqlType(type)}) AS ${quoteName(name)}`
      : `${rungs((index) => values[index]?.[at] ?? 'NULL')} AS ${quoteName(name)}`,
  )
  const isTaken = clauses.length === 0 ? 'false' : `coalesce(${rungs(() => 'true')}, false)`
  await session.addRelation({
    kind: 'query',
    name: INSERTED,
    sql: `SELECT ${columns.join(', ')} FROM ${source} AS source WHERE ${isTaken}
      AND source.rowid NOT IN (SELECT "_src" FROM ${PAIRS})`,
  })
}

async function countRows(session: EngineSession): Promise<ComputedChange['rows']> {
  const { rows } = await session.query(
    `SELECT (SELECT count(*) FROM ${INSERTED})::DOUBLE AS added,
       (SELECT count(*) FROM ${TAKEN} WHERE "_updates")::DOUBLE AS updated,
       (SELECT count(*) FROM ${TAKEN} WHERE NOT "_updates")::DOUBLE AS deleted`,
  )
  const count = (name: string): number => Number(rows[0]?.[name])
  return { added: count('added'), updated: count('updated'), deleted: count('deleted') }
}
