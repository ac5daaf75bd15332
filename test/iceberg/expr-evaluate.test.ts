import { describe, expect, test } from 'vitest'
import { bind } from '../../iceberg/expr/bind.js'
import { rowEvaluator } from '../../iceberg/expr/evaluate.js'
import type { Expression } from '../../iceberg/expr/expression.js'
import {
  alwaysFalse,
  alwaysTrue,
  and,
  eq,
  gt,
  gtEq,
  isIn,
  isNull,
  lt,
  ltEq,
  not,
  notEq,
  notNull,
  or,
  startsWith,
} from '../../iceberg/expr/expression.js'
import { projectInclusive } from '../../iceberg/expr/project.js'
import { residualOf, unbind } from '../../iceberg/expr/residual.js'
import type { PartitionSpec, Transform } from '../../iceberg/spec/partition-spec.js'
import { transformResultType } from '../../iceberg/spec/transform.js'
import type { PrimitiveType, Schema, Value } from '../../iceberg/spec/type.js'

const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'i', required: false, type: 'int' },
    { id: 2, name: 's', required: false, type: 'string' },
    { id: 3, name: 'd', required: false, type: 'double' },
    {
      id: 4,
      name: 'n',
      required: false,
      type: { type: 'struct', fields: [{ id: 5, name: 'l', required: false, type: 'long' }] },
    },
    { id: 6, name: 'f', required: false, type: 'float' },
    { id: 7, name: 'ts', required: false, type: 'timestamp' },
    {
      id: 8,
      name: 'list',
      required: false,
      type: { type: 'list', 'element-id': 9, 'element-required': true, element: 'int' },
    },
    { id: 10, name: 'dt', required: false, type: 'date' },
  ],
}
const isNan = (column: string, negated = false): Expression => ({ kind: 'is-nan', column, negated })
const notStartsWith = (column: string, prefix: string): Expression => ({
  kind: 'starts-with',
  column,
  prefix,
  negated: true,
})

describe('rows are judged by three-valued logic', () => {
  const row = { i: 5, s: 'abc', d: NaN, n: { l: 7n }, f: null, ts: null }
  test.each<[Expression, boolean | null]>([
    [eq('i', 5), true],
    [eq('i', 5n), true],
    [notEq('i', 5), false],
    [lt('f', 1), null],
    [not(lt('f', 1)), null],
    [and(lt('f', 1), eq('i', 4)), false],
    [and(lt('f', 1), eq('i', 5)), null],
    [or(lt('f', 1), eq('i', 5)), true],
    [or(lt('f', 1), eq('i', 4)), null],
    [not(and(eq('i', 5), lt('f', 1))), null],
    [isNull('f'), true],
    [notNull('f'), false],
    [not(isNull('f')), false],
    [isIn('i', [1, 5]), true],
    [not(isIn('i', [1, 5])), false],
    [isIn('f', [1]), null],
    [isIn('i', []), false],
    [eq('n.l', 7), true],
    [isNan('d'), true],
    [isNan('f'), null],
    [isNan('f', true), null],
    [gt('d', Infinity), true],
    [lt('d', 5), false],
    [startsWith('s', 'ab'), true],
    [notStartsWith('s', 'ab'), false],
    [alwaysTrue, true],
    [not(alwaysFalse), true],
  ])('expression %# is judged', (expression, truth) => {
    expect(rowEvaluator(SCHEMA, expression)(row)).toBe(truth)
  })

  test('a column inside an absent struct is null', () => {
    expect(rowEvaluator(SCHEMA, isNull('n.l'))({ n: null })).toBe(true)
  })
})

test.each<[Expression, string]>([
  [eq('x', 1), "no column 'x'; the table has i, s"],
  [eq('i', 'a'), "cannot be compared with column 'i' of type int"],
  [eq('i', 1.5), 'of type int'],
  [eq('d', NaN), 'use is-nan'],
  [eq('list.element', 1), 'outside lists and maps'],
  [isNull('n'), 'choose a primitive column'],
  [startsWith('i', 'a'), 'starts-with does not apply'],
  [isNan('s'), 'is-nan does not apply'],
])('expression %# cannot be bound', (expression, message) => {
  expect(() => bind(SCHEMA, expression)).toThrow(
    expect.objectContaining({
      kind: 'invalid-argument',
      message: expect.stringContaining(message) as string,
    }),
  )
})

test('literals take the type of their column, a float the nearest float', () => {
  expect(bind(SCHEMA, eq('n.l', 7))).toMatchObject({ value: 7n })
  expect(bind(SCHEMA, eq('f', 0.1))).toMatchObject({ value: Math.fround(0.1) })
})

const micros = (iso: string) => BigInt(Date.parse(iso)) * 1000n
const days = (iso: string) => Date.parse(iso) / 86_400_000

