import { expect, test } from 'vitest'
import type { Row, RowValue } from '../../engine/engine.js'
import { expressionSql } from '../../engine/table/expression-sql.js'
import { rowValue } from '../../engine/table/row-value.js'
import { rowEvaluator } from '../../iceberg/expr/evaluate.js'
import { bind } from '../../iceberg/expr/bind.js'
import { mustMatch } from '../../iceberg/expr/must-match.js'
import { fileStatistics, mightMatch } from '../../iceberg/expr/statistics.js'
import type { ComparisonOperator, Expression } from '../../iceberg/expr/expression.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { NestedField, PrimitiveType, Schema } from '../../iceberg/spec/type.js'
import { rowMetrics } from '../../engine/parquet/row-metrics.js'
import { engine } from './table-support.js'

const VALUES: readonly (readonly [PrimitiveType, readonly RowValue[]])[] = [
  ['boolean', [true, false]],
  ['int', [-2147483648, -1, 0, 7, 2147483647]],
  ['long', [-(2n ** 63n), -1n, 0n, 2n ** 53n + 1n, 2n ** 63n - 1n]],
  ['float', [-Infinity, -1.5, 0, Math.fround(0.1), NaN, Infinity]],
  ['double', [-Infinity, -0, 0.1, 1e308, NaN]],
  ['date', [-719162, -1, 0, 20000]],
  ['time', [0n, 1n, 86_399_999_999n]],
  ['timestamp', [-62135596800000000n, -1n, 0n, 1_700_000_000_123_456n]],
  ['timestamptz', [-1n, 0n, 1_700_000_000_123_456n]],
  ['string', ['', 'a', 'a"b\'c', 'a\0b', 'ö', '\uffff', '😀', 'Z'.repeat(40)]],
  [
    'uuid',
    [
      '00000000-0000-0000-0000-000000000001',
      '7fffffff-0000-4000-8000-000000000000',
      'ffffffff-0000-4000-8000-000000000000',
    ],
  ],
  ['binary', [new Uint8Array(), Uint8Array.of(0), Uint8Array.of(0x41, 0xff), Uint8Array.of(0xff)]],
  ['decimal(9, 2)', ['-1234567.89', '-0.01', '0.00', '0.10', '12.00']],
  [
    'decimal(38, 0)',
    ['-99999999999999999999999999999999999999', '0', '99999999999999999999999999999999999999'],
  ],
]
const OPERATORS: readonly ComparisonOperator[] = ['eq', 'not-eq', 'lt', 'lt-eq', 'gt', 'gt-eq']

test.each(VALUES)('SQL over %s says what the evaluator says, null included', async (type, values) => {
  const { schema, rows, evaluable, expressions } = casesOf(type, values)
  const session = await engine.openSession()
  try {
    await session.addRelation({ kind: 'rows', name: 't', schema, rows })
    const columns = expressions.map(
      (expression, at) => `(${expressionSql(schema, expression, 't')}) AS c${at}`,
    )
    const found = await session.query(`SELECT ${columns.join(', ')} FROM t ORDER BY n`)
    for (const [at, expression] of expressions.entries()) {
      const truth = evaluable.map(rowEvaluator(schema, expression))
      expect([expression, found.rows.map((row) => row[`c${at}`])]).toEqual([expression, truth])
    }
  } finally {
    await session.close()
  }
})

test.each(VALUES)(
  'metrics of %s never say that all rows match where one does not, nor none where one does',
  (type, values) => {
    const { schema, rows, evaluable, expressions } = casesOf(type, values)
    let certain = 0
    for (let from = 0; from < rows.length; from++) {
      for (let end = from + 1; end <= rows.length; end++) {
        const file = { ...rowMetrics(schema, rows.slice(from, end)) } as DataFile
        for (const expression of expressions) {
          const truths = evaluable.slice(from, end).map(rowEvaluator(schema, expression))
          const bound = bind(schema, expression)
          const all = mustMatch(bound, (column) => fileStatistics(file, column))
          const some = mightMatch(bound, (column) => fileStatistics(file, column))
          if (all) expect([expression, truths]).toEqual([expression, truths.map(() => true)])
          if (!some) expect(truths).not.toContain(true)
          certain += all ? 1 : 0
        }
      }
    }
    expect(certain).toBeGreaterThan(0)
  },
)

function casesOf(type: PrimitiveType, values: readonly RowValue[]) {
  const column: NestedField = { id: 1, name: 'odd "v"', required: false, type }
  const fields: readonly NestedField[] = [column, { id: 2, name: 'n', required: true, type: 'int' }]
  const schema: Schema = { type: 'struct', 'schema-id': 0, fields }
  const rows: readonly Row[] = [...values, null].map((value, n) => ({ [column.name]: value, n }))
  const evaluable = rows.map((row) => ({ ...row, [column.name]: rowValue(type, row[column.name]) }))
  const literals = values.filter((value) => !Number.isNaN(value)).map((value) => rowValue(type, value)!)
  const name = column.name
  const simple = literals.flatMap((value): readonly Expression[] => [
    ...OPERATORS.map((op) => ({ kind: 'compare', op, column: name, value }) as const),
    ...[true, false].map(
      (negated) => ({ kind: 'in', column: name, values: [value, literals[0]!], negated }) as const,
    ),
  ])
  const more: readonly Expression[] = [true, false].flatMap((negated): readonly Expression[] => [
    { kind: 'is-null', column: name, negated },
    ...(type === 'string'
      ? ['', 'a', 'a\0', 'Z'.repeat(20)].map(
          (prefix) => ({ kind: 'starts-with', column: name, prefix, negated }) as const,
        )
      : []),
    ...(type === 'float' || type === 'double' ? [{ kind: 'is-nan', column: name, negated } as const] : []),
  ])
  const base = [...simple, ...more]
  const expressions: readonly Expression[] = [
    ...base,
    ...base.map((child): Expression => ({ kind: 'not', child })),
    ...base
      .slice(1)
      .map((left, at): Expression => ({ kind: at % 2 === 0 ? 'and' : 'or', left, right: base[at]! })),
  ]
  return { schema, rows, evaluable, expressions }
}
