import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { EstimatorDefinition } from '../../schemas/model-definitions.js'
import type { Checkpoints, TrainingInputs } from '../../ml/models/estimator.js'
import { estimatorOf } from '../../ml/models/find-estimator.js'
import { binColumns } from '../../ml/models/trees/bin-columns.js'
import { exactSum, roundForSums } from '../../ml/models/trees/exact-sums.js'
import { seededRandom } from '../../ml/training/seeded-random.js'
import {
  bytesOf,
  drawTable,
  fitTable,
  predictOneByOne,
  shuffledRows,
  takeRows,
  TASKS,
} from './support/tables-of-numbers.js'

const RUNS = process.env['FIRN_TEST_FULL'] === undefined ? 8 : 60
const SAMPLED: EstimatorDefinition = {
  kind: 'gbdt',
  trees: 12,
  maxDepth: 4,
  learningRate: 0.3,
  subsample: 0.7,
  columnSample: 0.6,
  l1: 0.05,
}
const FOREST: EstimatorDefinition = { kind: 'random-forest', trees: 6 }
const KINDS = TASKS.flatMap((task) => [[task, SAMPLED] as const, [task, FOREST] as const])
const seeds = fc.integer({ min: 0, max: 2 ** 31 })
const tables = fc.record({ seed: seeds, rows: fc.integer({ min: 2, max: 80 }) })

afterEach(() => {
  vi.useRealTimers()
})

describe.each(KINDS)('%j by %j', ([task, classes], definition) => {
  const holds = (check: (table: TrainingInputs, seed: number) => Promise<void>, runs = RUNS) =>
    fc.assert(
      fc.asyncProperty(tables, ({ seed, rows }) => check(drawTable(seed, { rows, classes }), seed)),
      { numRuns: runs },
    )

  test('a row is predicted by itself: alone, among others, after storing', () =>
    holds(async (train, seed) => {
      const fitted = await fitTable(definition, [task, classes], { train, seed })
      const unseen = drawTable(seed + 1, { rows: 20, classes, missing: 0.3 })
      const together = [...(await fitted.predict(unseen))]
      expect(await predictOneByOne(fitted.predict, unseen)).toEqual(together)
      const restored = await (await estimatorOf(definition.kind)).restore(await fitted.store())
      expect([...(await restored.predict(unseen))]).toEqual(together)
      expect(bytesOf(await restored.store())).toBe(bytesOf(await fitted.store()))
      expect(restored.importance).toEqual(fitted.importance)
      expect(restored.curve).toEqual(fitted.curve)
    }))

  test('equal inputs give equal bytes, another seed gives others', async () => {
    const train = drawTable(3, { rows: 80, classes })
    const [one, again, other] = await Promise.all(
      [1, 1, 2].map(async (seed) =>
        bytesOf(await (await fitTable(definition, [task, classes], { train, seed })).store()),
      ),
    )
    expect(again).toBe(one)
    expect(other).not.toBe(one)
  })

  test('killed after any tree and gone on with, the bytes are those of the undisturbed fit', () =>
    holds(async (train, seed) => {
      const validation = drawTable(seed + 1, { rows: 30, classes })
      const stopping = definition.kind === 'gbdt' && { earlyStopping: { patience: 4 } }
      const options = { train, validation, seed }
      const fit = (more: object) =>
        fitTable({ ...definition, ...stopping }, [task, classes], { ...options, ...more })
      const undisturbed = bytesOf(await (await fit({})).store())
      const kept = memoryCheckpoints()
      // Each tree takes three seconds of an artificial clock, so that each one is kept.
      vi.useFakeTimers({ toFake: ['performance'] })
      const epochs: number[] = []
      for (let lives = 1; ; lives += 1) {
        let trees = 0
        const onEpoch = (epoch: number) => {
          vi.advanceTimersByTime(3000)
          epochs.push(epoch)
          trees += 1
          if (trees > 1 + (seed % 3)) throw new Error('killed')
        }
        const finished = await fit({ checkpoints: kept, onEpoch }).catch(() => undefined)
        if (finished === undefined) continue
        expect(bytesOf(await finished.store())).toBe(undisturbed)
        expect(lives).toBeGreaterThan(1)
        break
      }
      vi.useRealTimers()
      // The tree of the kill itself was not kept and is grown again; no other one is.
      expect(
        epochs.filter((epoch, i) => epoch !== (epochs[i - 1] ?? 0) + 1 && epoch !== epochs[i - 1]),
      ).toEqual([])
    }, RUNS / 2))

  test('a state of other data is not gone on from', async () => {
    const kept = memoryCheckpoints()
    const train = drawTable(1, { rows: 40, classes })
    vi.useFakeTimers({ toFake: ['performance'] })
    const fit = (table: TrainingInputs) =>
      fitTable(definition, [task, classes], {
        train: table,
        checkpoints: kept,
        onEpoch: () => vi.advanceTimersByTime(3000),
      })
    await fit(train)
    expect(kept.saved()).toBeGreaterThan(0)
    const other = drawTable(2, { rows: 40, classes })
    const undisturbed = await fitTable(definition, [task, classes], { train: other })
    expect(bytesOf(await (await fit(other)).store())).toBe(bytesOf(await undisturbed.store()))
  })
})

