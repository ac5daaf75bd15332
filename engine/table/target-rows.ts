import { bind } from '../../iceberg/expr/bind.js'
import type { Expression } from '../../iceberg/expr/expression.js'
import { mustMatch } from '../../iceberg/expr/must-match.js'
import { fileStatistics } from '../../iceberg/expr/statistics.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { quoteName } from '../duckdb/sql-text.js'
import type { Basis } from './compute-change.js'

export async function planTarget(basis: Basis, filter: Expression): Promise<readonly FileScanTask[]> {
  const { metadata, context, target } = basis
  const { tasks } = await planScan({ metadata, io: context.catalog.io, target, filter })
  return tasks
}

/** Files all of whose rows match, by partition and metrics alone, and the others. */
export function splitWhole(
  schema: Schema,
  tasks: readonly FileScanTask[],
): { readonly whole: readonly FileScanTask[]; readonly partial: readonly FileScanTask[] } {
  const bound = new Map<Expression, ReturnType<typeof bind>>()
  const isWhole = ({ file, residual }: FileScanTask): boolean => {
    const expression = bound.get(residual) ?? bind(schema, residual)
    bound.set(residual, expression)
    return mustMatch(expression, (column) => fileStatistics(file, column))
  }
  const whole = tasks.filter(isWhole)
  const wholly = new Set(whole)
  return { whole, partial: tasks.filter((task) => !wholly.has(task)) }
}

/** A view of the tasks' live rows, with their `PLACE` by `numbers` (default: in order); gives back its name, quoted. */
export async function addTarget(
  basis: Basis,
  name: string,
  tasks: readonly FileScanTask[],
  numbers?: readonly number[],
): Promise<string> {
  const { schema, metadata } = basis
  const session = await basis.session()
  const places = numbers ?? tasks.map((_, index) => index)
  await session.addRelation({ kind: 'scan', name, schema, tasks, metadata, places })
  return quoteName(name)
}

/** `"a", "b"`: the table's columns, of `alias` where one is given. */
export function columnList(schema: Schema, alias?: string): string {
  const prefix = alias === undefined ? '' : `${alias}.`
  return schema.fields.map((field) => `${prefix}${quoteName(field.name)}`).join(', ')
}
