import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  NONE_BEFORE,
  planSplit,
  SPLIT_NAMES,
  type AssignedBefore,
  type AssignedRow,
  type SplitRow,
} from '../../ml/splits/plan-split.js'
import type { Fractions, SplitDefinition, SplitName } from '../../schemas/feature-definitions.js'

const version = 'v1'
const hash = (by: 'entity' | 'group', fractions: Fractions, seed = 7) =>
  ({ seed, method: { kind: 'hash', by, fractions } }) as const
const stratified = (fractions: Fractions) => ({ seed: 7, method: { kind: 'stratified', fractions } }) as const

/** Plans batch after batch, each seeing what the ones before assigned, as the table would tell it. */
function planInBatches(
  definition: Pick<SplitDefinition, 'method' | 'seed'>,
  batches: readonly (readonly SplitRow[])[],
): ReadonlyMap<string, AssignedRow> {
  const all = new Map<string, AssignedRow>()
  for (const rows of batches) {
    const planned = planSplit({ version, definition, rows, before: beforeOf([...all.values()]) })
    for (const row of planned) all.set(nameOf(row), row)
  }
  return all
}

function beforeOf(rows: readonly AssignedRow[]): AssignedBefore {
  const entities = new Map<string, { split: SplitName; stratum: string | null }>()
  const counts = new Map<string, Record<SplitName, number>>()
  for (const { entity, split, stratum } of rows) {
    if (entities.has(entity)) continue
    entities.set(entity, { split, stratum })
    const count = counts.get(stratum ?? '') ?? { train: 0, val: 0, test: 0 }
    counts.set(stratum ?? '', count)
    count[split] += 1
  }
  return { entities, counts }
}

function nameOf({ entity, timeUs }: SplitRow): string {
  return `${entity} ${timeUs}`
}

function splitsOf(rows: ReadonlyMap<string, AssignedRow>): Record<string, SplitName> {
  return Object.fromEntries([...rows].sort().map(([name, { split }]) => [name, split]))
}

const row = fc.record({
  entity: fc.integer({ min: 0, max: 40 }).map((user) => JSON.stringify([`u${user}`, String(user % 3)])),
  timeUs: fc.bigInt({ min: 0n, max: 5n }),
  group: fc.option(fc.integer({ min: 0, max: 6 }).map((n) => `g${n}`)),
  label: fc.constantFrom('0', '1', 'maybe'),
})
const rows = fc.uniqueArray(row, { selector: nameOf, maxLength: 60 })
const fractions = fc
  .tuple(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 0, max: 10 }), fc.integer({ min: 0, max: 10 }))
  .map(([train, val, test]) => {
    const sum = train + val + test
    return { train: train / sum, val: val / sum, test: test / sum }
  })
/** Rows, the same rows in another order, and where to cut those into batches. */
const shuffled = rows.chain((all) =>
  fc.tuple(
    fc.constant(all),
    fc.shuffledSubarray(all, { minLength: all.length }),
    fc.array(fc.nat({ max: all.length }), { maxLength: 3 }),
  ),
)

function cut<T>(all: readonly T[], at: readonly number[]): readonly (readonly T[])[] {
  const ends = [...at].sort((a, b) => a - b)
  return [...ends, all.length].map((end, i) => all.slice(ends[i - 1] ?? 0, end))
}

describe('splits by hash', () => {
  it('do not depend on the order of rows, nor on the batches that they come in', () => {
    fc.assert(
      fc.property(shuffled, fractions, fc.constantFrom('entity', 'group'), ([all, other, at], shares, by) => {
        const definition = hash(by, shares)
        const once = planInBatches(definition, [all])
        expect(splitsOf(planInBatches(definition, cut(other, at)))).toEqual(splitsOf(once))
      }),
      { numRuns: 60 },
    )
  })

  it('keep an entity, or a group, in one split', () => {
    fc.assert(
      fc.property(rows, fractions, (all, shares) => {
        const several = (definition: Pick<SplitDefinition, 'method' | 'seed'>, key: 'entity' | 'group') => {
          const splits = new Map<string, Set<SplitName>>()
          for (const found of planInBatches(definition, [all]).values()) {
            const of = found[key]
            if (of !== null) splits.set(of, (splits.get(of) ?? new Set()).add(found.split))
          }
          return [...splits].filter(([, { size }]) => size > 1)
        }
        expect(several(hash('entity', shares), 'entity')).toEqual([])
        expect(several(hash('group', shares), 'group')).toEqual([])
      }),
      { numRuns: 60 },
    )
  })

  it('give each split its share, as far as a binomial allows', () => {
    const count = 20_000
    const all = Array.from({ length: count }, (_, i) => rowOf(`["${i}"]`))
    const shares = { train: 0.8, val: 0.15, test: 0.05 }
    for (const seed of [0, 1, 2 ** 40]) {
      const planned = planSplit({
        version,
        definition: hash('entity', shares, seed),
        rows: all,
        before: NONE_BEFORE,
      })
      for (const name of SPLIT_NAMES) {
        const found = planned.filter(({ split }) => split === name).length
        const deviation = Math.sqrt(count * shares[name] * (1 - shares[name]))
        expect(Math.abs(found - count * shares[name])).toBeLessThan(4 * deviation)
      }
    }
  })

  it('differ by seed and by version, and a split without a share gets nothing', () => {
    const all = Array.from({ length: 200 }, (_, i) => rowOf(`["${i}"]`))
    const shares = { train: 0.5, val: 0, test: 0.5 }
    const of = (name: string, seed: number) =>
      planSplit({ version: name, definition: hash('entity', shares, seed), rows: all, before: NONE_BEFORE })
        .map(({ split }) => split)
        .join()
    expect(new Set([of('v1', 1), of('v1', 2), of('v2', 1)]).size).toBe(3)
    expect(of('v1', 1)).not.toContain('val')
  })

  it('are what they were: the bytes that are hashed do not change between releases', () => {
    const all = ['["a"]', '["b"]', '["c","1"]', '["d"]', '["e"]', '["f"]'].map((entity) => rowOf(entity))
    const shares = { train: 0.5, val: 0.25, test: 0.25 }
    const planned = planSplit({ version, definition: hash('entity', shares), rows: all, before: NONE_BEFORE })
    // As Python's hashlib has it.
    expect(planned.map(({ split }) => split)).toEqual(['train', 'val', 'test', 'val', 'test', 'val'])
  })
})

