import type { EngineSession } from '../../engine/engine.js'
import { fitsColumn } from '../../schemas/column-types.js'
import { FirnError } from '../../schemas/error.js'
import { relationSql } from '../views/add-rows.js'
import type { ResolvedFeature, ResolvedView } from '../views/resolved-view.js'

/** Column → the engine's name of its type, in their order. */
export type Columns = ReadonlyMap<string, string>

export async function columnsOf(session: EngineSession, relation: string): Promise<Columns> {
  const { columns } = await session.query(`SELECT * FROM ${relationSql(relation)} LIMIT 0`)
  return new Map(columns.map(({ name, type }) => [name, type]))
}

/** Entity rows need a time, and no column that a feature would be called. */
export function checkEntityRows(
  of: { readonly timestampField: string; readonly features: readonly ResolvedFeature[] },
  given: Columns,
): void {
  checkTime('entity rows', of.timestampField, given)
  const taken = new Set([...given.keys()].map((name) => name.toLowerCase()))
  for (const { view, feature, column } of of.features) {
    if (taken.has(column.toLowerCase())) {
      throw wrong(
        `${view}:${feature} would be the column ${column}, which entity rows have already or another feature is called. Rename that, or set fullFeatureNames.`,
      )
    }
    taken.add(column.toLowerCase())
  }
}

/** A view's relation has what its definition says: keys that compare with those of the entity rows, times, features. */
export function checkView(of: {
  readonly view: ResolvedView
  readonly given: Columns
  readonly columns: Columns
}): void {
  const { view, given, columns } = of
  const where = `feature view "${view.name}"`
  for (const key of view.joinKeys) {
    const [asked, is] = [typeOf('entity rows', key, given), typeOf(where, key, columns)]
    if (kindOf(asked) !== kindOf(is)) {
      throw wrong(
        `the join key ${key} is ${asked} in the entity rows, but ${is} in ${where}: they can't be compared. Cast one of them.`,
      )
    }
  }
  checkTime(where, view.timestampField, columns)
  if (view.createdTimestampField !== undefined) checkTime(where, view.createdTimestampField, columns)
  for (const { name, type } of view.schema) {
    const is = typeOf(where, name, columns)
    if (fitsColumn(type, is)) continue
    throw wrong(
      `${where} gives ${is} in the column ${name}, which is declared ${JSON.stringify(type)}. Correct its schema, or cast it in its SQL.`,
    )
  }
}

const TIMES = /^(DATE|TIMESTAMP|TIMESTAMP WITH TIME ZONE|TIMESTAMPTZ)$/

function checkTime(where: string, column: string, columns: Columns): void {
  const is = typeOf(where, column, columns)
  if (TIMES.test(is)) return
  throw wrong(`${where}: ${column} is ${is}; a time is a timestamptz, a timestamp (read in UTC) or a date.`)
}

/** SQL finds a column however its name is written; definitions say it as it is. */
function typeOf(where: string, column: string, columns: Columns): string {
  const type = columns.get(column)
  if (type !== undefined) return type
  throw wrong(`${where}: there is no column ${column}; there are ${[...columns.keys()].join(', ')}.`)
}

const KINDS: readonly (readonly [RegExp, string])[] = [
  [/^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|DECIMAL.*)$/, 'exact number'],
  [/^(FLOAT|DOUBLE)$/, 'float'],
  [/^(VARCHAR|ENUM.*)$/, 'text'],
  [/^TIMESTAMP.*$/, 'timestamp'],
]

/** Types of one kind compare by value; others by a cast that fails on some of them, or takes two values for one. */
function kindOf(type: string): string {
  return KINDS.find(([pattern]) => pattern.test(type))?.[1] ?? type
}

function wrong(message: string): FirnError {
  return new FirnError('config', message)
}
