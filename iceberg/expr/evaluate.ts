import { structPath } from '../spec/schema.js'
import { compareValues } from '../spec/single-value.js'
import type { PrimitiveType, Schema, Value } from '../spec/type.js'
import type { BoundColumn, BoundExpression, BoundPredicate } from './bind.js'
import { bind } from './bind.js'
import type { ComparisonOperator, Expression } from './expression.js'

/** The expression's truth for one row by SQL's three-valued logic; null is "unknown", which a filter drops. */
export function evaluate(
  expression: BoundExpression,
  valueOf: (column: BoundColumn) => Value | null,
): boolean | null {
  switch (expression.kind) {
    case 'true':
      return true
    case 'false':
      return false
    case 'and': {
      const left = evaluate(expression.left, valueOf)
      if (left === false) return false
      const right = evaluate(expression.right, valueOf)
      return right === false ? false : left && right
    }
    case 'or': {
      const left = evaluate(expression.left, valueOf)
      if (left === true) return true
      const right = evaluate(expression.right, valueOf)
      return right === true ? true : left === null ? null : right
    }
    default:
      return evaluatePredicate(expression, valueOf(expression.column))
  }
}

/** A row evaluator over plain objects: columns by name, structs as objects. */
export function rowEvaluator(
  schema: Schema,
  expression: Expression,
): (row: Readonly<Record<string, unknown>>) => boolean | null {
  const bound = bind(schema, expression)
  return (row) =>
    evaluate(bound, (column) => {
      let value: unknown = row
      for (const name of structPath(schema, column.id) ?? []) {
        value = (value as Readonly<Record<string, unknown>> | null | undefined)?.[name]
      }
      return (value ?? null) as Value | null
    })
}

/** NaN is greater than every number, as in DuckDB and Spark. */
export function evaluatePredicate(predicate: BoundPredicate, value: Value | null): boolean | null {
  if (predicate.kind === 'is-null') return (value === null) !== predicate.negated
  if (value === null) return null
  const { type } = predicate.column
  switch (predicate.kind) {
    case 'compare':
      return holds(predicate.op, compareValues(type, value, predicate.value))
    case 'in':
      return includesValue(type, predicate.values, value) !== predicate.negated
    case 'is-nan':
      return Number.isNaN(value) !== predicate.negated
    case 'starts-with':
      return (typeof value === 'string' && value.startsWith(predicate.prefix)) !== predicate.negated
  }
}

export function holds(op: ComparisonOperator, order: number): boolean {
  switch (op) {
    case 'eq':
      return order === 0
    case 'not-eq':
      return order !== 0
    case 'lt':
      return order < 0
    case 'lt-eq':
      return order <= 0
    case 'gt':
      return order > 0
    case 'gt-eq':
      return order >= 0
  }
}

/** The position of the first of the sorted values that is not below `value`. */
export function lowerIndex(type: PrimitiveType, sorted: readonly Value[], value: Value): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const candidate = sorted[middle]
    if (candidate !== undefined && compareValues(type, candidate, value) < 0) low = middle + 1
    else high = middle
  }
  return low
}

export function includesValue(type: PrimitiveType, sorted: readonly Value[], value: Value): boolean {
  const found = sorted[lowerIndex(type, sorted, value)]
  return found !== undefined && compareValues(type, found, value) === 0
}
