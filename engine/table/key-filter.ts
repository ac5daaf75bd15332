import type { Expression } from '../../iceberg/expr/expression.js'
import { alwaysFalse, alwaysTrue, and, gtEq, isIn, ltEq } from '../../iceberg/expr/expression.js'
import type { NestedField, PrimitiveType, Value } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { quoteName } from '../duckdb/sql-text.js'
import type { EngineSession } from '../engine.js'
import { rowValue } from './row-value.js'

/** Above, the least and greatest key choose the files instead of the keys themselves. */
const FEW_KEYS = 10_000

/** What rows whose `columns` equal those of some row of `source` match: chooses the files worth a look. */
export async function keyFilter(
  session: EngineSession,
  source: string,
  columns: readonly NestedField[],
): Promise<Expression> {
  const bounded = columns.filter(({ type }) => isPrimitive(type) && isComparable(type))
  if (bounded.length === 0) return alwaysTrue
  const measures = bounded.map(({ name }, at) => {
    const column = quoteName(name)
    return `approx_count_distinct(${column})::DOUBLE AS c${at}, min(${column}) AS l${at}, max(${column}) AS h${at}`
  })
  const { rows } = await session.query(`SELECT ${measures.join(', ')} FROM ${source}`)
  const filters: Expression[] = []
  for (const [at, { name, type }] of bounded.entries()) {
    if (!isPrimitive(type)) continue
    const isFew = Number(rows[0]?.[`c${at}`]) <= FEW_KEYS / 2
    const values = isFew ? await valuesFilter(session, source, name, type) : undefined
    filters.push(
      values ?? rangeFilter(name, rowValue(type, rows[0]?.[`l${at}`]), rowValue(type, rows[0]?.[`h${at}`])),
    )
  }
  return and(...filters)
}

/** NaN and -0 make bounds of floats a trap. */
function isComparable(type: PrimitiveType): boolean {
  return type !== 'float' && type !== 'double'
}

async function valuesFilter(
  session: EngineSession,
  source: string,
  name: string,
  type: PrimitiveType,
): Promise<Expression | undefined> {
  const column = quoteName(name)
  const { rows } = await session.query(
    `SELECT DISTINCT ${column} AS v FROM ${source} WHERE ${column} IS NOT NULL LIMIT ${FEW_KEYS + 1}`,
    { limit: FEW_KEYS + 1 },
  )
  if (rows.length > FEW_KEYS) return undefined
  const values = rows.map((row) => rowValue(type, row['v'])).filter((value) => value !== null)
  return values.length === 0 ? alwaysFalse : isIn(name, values)
}

function rangeFilter(name: string, low: Value | null, high: Value | null): Expression {
  if (low === null || high === null) return alwaysFalse
  return typeof low === 'boolean' ? alwaysTrue : and(gtEq(name, low), ltEq(name, high))
}
