import { bind, type BoundColumn, type BoundExpression } from '../../iceberg/expr/bind.js'
import type { ComparisonOperator, Expression } from '../../iceberg/expr/expression.js'
import { structPath } from '../../iceberg/spec/schema.js'
import type { PrimitiveType, Schema, Value } from '../../iceberg/spec/type.js'
import { quoteName, quoteText } from '../duckdb/sql-text.js'
import { valueSql } from '../duckdb/value-sql.js'

/**
 * A predicate as DuckDB's SQL over the columns of `alias` (default: unqualified), with the same truth, null included:
 * DuckDB orders NaN above all numbers and text by its bytes, as `evaluate` does.
 */
export function expressionSql(schema: Schema, expression: Expression, alias?: string): string {
  return boundSql(bind(schema, expression), (column) => columnSql(schema, column, alias))
}

/** A value as a literal of its type. A NUL within a literal would end the statement. */
function literalSql(type: PrimitiveType, value: Value): string {
  if (typeof value !== 'string' || !value.includes('\0')) return valueSql(type, value)
  return `decode(unhex('${Buffer.from(value).toString('hex')}'))`
}

const OPERATORS: Readonly<Record<ComparisonOperator, string>> = {
  eq: '=',
  'not-eq': '<>',
  lt: '<',
  'lt-eq': '<=',
  gt: '>',
  'gt-eq': '>=',
}

function boundSql(expression: BoundExpression, columnOf: (column: BoundColumn) => string): string {
  switch (expression.kind) {
    case 'true':
    case 'false':
      return expression.kind
    case 'and':
    case 'or': {
      const operator = expression.kind.toUpperCase()
      return `(${boundSql(expression.left, columnOf)} ${operator} ${boundSql(expression.right, columnOf)})`
    }
    default: {
      const column = columnOf(expression.column)
      const { type } = expression.column
      switch (expression.kind) {
        case 'compare':
          return `${column} ${OPERATORS[expression.op]} ${literalSql(type, expression.value)}`
        case 'in': {
          const values = expression.values.map((value) => literalSql(type, value)).join(', ')
          return `${column} ${expression.negated ? 'NOT IN' : 'IN'} (${values})`
        }
        case 'is-null':
          return `${column} IS ${expression.negated ? 'NOT NULL' : 'NULL'}`
        case 'is-nan':
          return `${expression.negated ? 'NOT ' : ''}isnan(${column})`
        case 'starts-with':
          return `${expression.negated ? 'NOT ' : ''}starts_with(${column}, ${literalSql('string', expression.prefix)})`
      }
    }
  }
}

function columnSql(schema: Schema, column: BoundColumn, alias: string | undefined): string {
  const [first = column.name, ...inner] = structPath(schema, column.id) ?? []
  const root = alias === undefined ? quoteName(first) : `${alias}.${quoteName(first)}`
  return inner.reduce((parent, name) => `struct_extract(${parent}, ${quoteText(name)})`, root)
}