describe.each(TASKS)('boosting for %s', (task, classes) => {
  const plain: EstimatorDefinition = {
    kind: 'gbdt',
    trees: 15,
    maxDepth: 3,
    learningRate: 0.1,
    minChildWeight: 2,
  }

  test('each tree lowers the loss it is fitted on', () =>
    fc.assert(
      fc.asyncProperty(tables, async ({ seed, rows }) => {
        const fitted = await fitTable(plain, [task, classes], { train: drawTable(seed, { rows, classes }) })
        const losses = fitted.curve.map(({ loss }) => loss)
        losses.forEach((loss, i) => {
          if (i > 0) expect(loss).toBeLessThanOrEqual(losses[i - 1]! * (1 + 1e-12))
        })
      }),
      { numRuns: RUNS },
    ))

  test('the order of rows does not matter, to the last bit', () =>
    fc.assert(
      fc.asyncProperty(tables, async ({ seed, rows }) => {
        const train = drawTable(seed, { rows, classes, steps: 20 })
        const [one, other] = await Promise.all(
          [train, takeRows(train, shuffledRows(rows, seed))].map((data) =>
            fitTable(plain, [task, classes], { train: data }),
          ),
        )
        expect((await one!.store()).weights).toEqual((await other!.store()).weights)
      }),
      { numRuns: RUNS },
    ))

  test('the order of columns does not matter where no two splits are equally good', () =>
    fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const train = drawTable(seed, { rows: 120, classes: 1 })
        const turned = turnColumns(train)
        // Of values only: classes make splits that are equally good. Many rows a leaf, else any column may part a few.
        const definition = { ...plain, minChildWeight: 20 }
        const [one, other] = await Promise.all(
          [train, turned].map((data) => fitTable(definition, ['regression', 1], { train: data })),
        )
        expect(await other!.predict(turned)).toEqual(await one!.predict(train))
      }),
      { numRuns: task === 'regression' ? RUNS : 1 },
    ))

  test('a weight of n counts as n rows, one of 0 as none', () =>
    fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const table = drawTable(seed, { rows: 60, classes })
        const times = shuffledRows(60, seed).map((n) => n % 4)
        // Weights of their own keep any two splits and bins from being equally good.
        const random = seededRandom(seed + 1)
        const own = times.map(() => 0.5 + random())
        const repeated = times.flatMap((count, row) => Array<number>(count).fill(row))
        const definition = { ...plain, bins: 24 }
        const weighted = await fitTable(definition, [task, classes], {
          train: { ...table, weights: Float64Array.from(times, (count, row) => count * own[row]!) },
        })
        const rows = await fitTable(definition, [task, classes], {
          train: takeRows({ ...table, weights: Float64Array.from(own) }, repeated),
        })
        const [a, b] = [await weighted.predict(table), await rows.predict(table)]
        a.forEach((value, i) => {
          expect(value).toBeCloseTo(b[i]!, 8)
        })
      }),
      { numRuns: RUNS },
    ))

  test('early stopping keeps the trees of the best epoch', async () => {
    const train = drawTable(1, { rows: 60, classes })
    const validation = drawTable(2, { rows: 60, classes })
    const eager = { ...plain, trees: 200, learningRate: 0.5, earlyStopping: { patience: 5 } }
    const fitted = await fitTable(eager, [task, classes], { train, validation })
    const losses = fitted.curve.map(({ valLoss }) => valLoss!)
    const best = losses.indexOf(Math.min(...losses))
    expect(losses.length).toBe(best + 1 + 5)
    const exactly = await fitTable({ ...eager, trees: best + 1 }, [task, classes], { train })
    expect((await fitted.store()).weights).toEqual((await exactly.store()).weights)
  })
})

