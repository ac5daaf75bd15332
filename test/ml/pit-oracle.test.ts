import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import type { Row } from '../../engine/engine.js'
import { FULL } from '../support/full.js'
import { joinByLoops } from './support/pit-oracle.js'
import type { JoinInMemory, ViewInMemory } from './support/pit-session.js'
import { joinInMemory, resolveInMemory, testEngine } from './support/pit-session.js'

const engine = testEngine()
afterAll(() => engine.close())

const SECOND = 1_000_000n
const time = (weightOfNull: number) =>
  fc.option(
    fc.integer({ min: 0, max: 9 }).map((second) => BigInt(second) * SECOND),
    { nil: null, freq: weightOfNull },
  )
const key = fc.option(fc.integer({ min: 1, max: 2 }), { nil: null, freq: 9 })
const number = fc.constantFrom(null, NaN, Infinity, -Infinity, 0, -0, 1, 2)

/** One column a kind of value, each with so few values that rows often tie. */
const viewRow = fc.record({
  ...{ a: key, b: fc.constantFrom('x', 'y', 'x\u0000', null), ts: time(12), created: time(5) },
  number,
  text: fc.constantFrom(null, '', 'a', 'é', '\uffee', '😀'),
  flag: fc.constantFrom(null, true, false),
  list: fc.option(fc.array(number, { maxLength: 2 }), { nil: null, freq: 5 }),
})
const entityRow = fc.record({ a: key, b: fc.constantFrom('x', 'y', null), ts: time(12) })
/** A little world of its own, which `c` keeps apart from the others of the same join. */
const world = fc.record({
  ...{ rows: fc.array(viewRow, { maxLength: 9 }), asked: fc.array(entityRow, { maxLength: 5 }) },
})

const COLUMNS = { c: 'int', a: 'int', b: 'string', ts: 'timestamptz', created: 'timestamptz' }
const VIEWS: Readonly<Record<string, Omit<ViewInMemory, 'rows' | 'columns' | 'schema'>>> = {
  plain: { joinKeys: ['c', 'a'] },
  short: { joinKeys: ['c', 'a'], ttl: '3s' },
  exact: { joinKeys: ['c', 'b'], ttl: '0s' },
  known: { joinKeys: ['c', 'a', 'b'], createdTimestampField: 'created' },
  both: { joinKeys: ['c', 'a'], createdTimestampField: 'created', ttl: '4s' },
}
const SCHEMA = { number: 'double', text: 'string', flag: 'boolean', list: 'list<double>' }

function joinOf(worlds: readonly { readonly rows: readonly Row[]; readonly asked: readonly Row[] }[]) {
  const rows = worlds.flatMap((one, c) => one.rows.map((row): Row => ({ c, ...row })))
  const asked = worlds.flatMap((one, c) => one.asked.map((row): Row => ({ c, ...row })))
  const views = Object.entries(VIEWS).map(([name, view]): [string, ViewInMemory] => [
    name,
    { ...view, columns: COLUMNS, schema: SCHEMA, rows },
  ])
  const { a, b, c, ts } = COLUMNS
  return {
    entities: { columns: { c, a, b, ts }, rows: asked },
    ...{ views: Object.fromEntries(views), fullFeatureNames: true },
  } satisfies JoinInMemory
}

/** Thousands of worlds in one join, since each is small. */
test.each([true, false])(
  'the join is what plain loops over the rows give, at any number of threads (known by: %s)',
  { timeout: 500_000 },
  async (knownBy) => {
    const worlds = fc.array(world, { minLength: 1, maxLength: 800, size: 'max' })
    await fc.assert(
      fc.asyncProperty(worlds, fc.constantFrom(1, 2, 8), async (many, threads) => {
        const join = { ...joinOf(many), knownBy }
        const { views, features } = resolveInMemory(join)
        const expected = joinByLoops({
          ...{ entityRows: join.entities.rows, timestampField: 'ts', features, knownBy },
          views: views.map((view) => ({ view, rows: join.views[view.name]?.rows ?? [] })),
        })
        expect(await joinInMemory(engine, join, { threads })).toEqual(expected)
      }),
      { numRuns: FULL ? 20 : 5, interruptAfterTimeLimit: 400_000, markInterruptAsFailure: true },
    )
  },
)
