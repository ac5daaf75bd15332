import type { Value } from '../spec/type.js'

/** How a column is compared with a literal. */
export type ComparisonOperator = 'eq' | 'not-eq' | 'lt' | 'lt-eq' | 'gt' | 'gt-eq'

/** A predicate over a table's columns, by name (dots reach into structs). SQL's three-valued logic. */
export type Expression =
  | { readonly kind: 'true' }
  | { readonly kind: 'false' }
  | { readonly kind: 'and'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'not'; readonly child: Expression }
  | {
      readonly kind: 'compare'
      readonly op: ComparisonOperator
      readonly column: string
      readonly value: Value
    }
  | {
      readonly kind: 'in'
      readonly column: string
      readonly values: readonly Value[]
      readonly negated: boolean
    }
  | { readonly kind: 'is-null'; readonly column: string; readonly negated: boolean }
  | { readonly kind: 'is-nan'; readonly column: string; readonly negated: boolean }
  | {
      readonly kind: 'starts-with'
      readonly column: string
      readonly prefix: string
      readonly negated: boolean
    }

/** True for every row. */
export const alwaysTrue: Expression = { kind: 'true' }
/** True for no row. */
export const alwaysFalse: Expression = { kind: 'false' }
/** True where the column equals the value; null where the column is null, as in every comparison. */
export const eq = (column: string, value: Value): Expression => ({ kind: 'compare', op: 'eq', column, value })
/** True where the column is another value; not where it is null. */
export const notEq = (column: string, value: Value): Expression => ({
  kind: 'compare',
  op: 'not-eq',
  column,
  value,
})
/** True where the column is below the value. NaN is the greatest number. */
export const lt = (column: string, value: Value): Expression => ({ kind: 'compare', op: 'lt', column, value })
/** True where the column is the value or below it. */
export const ltEq = (column: string, value: Value): Expression => ({
  kind: 'compare',
  op: 'lt-eq',
  column,
  value,
})
/** True where the column is above the value. NaN is the greatest number. */
export const gt = (column: string, value: Value): Expression => ({ kind: 'compare', op: 'gt', column, value })
/** True where the column is the value or above it. */
export const gtEq = (column: string, value: Value): Expression => ({
  kind: 'compare',
  op: 'gt-eq',
  column,
  value,
})
/** True where the column equals one of the values. */
export const isIn = (column: string, values: readonly Value[]): Expression => ({
  kind: 'in',
  column,
  values,
  negated: false,
})
/** True where the column equals none of the values; not where it is null. */
export const notIn = (column: string, values: readonly Value[]): Expression => ({
  kind: 'in',
  column,
  values,
  negated: true,
})
/** True for NaN, false for numbers, unknown for null. */
export const isNaN = (column: string): Expression => ({ kind: 'is-nan', column, negated: false })
/** True where the number is none of NaN; not where it is null. */
export const notNaN = (column: string): Expression => ({ kind: 'is-nan', column, negated: true })
/** True where the column, or a struct around it, is null. */
export const isNull = (column: string): Expression => ({ kind: 'is-null', column, negated: false })
/** True where the column is not null. */
export const notNull = (column: string): Expression => ({ kind: 'is-null', column, negated: true })
/** True where the text begins with the prefix. */
export const startsWith = (column: string, prefix: string): Expression => ({
  kind: 'starts-with',
  column,
  prefix,
  negated: false,
})
/** True where the text does not begin with the prefix; not where it is null. */
export const notStartsWith = (column: string, prefix: string): Expression => ({
  kind: 'starts-with',
  column,
  prefix,
  negated: true,
})
/** True where the child is false. A row of which the child is null stays out. */
export const not = (child: Expression): Expression => ({ kind: 'not', child })

/** True where all children are; of none: `alwaysTrue`. */
export function and(...children: readonly Expression[]): Expression {
  return children.reduce((left, right) => {
    if (left.kind === 'true') return right
    return right.kind === 'true' ? left : { kind: 'and', left, right }
  }, alwaysTrue)
}

/** True where any child is; of none: `alwaysFalse`. */
export function or(...children: readonly Expression[]): Expression {
  return children.reduce((left, right) => {
    if (left.kind === 'false') return right
    return right.kind === 'false' ? left : { kind: 'or', left, right }
  }, alwaysFalse)
}
