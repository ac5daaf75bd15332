import type { PartitionSpec, Transform } from '../spec/partition-spec.js'
import { applyTransform, parseTransform, type ParsedTransform } from '../spec/transform.js'
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
  const project = (): BoundExpression => projectThrough(predicate, parsed, column, apply)
  return isTime(parsed.kind, predicate.column.type) ? withOldTimes(project(), column) : project()
}

/** The predicate through a transform that is neither identity nor void. */
function projectThrough(
  predicate: Exclude<BoundPredicate, { readonly kind: 'is-null' }>,
  parsed: ParsedTransform,
  column: BoundColumn,
  apply: (value: Value) => Value,
): BoundExpression {
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

/** A date is its own day: nobody ever computed that wrongly. */
function isTime(kind: ParsedTransform['kind'], source: PrimitiveType): boolean {
  return kind === 'year' || kind === 'month' || kind === 'hour' || (kind === 'day' && source !== 'date')
}

/**
 * Writers of old (Java 0.10 and before) gave times before 1970 a partition one too high, so a partition below 0 is looked
 * for there too. Hours past 32 bits were written as some other number by some: nothing can be said of them.
 */
function withOldTimes(projected: BoundExpression, column: BoundColumn): BoundExpression {
  if (projected.kind === 'compare') {
    const { op, value } = projected
    if (typeof value !== 'number') return projected
    if (Math.abs(value) >= INT_LIMIT) return TRUE
    if (value >= 0 || op === 'gt-eq') return projected
    if (op === 'eq') return boundIn(column, [value, value + 1])
    return { ...projected, value: value + 1 }
  }
  if (projected.kind !== 'in') return projected
  const values = projected.values.filter((value) => typeof value === 'number')
  if (values.some((value) => Math.abs(value) >= INT_LIMIT)) return TRUE
  return boundIn(
    column,
    values.flatMap((value) => (value < 0 ? [value, value + 1] : [value])),
  )
}

const INT_LIMIT = 2 ** 31

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
