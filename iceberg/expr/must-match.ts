import type { BoundColumn, BoundExpression } from './bind.js'
import { negatePredicate } from './bind.js'
import type { ColumnStatistics } from './statistics.js'
import { mightMatch } from './statistics.js'

/**
 * True only where every row of the group matches: the strict evaluator. A file that it holds for can be deleted whole
 * without reading it.
 */
export function mustMatch(
  expression: BoundExpression,
  statisticsOf: (column: BoundColumn) => ColumnStatistics,
): boolean {
  switch (expression.kind) {
    case 'true':
      return true
    case 'false':
      return false
    case 'and':
      return mustMatch(expression.left, statisticsOf) && mustMatch(expression.right, statisticsOf)
    case 'or':
      return mustMatch(expression.left, statisticsOf) || mustMatch(expression.right, statisticsOf)
    default: {
      // A row that is neither a match nor a match of the opposite is null where the predicate is unknown.
      const isKnown = expression.kind === 'is-null' || !statisticsOf(expression.column).mayBeNull
      return isKnown && !mightMatch(negatePredicate(expression), statisticsOf)
    }
  }
}
