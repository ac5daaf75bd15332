import { IcebergError, assertNever } from '../error.js'
import { fieldByName, structPath } from '../spec/schema.js'
import { compareValues, isLongLike } from '../spec/single-value.js'
import type { PrimitiveType, Schema, Value } from '../spec/type.js'
import { isPrimitive } from '../spec/type.js'
import type { ComparisonOperator, Expression } from './expression.js'

/** A column as a predicate means it: by field id. `name` is the full name at binding. */
export interface BoundColumn {
  readonly id: number
  readonly name: string
  readonly type: PrimitiveType
}

export type BoundPredicate =
  | {
      readonly kind: 'compare'
      readonly op: ComparisonOperator
      readonly column: BoundColumn
      readonly value: Value
    }
  /** Values are sorted and distinct. */
  | {
      readonly kind: 'in'
      readonly column: BoundColumn
      readonly values: readonly Value[]
      readonly negated: boolean
    }
  | { readonly kind: 'is-null'; readonly column: BoundColumn; readonly negated: boolean }
  | { readonly kind: 'is-nan'; readonly column: BoundColumn; readonly negated: boolean }
  | {
      readonly kind: 'starts-with'
      readonly column: BoundColumn
      readonly prefix: string
      readonly negated: boolean
    }

/** An expression over field ids, without `not`: negation is pushed into the predicates, which SQL's logic allows. */
export type BoundExpression =
  | { readonly kind: 'true' }
  | { readonly kind: 'false' }
  | { readonly kind: 'and'; readonly left: BoundExpression; readonly right: BoundExpression }
  | { readonly kind: 'or'; readonly left: BoundExpression; readonly right: BoundExpression }
  | BoundPredicate

/** Resolves names to field ids and literals to the columns' types. Throws `invalid-argument`. */
export function bind(schema: Schema, expression: Expression): BoundExpression {
  return bindExpression(schema, expression, false)
}

/** Field ids of the columns that it looks at. */
export function columnsOf(expression: BoundExpression): readonly number[] {
  switch (expression.kind) {
    case 'true':
    case 'false':
      return []
    case 'and':
    case 'or':
      return [...columnsOf(expression.left), ...columnsOf(expression.right)]
    default:
      return [expression.column.id]
  }
}

export function negatePredicate(predicate: BoundPredicate): BoundPredicate {
  return predicate.kind === 'compare'
    ? { ...predicate, op: OPPOSITES[predicate.op] }
    : { ...predicate, negated: !predicate.negated }
}

export function boundAnd(left: BoundExpression, right: BoundExpression): BoundExpression {
  if (left.kind === 'true' || right.kind === 'false') return right
  if (right.kind === 'true' || left.kind === 'false') return left
  return { kind: 'and', left, right }
}

export function boundOr(left: BoundExpression, right: BoundExpression): BoundExpression {
  if (left.kind === 'false' || right.kind === 'true') return right
  if (right.kind === 'false' || left.kind === 'true') return left
  return { kind: 'or', left, right }
}

/** A predicate `column IN values`; the values need not be sorted. */
export function boundIn(column: BoundColumn, values: readonly Value[], negated = false): BoundExpression {
  const sorted = [...values].sort((a, b) => compareValues(column.type, a, b))
  const distinct = sorted.filter((value, index) => {
    const before = sorted[index - 1]
    return before === undefined || compareValues(column.type, before, value) !== 0
  })
  if (distinct.length === 0) return negated ? { kind: 'is-null', column, negated: true } : { kind: 'false' }
  return { kind: 'in', column, values: distinct, negated }
}

const OPPOSITES: Readonly<Record<ComparisonOperator, ComparisonOperator>> = {
  eq: 'not-eq',
  'not-eq': 'eq',
  lt: 'gt-eq',
  'lt-eq': 'gt',
  gt: 'lt-eq',
  'gt-eq': 'lt',
}

function bindExpression(schema: Schema, expression: Expression, negated: boolean): BoundExpression {
  switch (expression.kind) {
    case 'true':
    case 'false':
      return { kind: (expression.kind === 'true') === negated ? 'false' : 'true' }
    case 'not':
      return bindExpression(schema, expression.child, !negated)
    case 'and':
    case 'or': {
      const left = bindExpression(schema, expression.left, negated)
      const right = bindExpression(schema, expression.right, negated)
      return (expression.kind === 'and') === negated ? boundOr(left, right) : boundAnd(left, right)
    }
    default: {
      const bound = bindPredicate(schema, expression)
      if (!negated || bound.kind === 'true' || bound.kind === 'and' || bound.kind === 'or') return bound
      return bound.kind === 'false' ? { kind: 'true' } : negatePredicate(bound)
    }
  }
}

type Predicate = Exclude<Expression, { readonly kind: 'true' | 'false' | 'and' | 'or' | 'not' }>

function bindPredicate(schema: Schema, predicate: Predicate): BoundExpression {
  const column = bindColumn(schema, predicate.column)
  switch (predicate.kind) {
    case 'compare':
      return { ...predicate, column, value: coerce(column, predicate.value) }
    case 'in':
      return boundIn(
        column,
        predicate.values.map((value) => coerce(column, value)),
        predicate.negated,
      )
    case 'is-null':
      return { ...predicate, column }
    case 'is-nan':
      if (column.type !== 'float' && column.type !== 'double') throw notFor(column, 'is-nan')
      return { ...predicate, column }
    case 'starts-with':
      if (column.type !== 'string') throw notFor(column, 'starts-with')
      return { ...predicate, column }
    default:
      return assertNever(predicate)
  }
}

function bindColumn(schema: Schema, name: string): BoundColumn {
  const field = fieldByName(schema, name)
  if (field === undefined) {
    const known = schema.fields.map((candidate) => candidate.name).join(', ')
    throw new IcebergError('invalid-argument', `no column '${name}'; the table has ${known}`)
  }
  if (!isPrimitive(field.type) || structPath(schema, field.id) === undefined) {
    throw new IcebergError(
      'invalid-argument',
      `column '${name}' cannot be filtered on: choose a primitive column outside lists and maps`,
    )
  }
  return { id: field.id, name, type: field.type }
}

function coerce(column: BoundColumn, value: Value): Value {
  const { type } = column
  const isNumber = typeof value === 'number' || typeof value === 'bigint'
  const isWhole = typeof value === 'bigint' || Number.isInteger(value)
  if (type === 'boolean' && typeof value === 'boolean') return value
  if ((type === 'int' || type === 'date') && isWhole) return Number(value)
  if (isLongLike(type) && isNumber && isWhole) return BigInt(value)
  if (type === 'double' && isNumber && !Number.isNaN(value)) return Number(value)
  // A float column holds no 0.1, only the float nearest to it.
  if (type === 'float' && isNumber && !Number.isNaN(value)) return Math.fround(Number(value))
  if (type === 'string' && typeof value === 'string') return value
  if (type === 'uuid' && typeof value === 'string') return value.toLowerCase()
  if (type.startsWith('decimal') && typeof value === 'bigint') return value
  if (/^(binary|fixed)/.test(type) && value instanceof Uint8Array) return value
  const hint = Number.isNaN(value) ? ': use is-nan' : ''
  throw new IcebergError(
    'invalid-argument',
    `${typeof value} '${String(value)}' cannot be compared with column '${column.name}' of type ${type}${hint}`,
  )
}

function notFor(column: BoundColumn, predicate: string): IcebergError {
  return new IcebergError(
    'invalid-argument',
    `${predicate} does not apply to column '${column.name}' of type ${column.type}`,
  )
}