describe('random forest', () => {
  test('grown without bounds it errs less on rows it has not seen the more trees there are', async () => {
    const train = drawTable(1, { rows: 300, missing: 0 })
    const fitted = await fitTable({ kind: 'random-forest', trees: 40, columnSample: 1 }, ['regression', 1], {
      train,
    })
    const losses = fitted.curve.map(({ loss }) => loss)
    const mean = exactSum(train.y) / train.rows
    const spread = train.y.reduce((sum, y) => sum + (y - mean) ** 2, 0) / train.rows
    expect(losses.at(-1)).toBeLessThan(0.6 * spread)
    expect(losses.at(-1)).toBeLessThan(0.8 * losses[0]!)
  })

  test.each([1, 5, 20])('leaves hold at least %i distinct rows', async (minSamplesLeaf) => {
    const train = drawTable(1, { rows: 100, classes: 2, missing: 0 })
    const definition = { kind: 'random-forest' as const, trees: 1, minSamplesLeaf }
    const fitted = await fitTable(definition, ['binary-classification', 2], { train })
    const answers = await fitted.predict(train)
    const rowsOf = new Map<number, number>()
    for (const answer of answers) rowsOf.set(answer, (rowsOf.get(answer) ?? 0) + 1)
    expect(Math.min(...rowsOf.values())).toBeGreaterThanOrEqual(minSamplesLeaf)
  })

  test.each(TASKS)('%s: predictions stay within what the labels can be', async (task, classes) => {
    const train = drawTable(4, { rows: 100, classes })
    const fitted = await fitTable(FOREST, [task, classes], { train })
    const [least, most] = classes === 1 ? [Math.min(...train.y), Math.max(...train.y)] : [0, 1]
    for (const answer of await fitted.predict(drawTable(5, { rows: 50, classes }))) {
      expect(answer).toBeGreaterThanOrEqual(least - 1e-12)
      expect(answer).toBeLessThanOrEqual(most + 1e-12)
    }
  })
})

describe('sums and bins', () => {
  test('rounded numbers add up to the same in any order, and what is subtracted is as if never added', () => {
    const numbers = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e200, max: 1e200 }), {
      minLength: 1,
      maxLength: 50,
    })
    fc.assert(
      fc.property(numbers, (values) => {
        const rounded = Float64Array.from(values)
        roundForSums(rounded)
        const sum = rounded.reduce((total, value) => total + value, 0)
        expect(rounded.toReversed().reduce((total, value) => total + value, 0)).toBe(sum)
        const half = rounded.slice(0, rounded.length / 2).reduce((total, value) => total + value, 0)
        const rest = rounded.slice(rounded.length / 2).reduce((total, value) => total + value, 0)
        expect(sum - half).toBe(rest)
        const size = values.reduce((total, value) => total + Math.abs(value), 0)
        values.forEach((value, i) => {
          expect(Math.abs(value - rounded[i]!)).toBeLessThanOrEqual(size * 2 ** -50)
        })
      }),
    )
  })

  test('bins are never more than asked for, hold at least a row each, and one of each value where these are few', () => {
    const columns = fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ noNaN: true })), {
      minLength: 1,
    })
    fc.assert(
      fc.property(columns, fc.integer({ min: 2, max: 20 }), (values, bins) => {
        const x = Float64Array.from(values)
        const binned = binColumns({ rows: x.length, columns: ['c'], x, y: x }, bins)
        const used = new Set(binned.codes)
        const distinct = new Set(values.map((value) => value + 0)).size
        expect(used.size).toBe(binned.cuts[0]!.length + 1)
        expect(used.size).toBeLessThanOrEqual(bins)
        if (distinct <= bins) expect(used.size).toBe(distinct)
      }),
    )
  })

  test('a frequent value takes one bin and leaves the others to the rest', () => {
    const x = Float64Array.from({ length: 10_000 }, (_, i) => (i < 9000 ? 0 : i))
    const binned = binColumns({ rows: x.length, columns: ['c'], x, y: x }, 101)
    const counts = new Map<number, number>()
    for (const code of binned.codes) counts.set(code, (counts.get(code) ?? 0) + 1)
    expect([...counts.values()]).toEqual([9000, ...Array<number>(100).fill(10)])
  })
})

function turnColumns(table: TrainingInputs): TrainingInputs {
  const width = table.columns.length
  const x = table.x.map((_, i) => table.x[i - (i % width) + (width - 1 - (i % width))]!)
  return { ...table, columns: table.columns.toReversed(), x }
}

function memoryCheckpoints(): Checkpoints & { readonly saved: () => number } {
  let state: Uint8Array | undefined
  let saved = 0
  return {
    load: () => Promise.resolve(state),
    save: (bytes) => {
      state = bytes.slice()
      saved += 1
      return Promise.resolve()
    },
    saved: () => saved,
  }
}
