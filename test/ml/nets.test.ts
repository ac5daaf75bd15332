import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cnn } from '../../ml/models/cnn/cnn.js'
import { dense } from '../../ml/models/dense/dense.js'
import type { FittedEstimator, Inputs } from '../../ml/models/estimator.js'
import { estimatorOf } from '../../ml/models/find-estimator.js'
import type { ModelTask } from '../../schemas/model-definitions.js'
import {
  bytesOf,
  CNN,
  DENSE,
  denseOptions,
  MemoryCheckpoints,
  toyPictures,
  toyRows,
} from './support/toy-inputs.js'

const TASKS: readonly ModelTask[] = ['binary-classification', 'multiclass-classification', 'regression']

describe('a dense network', () => {
  test.each(TASKS)('learns a %s, and its stored bytes predict the same', async (task) => {
    const definition = { ...DENSE, epochs: 60, dropout: 0 }
    const fitted = await dense.fit(denseOptions({ task, definition, train: toyRows(task, 400) }))
    const held = toyRows(task, 300, 2)
    const predictions = await fitted.predict(held)
    if (task === 'regression') {
      const squares = held.y.reduce((sum, y, row) => sum + (y - predictions[row]!) ** 2, 0) / held.rows
      // The labels' own deviation is about 70.
      expect(Math.sqrt(squares)).toBeLessThan(15)
    } else {
      expect(accuracy(predictions, held.y)).toBeGreaterThan(0.9)
    }
    const restored = await dense.restore(await fitted.store())
    expect(await restored.predict(held)).toEqual(predictions)
    expect(bytesOf(await restored.store())).toBe(bytesOf(await fitted.store()))
  })

  test('probabilities of many classes sum up to 1', async () => {
    const fitted = await dense.fit(denseOptions({ task: 'multiclass-classification' }))
    const predictions = await fitted.predict(toyRows('multiclass-classification', 50, 3))
    for (let row = 0; row < 50; row += 1) {
      expect(predictions.subarray(3 * row, 3 * row + 3).reduce((a, b) => a + b)).toBeCloseTo(1, 12)
    }
  })

  test('is equal in every byte when fitted again, and another one with another seed', async () => {
    const fit = async (seed: number) => bytesOf(await (await dense.fit(denseOptions({ seed }))).store())
    const [once, again, other] = [await fit(0), await fit(0), await fit(1)]
    expect(again).toBe(once)
    expect(other).not.toBe(once)
  })

  test.each(['dropout', 'l2'] as const)('%s changes what is learnt', async (option) => {
    const without = { ...DENSE, [option]: 0 }
    const [a, b] = [await dense.fit(denseOptions()), await dense.fit(denseOptions({ definition: without }))]
    expect(bytesOf(await a.store())).not.toBe(bytesOf(await b.store()))
  })

  test('a row of weight 0 is as if it were not there but for the batches it stands in', async () => {
    const train = toyRows('binary-classification', 64)
    const lying = { ...train, y: train.y.map((y, row) => (row < 20 ? 1 - y : y)) }
    const weights = Float64Array.from({ length: 64 }, (_, row) => (row < 20 ? 0 : 64 / 44))
    const [honest, deceived] = await Promise.all(
      [train, lying].map((rows) => dense.fit(denseOptions({ train: { ...rows, weights } }))),
    )
    expect(bytesOf(await deceived!.store())).toBe(bytesOf(await honest!.store()))
  })
})

describe('early stopping', () => {
  const validation = toyRows('binary-classification', 60, 7)
  // It overfits at this rate: the loss on validation rows falls, then rises.
  const plain = { ...DENSE, hidden: [32], dropout: 0, l2: 0, epochs: 80, learningRate: 0.1 }
  const definition = { ...plain, earlyStopping: { patience: 5 } }

  test('stops after its patience and keeps the weights of the best epoch', async () => {
    const train = toyRows('binary-classification', 60)
    const stopped = await dense.fit(denseOptions({ definition, train, validation }))
    const losses = stopped.curve.map(({ valLoss }) => valLoss!)
    const best = losses.indexOf(Math.min(...losses)) + 1
    expect(stopped.curve).toHaveLength(best + 5)
    expect(best).toBeLessThan(75)
    const untilBest = await dense.fit(denseOptions({ definition: { ...plain, epochs: best }, train }))
    expect(Buffer.from((await stopped.store()).weights)).toEqual(
      Buffer.from((await untilBest.store()).weights),
    )
  })

  test('counts only falls of more than minDelta', async () => {
    const eager = { ...definition, earlyStopping: { patience: 2, minDelta: 1e9 } }
    const fitted = await dense.fit(denseOptions({ definition: eager, validation }))
    expect(fitted.curve).toHaveLength(3)
  })

  test('validation rows are measured but never learnt from', async () => {
    const short = { ...plain, epochs: 4 }
    const [without, beside] = await Promise.all([
      dense.fit(denseOptions({ definition: short })),
      dense.fit(denseOptions({ definition: short, validation })),
    ])
    expect(bytesOf(await beside.store())).toBe(bytesOf(await without.store()))
    expect(beside.curve.map(({ loss }) => loss)).toEqual(without.curve.map(({ loss }) => loss))
    expect(without.curve.every(({ valLoss }) => valLoss === undefined)).toBe(true)
  })
})

