import type { Value } from '../spec/type.js'

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

export const alwaysTrue: Expression = { kind: 'true' }
export const alwaysFalse: Expression = { kind: 'false' }
export const eq = (column: string, value: Value): Expression => ({ kind: 'compare', op: 'eq', column, value })
export const notEq = (column: string, value: Value): Expression => ({
  kind: 'compare',
  op: 'not-eq',
  column,
  value,
})
export const lt = (column: string, value: Value): Expression => ({ kind: 'compare', op: 'lt', column, value })
export const ltEq = (column: string, value: Value): Expression => ({
  kind: 'compare',
  op: 'lt-eq',
  column,
  value,
})
export const gt = (column: string, value: Value): Expression => ({ kind: 'compare', op: 'gt', column, value })
export const gtEq = (column: string, value: Value): Expression => ({
  kind: 'compare',
  op: 'gt-eq',
  column,
  value,
})
export const isIn = (column: string, values: readonly Value[]): Expression => ({
  kind: 'in',
  column,
  values,
  negated: false,
})
export const notIn = (column: string, values: readonly Value[]): Expression => ({
  kind: 'in',
  column,
  values,
  negated: true,
})
/** True for NaN, false for numbers, unknown for null. */
export const isNaN = (column: string): Expression => ({ kind: 'is-nan', column, negated: false })
export const notNaN = (column: string): Expression => ({ kind: 'is-nan', column, negated: true })
export const isNull = (column: string): Expression => ({ kind: 'is-null', column, negated: false })
export const notNull = (column: string): Expression => ({ kind: 'is-null', column, negated: true })
export const startsWith = (column: string, prefix: string): Expression => ({
  kind: 'starts-with',
  column,
  prefix,
  negated: false,
})
export const notStartsWith = (column: string, prefix: string): Expression => ({
  kind: 'starts-with',
  column,
  prefix,
  negated: true,
})
export const not = (child: Expression): Expression => ({ kind: 'not', child })

export function and(...children: readonly Expression[]): Expression {
  return children.reduce((left, right) => {
    if (left.kind === 'true') return right
    return right.kind === 'true' ? left : { kind: 'and', left, right }
  }, alwaysTrue)
}

export function or(...children: readonly Expression[]): Expression {
  return children.reduce((left, right) => {
    if (left.kind === 'false') return right
    return right.kind === 'false' ? left : { kind: 'or', left, right }
  }, alwaysFalse)
}
