import type { Expression } from '../../iceberg/expr/expression.js'
import { alwaysTrue } from '../../iceberg/expr/expression.js'
import type { Basis } from './compute-change.js'
import { expressionSql } from './expression-sql.js'
import { addRelations } from './source-relation.js'
import type { Condition } from './table.js'

/** A condition as what prunes files and what decides on rows, in SQL over `target`. */
export interface PlannedCondition {
  readonly filter: Expression
  readonly sql: string
  /** Whether `filter` says the same as the SQL, so that a file's metrics can decide on all of its rows. */
  readonly isExact: boolean
}

export async function planCondition(basis: Basis, condition: Condition): Promise<PlannedCondition> {
  if (!('sql' in condition)) {
    return { filter: condition, sql: expressionSql(basis.schema, condition, 'target'), isExact: true }
  }
  await addRelations(await basis.session(), condition.relations)
  return { filter: alwaysTrue, sql: condition.sql, isExact: false }
}