describe('checkpoints', () => {
  const validation = toyRows('binary-classification', 60, 7)
  const definition = { ...DENSE, epochs: 12, learningRate: 0.2, earlyStopping: { patience: 4 } }
  const options = denseOptions({ definition, validation })

  test('a fit that goes on after any epoch is equal to the undisturbed one', async () => {
    const undisturbed = await dense.fit(options)
    const kept = new MemoryCheckpoints()
    await dense.fit({ ...options, checkpoints: kept })
    expect(kept.states).toHaveLength(undisturbed.curve.length)
    for (const [at, state] of kept.states.entries()) {
      const checkpoints = new MemoryCheckpoints()
      checkpoints.states.push(state)
      const epochs: number[] = []
      const resumed = await dense.fit({
        ...options,
        checkpoints,
        onEpoch: ({ epoch }) => epochs.push(epoch),
      })
      expect(resumed.resumedFrom).toBe(at + 1)
      expect(epochs[0] ?? at + 2).toBe(at + 2)
      expect(resumed.curve).toEqual(undisturbed.curve)
      expect(bytesOf(await resumed.store())).toBe(bytesOf(await undisturbed.store()))
      // And what it keeps from there on is what the first one kept.
      expect(checkpoints.states.slice(1)).toEqual(kept.states.slice(at + 1))
    }
  })

  test('of another seed, definition or data are not gone on from', async () => {
    const checkpoints = new MemoryCheckpoints()
    await dense.fit({ ...options, checkpoints })
    const others = [
      { ...options, seed: 5 },
      { ...options, definition: { ...definition, dropout: 0.3 } },
      { ...options, train: toyRows('binary-classification', 100, 9) },
      { ...options, validation: toyRows('binary-classification', 60, 8) },
    ]
    for (const other of others) {
      const fitted = await dense.fit({ ...other, checkpoints })
      expect(fitted.resumedFrom).toBeUndefined()
      expect(bytesOf(await fitted.store())).toBe(bytesOf(await (await dense.fit(other)).store()))
      checkpoints.states.splice(definition.epochs)
    }
  })
})

describe('a convolutional network', () => {
  const train = toyPictures(200)
  const options = denseOptions({ train }) as unknown as Parameters<typeof cnn.fit>[0]

  test('tells lines that lie from lines that stand', async () => {
    const fitted = await cnn.fit({ ...options, definition: { ...CNN, epochs: 12 } })
    const held = toyPictures(200, 2)
    expect(accuracy(await fitted.predict(held), held.y)).toBeGreaterThan(0.95)
  })

  test('resumes after any epoch to the same bytes', async () => {
    const fit = { ...options, definition: { ...CNN, epochs: 3 } }
    const kept = new MemoryCheckpoints()
    const undisturbed = bytesOf(await (await cnn.fit({ ...fit, checkpoints: kept })).store())
    for (const state of kept.states) {
      const checkpoints = new MemoryCheckpoints()
      checkpoints.states.push(state)
      expect(bytesOf(await (await cnn.fit({ ...fit, checkpoints })).store())).toBe(undisturbed)
    }
  })

  test('says which convolution is too large for the pictures', async () => {
    const convolutions = [
      { filters: 2, size: 3 },
      { filters: 2, size: 3 },
    ]
    await expect(cnn.fit({ ...options, definition: { ...CNN, convolutions } })).rejects.toThrow(
      /convolution 2 of size 3 .* at least 4 × 4, but 3 × 3 come in/,
    )
  })
})