describe('stratified splits', () => {
  it('do not depend on the order of rows', () => {
    fc.assert(
      fc.property(shuffled, fractions, ([all, other], shares) => {
        const definition = stratified(shares)
        expect(splitsOf(planInBatches(definition, [other]))).toEqual(
          splitsOf(planInBatches(definition, [all])),
        )
      }),
      { numRuns: 60 },
    )
  })

  it('leave every row where it is when rows are added, and each entity in one split', () => {
    fc.assert(
      fc.property(shuffled, fractions, ([, all, at], shares) => {
        const definition = stratified(shares)
        const batches = cut(all, at)
        let before: Record<string, SplitName> = {}
        for (let n = 1; n <= batches.length; n += 1) {
          const after = splitsOf(planInBatches(definition, batches.slice(0, n)))
          expect(after).toMatchObject(before)
          before = after
        }
        const entities = [...planInBatches(definition, batches).values()]
        const pairs = new Set(entities.map(({ entity, split }) => `${entity} ${split}`))
        expect(pairs.size).toBe(new Set(entities.map(({ entity }) => entity)).size)
      }),
      { numRuns: 60 },
    )
  })

  it('give each class its shares to within one entity, however rows come', () => {
    fc.assert(
      fc.property(shuffled, fractions, ([, all, at], shares) => {
        const assigned = [...planInBatches(stratified(shares), cut(all, at)).values()]
        const { counts } = beforeOf(assigned)
        for (const count of counts.values()) {
          const total = count.train + count.val + count.test
          for (const name of SPLIT_NAMES) expect(Math.abs(count[name] - shares[name] * total)).toBeLessThan(1)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('mix a class: which entities are tested follows from the hash, not from their names or times', () => {
    const all = Array.from({ length: 100 }, (_, i) => rowOf(`["${String(i).padStart(3, '0')}"]`, BigInt(i)))
    const definition = stratified({ train: 0.8, val: 0.1, test: 0.1 })
    const tested = planSplit({ version, definition, rows: all, before: NONE_BEFORE })
      .map(({ split }, i) => ({ split, i }))
      .filter(({ split }) => split === 'test')
      .map(({ i }) => i)
    const gaps = tested.slice(1).map((at, i) => at - (tested[i] ?? 0))
    expect(tested).toHaveLength(10)
    expect(new Set(gaps).size).toBeGreaterThan(3)
  })
})

describe('splits by time', () => {
  it('take their instants as the first of val and of test', () => {
    const definition = {
      seed: 0,
      method: { kind: 'time', valFrom: '2026-06-01T00:00:00Z', testFrom: '2026-07-01T00:00:00.5Z' },
    } as const
    const [val, test] = [Date.UTC(2026, 5, 1), Date.UTC(2026, 6, 1, 0, 0, 0, 500)].map(
      (ms) => BigInt(ms) * 1000n,
    )
    const times = [(val ?? 0n) - 1n, val ?? 0n, (test ?? 0n) - 1n, test ?? 0n]
    const planned = planSplit({
      ...{ version, definition, before: NONE_BEFORE },
      rows: times.map((time) => rowOf('["a"]', time)),
    })
    expect(planned.map(({ split }) => split)).toEqual(['train', 'val', 'val', 'test'])
  })
})

function rowOf(entity: string, timeUs = 0n): SplitRow {
  return { entity, timeUs, group: null, label: '1' }
}
