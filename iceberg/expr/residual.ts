import type { PartitionSpec } from '../spec/partition-spec.js'
import type { PrimitiveType, Value } from '../spec/type.js'
import type { BoundColumn, BoundExpression, BoundPredicate } from './bind.js'
import { boundAnd, boundOr, negatePredicate } from './bind.js'
import { evaluate } from './evaluate.js'
import type { Expression } from './expression.js'
import { projectPredicate } from './project.js'

/**
 * What is left of a filter for the rows of one partition: predicates that the partition's values decide are gone. The same
 * rows pass as with the whole filter.
 */
export function residualOf(
  expression: BoundExpression,
  spec: PartitionSpec,
  partitionTypes: readonly (PrimitiveType | undefined)[],
  partition: readonly (Value | null)[],
): BoundExpression {
  const visit = (node: BoundExpression): BoundExpression => {
    switch (node.kind) {
      case 'true':
      case 'false':
        return node
      case 'and':
      case 'or': {
        const left = visit(node.left)
        const right = visit(node.right)
        if (left === node.left && right === node.right) return node
        return node.kind === 'and' ? boundAnd(left, right) : boundOr(left, right)
      }
      default:
        return residualOfPredicate(node, spec, partitionTypes, partition)
    }
  }
  return visit(expression)
}

/** The expression by column names again, for whoever reads the rows. */
export function unbind(expression: BoundExpression): Expression {
  switch (expression.kind) {
    case 'true':
    case 'false':
      return expression
    case 'and':
    case 'or':
      return { kind: expression.kind, left: unbind(expression.left), right: unbind(expression.right) }
    default:
      return { ...expression, column: expression.column.name }
  }
}

/** False where no row of the partition can match; true where none can match the opposite and none can be unknown. */
function residualOfPredicate(
  predicate: BoundPredicate,
  spec: PartitionSpec,
  partitionTypes: readonly (PrimitiveType | undefined)[],
  partition: readonly (Value | null)[],
): BoundExpression {
  for (const [index, field] of spec.fields.entries()) {
    const type = partitionTypes[index]
    if (field['source-id'] !== predicate.column.id || type === undefined) continue
    const value = partition[index] ?? null
    const column: BoundColumn = { id: field['field-id'], name: field.name, type }
    const mayHold = (candidate: BoundPredicate): boolean =>
      evaluate(projectPredicate(candidate, field.transform, column), () => value) === true
    if (!mayHold(predicate)) return { kind: 'false' }
    const isKnown = value !== null || predicate.kind === 'is-null'
    if (isKnown && !mayHold(negatePredicate(predicate))) return { kind: 'true' }
  }
  return predicate
}