describe('a prediction', () => {
  test.each(TASKS)('of a dense %s is the same for any number of rows and any place', async (task) => {
    const definition = { ...DENSE, hidden: [33, 7], epochs: 1 }
    await expectSteady(await dense.fit(denseOptions({ task, definition })), toyRows(task, 1000, 4))
  })

  test('of pictures, too', async () => {
    const options = { ...denseOptions({ train: toyPictures(40) }), definition: { ...CNN, epochs: 1 } }
    await expectSteady(await cnn.fit(options), toyPictures(1000, 4))
  })

  test('of no rows is empty', async () => {
    const fitted = await dense.fit(denseOptions())
    expect(await fitted.predict(toyRows('binary-classification', 0))).toHaveLength(0)
  })
})

describe('what no network can be fitted with is refused', () => {
  test.each([
    [{ epochs: 0 }, /`epochs` is 0, but must be a whole number, of 1 or more/],
    [{ batchSize: 1.5 }, /`batchSize` is 1.5/],
    [{ learningRate: 0 }, /`learningRate` is 0, but must be a number, above 0/],
    [{ dropout: 1 }, /`dropout` is 1/],
    [{ l2: -1 }, /`l2` is -1/],
    [{ hidden: [8, 0] }, /`hidden` is 0/],
  ])('%j', async (change, message) => {
    const fit = dense.fit(denseOptions({ definition: { ...DENSE, ...change } }))
    await expect(fit).rejects.toMatchObject({ kind: 'invalid-input' })
    await expect(fit).rejects.toThrow(message)
  })

  test('missing numbers, no rows', async () => {
    const train = toyRows('binary-classification', 10)
    train.x[7] = NaN
    await expect(dense.fit(denseOptions({ train }))).rejects.toThrow(/row 1 has no value in "c"/)
    const none = dense.fit(denseOptions({ train: toyRows('binary-classification', 0) }))
    await expect(none).rejects.toThrow(/no training rows/)
  })

  test('a rate at which it diverges', async () => {
    const definition = { ...DENSE, learningRate: 1e30 }
    const fit = dense.fit(denseOptions({ task: 'regression', definition }))
    await expect(fit).rejects.toThrow(/diverged: the loss of epoch 1 is .* Lower its learningRate/)
  })

  test('rows of another width than it was trained on', async () => {
    const fitted = await dense.fit(denseOptions())
    const rows: Inputs = { rows: 2, columns: ['a'], x: new Float64Array(2) }
    await expect(fitted.predict(rows)).rejects.toThrow(/takes 5 numbers a row, but 2 rows came with 2/)
  })

  test('stored weights that were cut off', async () => {
    const stored = await (await dense.fit(denseOptions())).store()
    const cut = { ...stored, weights: stored.weights.subarray(4) }
    await expect(dense.restore(cut)).rejects.toThrow(/has format 1 and \d+ bytes of weights/)
  })
})

test('an estimator is found by its kind', async () => {
  expect(await estimatorOf('dense')).toBe(dense)
  expect(await estimatorOf('cnn')).toBe(cnn)
  await expect(estimatorOf('external')).rejects.toMatchObject({ kind: 'config' })
})

/** One at a time, in any slices, in any order: the same bits. */
async function expectSteady(fitted: FittedEstimator, rows: Inputs): Promise<void> {
  const width = rows.columns.length
  const take = (indexes: readonly number[]): Inputs => {
    const x = new Float64Array(indexes.length * width)
    indexes.forEach((row, at) => x.set(rows.x.subarray(row * width, (row + 1) * width), at * width))
    return { ...rows, rows: indexes.length, x }
  }
  const all = await fitted.predict(rows)
  const outputs = all.length / rows.rows
  const expected = (indexes: readonly number[]) =>
    indexes.flatMap((row) => [...all.subarray(row * outputs, (row + 1) * outputs)])
  for (const size of [1, 7, 255, 256, 257]) {
    const indexes = Array.from({ length: size }, (_, at) => at)
    expect([...(await fitted.predict(take(indexes)))]).toEqual(expected(indexes))
  }
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(rows.rows - 1), { minLength: 1, maxLength: 600 }), async (indexes) => {
      expect([...(await fitted.predict(take(indexes)))]).toEqual(expected(indexes))
    }),
    { numRuns: 15 },
  )
}

/** Of probabilities: [rows] of class 1, or [rows, classes]. */
function accuracy(predictions: Float64Array, labels: Float64Array): number {
  const outputs = predictions.length / labels.length
  const said = (row: number) => {
    const own = [...predictions.subarray(row * outputs, (row + 1) * outputs)]
    return outputs === 1 ? Number(own[0]! >= 0.5) : own.indexOf(Math.max(...own))
  }
  return labels.reduce((sum, label, row) => sum + Number(said(row) === label), 0) / labels.length
}