describe('predicates project onto partitions', () => {
  test.each<[Expression, Transform, Expression]>([
    [eq('i', 10), 'identity', eq('p', 10)],
    [eq('i', 34), 'bucket[100]', eq('p', 79)],
    [isIn('i', [34, 34]), 'bucket[100]', isIn('p', [79])],
    [lt('i', 34), 'bucket[100]', alwaysTrue],
    [notEq('i', 34), 'bucket[100]', alwaysTrue],
    [lt('i', 10), 'truncate[10]', ltEq('p', 0)],
    [lt('i', 11), 'truncate[10]', ltEq('p', 10)],
    [gt('i', 8), 'truncate[10]', gtEq('p', 0)],
    [ltEq('i', 10), 'truncate[10]', ltEq('p', 10)],
    [gt('i', 9), 'truncate[10]', gtEq('p', 10)],
    [gtEq('i', -1), 'truncate[10]', gtEq('p', -10)],
    [notEq('i', 10), 'truncate[10]', alwaysTrue],
    [startsWith('s', 'ab'), 'truncate[3]', startsWith('p', 'ab')],
    [startsWith('s', 'abcd'), 'truncate[3]', eq('p', 'abc')],
    [notStartsWith('s', 'abc'), 'truncate[3]', notEq('p', 'abc')],
    [notStartsWith('s', 'abcd'), 'truncate[3]', alwaysTrue],
    [lt('s', 'abcd'), 'truncate[3]', ltEq('p', 'abc')],
    [lt('ts', micros('2020-01-01T00:00:00Z')), 'day', ltEq('p', days('2019-12-31'))],
    [gtEq('ts', micros('2020-01-01T00:00:00Z')), 'day', gtEq('p', days('2020-01-01'))],
    // Before 1970 also the partition above: Java up to 0.10 wrote times there (as Java's TestTimestampsProjection has it).
    [eq('ts', -1n), 'year', isIn('p', [-1, 0])],
    [isIn('ts', [-1n, 0n]), 'day', isIn('p', [-1, 0])],
    [notEq('ts', -1n), 'day', alwaysTrue],
    [lt('ts', 0n), 'hour', ltEq('p', 0)],
    [ltEq('ts', micros('1969-12-30T12:00:00Z')), 'day', ltEq('p', -1)],
    [gt('ts', micros('1969-12-30T12:00:00Z')), 'day', gtEq('p', -2)],
    [gtEq('ts', -1n), 'month', gtEq('p', -1)],
    [lt('dt', 0), 'month', ltEq('p', 0)],
    [eq('dt', -1), 'day', eq('p', -1)],
    // More hours than 32 bits hold: what a writer made of them is anybody's guess.
    [eq('ts', 2n ** 63n - 1n), 'hour', alwaysTrue],
    [gt('ts', -(2n ** 63n) + 1n), 'hour', alwaysTrue],
    [isNull('ts'), 'hour', isNull('p')],
    [notNull('i'), 'bucket[4]', notNull('p')],
    [isNull('i'), 'void', alwaysTrue],
    [eq('i', 1), 'void', alwaysTrue],
    [eq('d', 1), 'identity', eq('p', 1)],
    [eq('i', 1), 'zorder' as Transform, alwaysTrue],
  ])('case %#', (expression, transform, expected) => {
    const bound = bind(SCHEMA, expression)
    const column = 'column' in bound ? bound.column : undefined
    const spec: PartitionSpec = {
      'spec-id': 0,
      fields: [{ 'source-id': column!.id, 'field-id': 1000, name: 'p', transform }],
    }
    const projected = projectInclusive(bound, spec, [resultType(transform, column!.type)])
    expect(unbind(projected)).toEqual(expected)
  })

  function resultType(transform: Transform, type: PrimitiveType): PrimitiveType {
    return /^z/.test(transform) ? type : transformResultType(transform, type)
  }
})

describe('residuals are what a partition leaves undecided', () => {
  const day2020 = days('2020-01-01')
  test.each<[Expression, number, Transform, PrimitiveType, Value | null, Expression]>([
    [eq('i', 5), 1, 'identity', 'int', 5, alwaysTrue],
    [eq('i', 5), 1, 'identity', 'int', 6, alwaysFalse],
    [eq('i', 5), 1, 'identity', 'int', null, alwaysFalse],
    [isNull('i'), 1, 'identity', 'int', null, alwaysTrue],
    [isNull('i'), 1, 'bucket[4]', 'int', 3, alwaysFalse],
    [eq('i', 34), 1, 'bucket[100]', 'int', 79, eq('i', 34)],
    // A row with null is unknown under both the predicate and its opposite.
    [notEq('i', 34), 1, 'bucket[100]', 'int', null, notEq('i', 34)],
    [gtEq('ts', micros('2020-01-01T00:00:00Z')), 7, 'day', 'date', day2020, alwaysTrue],
    [gt('ts', micros('2020-01-01T00:00:00Z')), 7, 'day', 'date', day2020, gt('ts', micros('2020-01-01'))],
    [lt('ts', micros('2020-01-01T00:00:00Z')), 7, 'day', 'date', day2020, alwaysFalse],
    [and(eq('i', 5), eq('s', 'x')), 1, 'identity', 'int', 5, eq('s', 'x')],
    [or(eq('i', 6), eq('s', 'x')), 1, 'identity', 'int', 5, eq('s', 'x')],
    [eq('i', 5), 1, 'void', 'int', null, eq('i', 5)],
  ])('case %#', (expression, sourceId, transform, type, value, expected) => {
    const spec: PartitionSpec = {
      'spec-id': 0,
      fields: [{ 'source-id': sourceId, 'field-id': 1000, name: 'p', transform }],
    }
    expect(unbind(residualOf(bind(SCHEMA, expression), spec, [type], [value]))).toEqual(expected)
  })
})
