import type { PartitionSpec, Transform } from '../spec/partition-spec.js'
import { applyTransform, parseTransform } from '../spec/transform.js'
import type { PrimitiveType, Value } from '../spec/type.js'
import type { BoundColumn, BoundExpression, BoundPredicate } from './bind.js'
import { boundAnd, boundIn, boundOr } from './bind.js'

const TRUE: BoundExpression = { kind: 'true' }

/**
 * Inclusive projection: an expression over the partition fields of `spec` (columns by partition field id) that is true for
 * every partition which a matching row can be in.
 */
export function projectInclusive(
  expression: BoundExpression,
  spec: PartitionSpec,
  partitionTypes: readonly (PrimitiveType | undefined)[],
): BoundExpression {
  switch (expression.kind) {
    case 'true':
    case 'false':
      return expression
    case 'and':
    case 'or': {
      const left = projectInclusive(expression.left, spec, partitionTypes)
      const right = projectInclusive(expression.right, spec, partitionTypes)
      return expression.kind === 'and' ? boundAnd(left, right) : boundOr(left, right)
    }
    default:
      return spec.fields.reduce<BoundExpression>((projected, field, index) => {
        const type = partitionTypes[index]
        if (field['source-id'] !== expression.column.id || type === undefined) return projected
        const column = { id: field['field-id'], name: field.name, type }
        return boundAnd(projected, projectPredicate(expression, field.transform, column))
      }, TRUE)
  }
}

/** Inclusive projection of one predicate through one transform. */
export function projectPredicate(
  predicate: BoundPredicate,
  transform: Transform,
  column: BoundColumn,
): BoundExpression {
  const parsed = parseTransform(transform)
  if (parsed.kind === 'void' || parsed.kind === 'unknown') return TRUE
  // Every other transform gives null for null and for nothing else.
  if (parsed.kind === 'identity' || predicate.kind === 'is-null') return { ...predicate, column }
  const apply = (value: Value): Value => applyTransform(transform, predicate.column.type, value) ?? value
  switch (predicate.kind) {
    case 'is-nan':
      return TRUE
    case 'in':
      return predicate.negated ? TRUE : boundIn(column, predicate.values.map(apply))
    case 'starts-with':
      return parsed.kind === 'truncate' ? projectPrefix(predicate, parsed.width, column, apply) : TRUE
    case 'compare': {
      const { op, value } = predicate
      if (op === 'not-eq') return TRUE
      if (op === 'eq') return { kind: 'compare', op, column, value: apply(value) }
      if (parsed.kind === 'bucket') return TRUE
      // The other transforms keep the order. Integers have neighbours, which makes strict bounds exact.
      const isBelow = op === 'lt' || op === 'lt-eq'
      const nearest = op === 'lt' ? neighbour(value, -1) : op === 'gt' ? neighbour(value, 1) : value
      return { kind: 'compare', op: isBelow ? 'lt-eq' : 'gt-eq', column, value: apply(nearest) }
    }
  }
}

function neighbour(value: Value, step: 1 | -1): Value {
  if (typeof value === 'bigint') return value + BigInt(step)
  return typeof value === 'number' ? value + step : value
}

/** Whether a string starts with a prefix shows in its first `width` code points, as far as they reach. */
function projectPrefix(
  predicate: BoundPredicate & { readonly kind: 'starts-with' },
  width: number,
  column: BoundColumn,
  apply: (value: Value) => Value,
): BoundExpression {
  const { prefix, negated } = predicate
  const length = Array.from(prefix).length
  if (length < width) return { ...predicate, column }
  if (negated && length > width) return TRUE
  return { kind: 'compare', op: negated ? 'not-eq' : 'eq', column, value: apply(prefix) }
}
