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
  const counted = columns.map(({ name }) => `approx_count_distinct(${quoteName(name)})::DOUBLE`)
  const { rows } = await session.query(
    `SELECT ${counted.map((sql, at) => `${sql} AS c${at}`).join(', ')} FROM ${source}`,
  )
  const filters: Expression[] = []
  for (const [at, column] of columns.entries()) {
    if (!isPrimitive(column.type) || !isComparable(column.type)) continue
    const isFew = Number(rows[0]?.[`c${at}`]) <= FEW_KEYS / 2
    filters.push(
      isFew
        ? await valuesFilter(session, source, column.name, column.type)
        : await rangeFilter(session, source, column.name, column.type),
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
): Promise<Expression> {
  const column = quoteName(name)
  const { rows } = await session.query(
    `SELECT DISTINCT ${column} AS v FROM ${source} WHERE ${column} IS NOT NULL LIMIT ${FEW_KEYS + 1}`,
    { limit: FEW_KEYS + 1 },
  )
  if (rows.length > FEW_KEYS) return rangeFilter(session, source, name, type)
  const values = rows.map((row) => rowValue(type, row['v'])).filter((value) => value !== null)
  return values.length === 0 ? alwaysFalse : isIn(name, values)
}

async function rangeFilter(
  session: EngineSession,
  source: string,
  name: string,
  type: PrimitiveType,
): Promise<Expression> {
  const column = quoteName(name)
  const { rows } = await session.query(`SELECT min(${column}) AS low, max(${column}) AS high FROM ${source}`)
  const bound = (of: 'low' | 'high'): Value | null => rowValue(type, rows[0]?.[of])
  const [low, high] = [bound('low'), bound('high')]
  if (low === null || high === null) return alwaysFalse
  return typeof low === 'boolean' ? alwaysTrue : and(gtEq(name, low), ltEq(name, high))
}
