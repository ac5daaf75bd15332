import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Row } from '../../engine/engine.js'
import { rowEvaluator } from '../../iceberg/expr/evaluate.js'
import {
  and,
  eq,
  gtEq,
  isIn,
  isNull,
  lt,
  not,
  or,
  startsWith,
  type Expression,
} from '../../iceberg/expr/expression.js'
import {
  createTable,
  LAYOUTS,
  MODES,
  ODD,
  read,
  rowOf,
  rowsOf,
  SCHEMA,
  sorted,
  type TestTable,
} from './table-support.js'

/**
 * Goal: whatever is done to a table, in whatever mode and layout, leaves the rows that the same done to a map leaves.
 */
const SEED = Number(process.env['FIRN_SEED'] ?? 4)

const id = fc.integer({ min: 0, max: 30 })
const ids = fc.uniqueArray(id, { minLength: 1, maxLength: 8 })
const change = fc.integer({ min: 0, max: 2 })
const mode = fc.constantFrom(...MODES)

const simple: fc.Arbitrary<Expression> = fc.oneof(
  id.map((value) => lt('id', BigInt(value))),
  id.map((value) => gtEq('id', BigInt(value))),
  ids.map((values) =>
    isIn(
      'id',
      values.map((value) => BigInt(value)),
    ),
  ),
  fc.constantFrom('', 'a/b', 'ö', 'moved').map((kind) => eq('kind', kind)),
  fc.constantFrom('kind', 'at', 'x', ODD).map((column) => isNull(column)),
  id.map((value) => gtEq('x', value / 2)),
  fc.constant<Expression>({ kind: 'is-nan', column: 'x', negated: false }),
  id.map((value) => startsWith(ODD, `o${value % 10}`)),
  id.map((value) => lt('at', BigInt(value - 5) * 43_200_000_000n)),
)
const condition: fc.Arbitrary<Expression> = fc.oneof(
  simple,
  simple.map(not),
  fc.tuple(simple, simple).map(([left, right]) => and(left, right)),
  fc.tuple(simple, simple).map(([left, right]) => or(left, not(right))),
)

const step = fc.oneof(
  fc.record({ kind: fc.constant('append' as const), ids }),
  fc.record({ kind: fc.constant('delete' as const), where: condition, mode }),
  fc.record({ kind: fc.constant('update' as const), where: condition, mode }),
  fc.record({ kind: fc.constant('upsert' as const), ids, change, mode }),
  fc.record({ kind: fc.constant('merge' as const), ids, change, mode }),
  fc.record({ kind: fc.constant('overwrite' as const), where: condition, ids, change, mode }),
  fc.record({ kind: fc.constant('evolve' as const) }),
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never
type Rows = Map<number, Row>

test('random histories of all changes leave the rows of a map', { timeout: 180_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...LAYOUTS),
      fc.array(step, { minLength: 2, maxLength: 7 }),
      async (layout, steps) => {
        const table = await createTable(layout === 'evolved' ? 'unpartitioned' : layout)
        const rows: Rows = new Map()
        let isEvolved = layout !== 'evolved'
        const first: Step = { kind: 'append', ids: [1, 2, 3, 5, 7, 8, 12, 18, 24] }
        for (const one of [first, ...steps]) {
          if (one.kind === 'evolve') {
            if (!isEvolved) await table.evolve()
            isEvolved = true
            continue
          }
          const counts = await run(table, rows, one)
          const left = [...rows.values()]
          expect(await read(table)).toEqual(sorted(left))
          expect(counts.total).toBe(left.length)
        }
      },
    ),
    { numRuns: 25, seed: SEED },
  )
})

/** Does a step to both; gives back how many rows the table's own summary counts. */
async function run(table: TestTable, rows: Rows, step: Exclude<Step, { kind: 'evolve' }>) {
  const before = rows.size
  switch (step.kind) {
    case 'append': {
      const fresh = step.ids.filter((one) => !rows.has(one))
      for (const one of fresh) rows.set(one, rowOf(one))
      const result = await table.append(rowsOf(fresh))
      return { total: before + result.addedRows }
    }
    case 'delete': {
      forMatching(rows, step.where, (row) => rows.delete(Number(row['id'])))
      const result = await table.delete(step.where, { mode: step.mode })
      return { total: before - result.deletedRows }
    }
    case 'update': {
      let matching = 0
      forMatching(rows, step.where, (row) => {
        matching++
        rows.set(Number(row['id']), { ...row, kind: 'moved', [ODD]: null })
      })
      const set = { kind: `'moved'`, [ODD]: 'NULL' }
      const result = await table.update({ where: step.where, set, mode: step.mode })
      expect(result.updatedRows).toBe(matching)
      return { total: before }
    }
    case 'upsert': {
      for (const one of step.ids) rows.set(one, rowOf(one, step.change))
      const result = await table.upsert(rowsOf(step.ids, step.change), { mode: step.mode })
      return { total: before + result.addedRows }
    }
    case 'merge':
      return merge(table, rows, step)
    case 'overwrite': {
      forMatching(rows, step.where, (row) => rows.delete(Number(row['id'])))
      const fresh = step.ids.filter((one) => !rows.has(one))
      for (const one of fresh) rows.set(one, rowOf(one, step.change))
      const options = { where: step.where, mode: step.mode }
      const result = await table.overwrite(rowsOf(fresh, step.change), options)
      return { total: before + result.addedRows - result.deletedRows }
    }
  }
}

/** Of the keys given, even ones go, odd ones change, and those that are missing come. */
async function merge(table: TestTable, rows: Rows, step: Extract<Step, { kind: 'merge' }>) {
  const before = rows.size
  for (const one of step.ids) {
    if (!rows.has(one)) rows.set(one, rowOf(one, step.change))
    else if (one % 2 === 0) rows.delete(one)
    else rows.set(one, { ...rowOf(one, step.change), kind: 'moved' })
  }
  const all = Object.fromEntries(
    SCHEMA.fields.map(({ name }) => [name, `source."${name.replaceAll('"', '""')}"`]),
  )
  const result = await table.merge({
    source: rowsOf(step.ids, step.change),
    on: ['id'],
    whenMatched: [{ when: 'target.id % 2 = 0', delete: true }, { update: { ...all, kind: `'moved'` } }],
    whenNotMatched: [{ insert: 'all' }],
    mode: step.mode,
  })
  return { total: before + result.addedRows - result.deletedRows }
}

function forMatching(rows: Rows, where: Expression, action: (row: Row) => void): void {
  const matches = rowEvaluator(SCHEMA, where)
  for (const row of [...rows.values()]) if (matches(row) === true) action(row)
}
