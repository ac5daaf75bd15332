import { expect, it } from 'vitest'
import { growingCurve } from '../../activities/tell-learning.js'
import { readCurve, thinCurve } from '../../schemas/learning-curve.js'
import type { LearningPoint } from '../../schemas/model-messages.js'

/** A training of so many epochs by a clock that only it moves; a signal is answered so many epochs after it was sent. */
function train(epochs: number, epochMs: number, answerEpochs = 0) {
  const sent: (readonly LearningPoint[])[] = []
  const unanswered: { readonly due: number; readonly answer: () => void }[] = []
  let [nowEpoch, mostOpen] = [0, 0]
  const told = growingCurve({
    now: () => nowEpoch * epochMs,
    send: (curve) => {
      sent.push(curve)
      return new Promise<void>((answer) => {
        unanswered.push({ due: nowEpoch + answerEpochs, answer })
        mostOpen = Math.max(mostOpen, unanswered.length)
      })
    },
  })
  const run = async (): Promise<void> => {
    while (nowEpoch < epochs) {
      nowEpoch += 1
      told({ phase: nowEpoch % 2 === 1 ? 'fold x' : 'model', epoch: nowEpoch, epochs, loss: 1 / nowEpoch })
      while ((unanswered[0]?.due ?? Infinity) <= nowEpoch) unanswered.shift()!.answer()
      await Promise.resolve().then(() => undefined)
    }
  }
  return { run, sent, mostOpen: () => mostOpen }
}

it('twelve hours of epochs are about thirty signals of at most 200 points that end with the newest', async () => {
  const { run, sent } = train(43_200, 1000)
  await run()
  expect(sent.length).toBeGreaterThan(15)
  expect(sent.length).toBeLessThanOrEqual(30)
  for (const curve of sent) {
    expect(curve.length).toBeLessThanOrEqual(200)
    const epochs = curve.map(({ epoch }) => epoch)
    // Epochs of folds are not told, and those that are left are evenly far from each other, but for the newest.
    expect(epochs[0]).toBe(2)
    const steps = new Set(epochs.slice(1, -1).map((epoch, at) => epoch - epochs[at]!))
    expect(steps.size).toBeLessThanOrEqual(1)
  }
  const newest = sent.map((curve) => curve.at(-1)!.epoch)
  expect(newest).toEqual([...newest].sort((a, b) => a - b))
  expect(newest.at(-1)).toBeGreaterThan(25_000)
})

it('nothing is sent while something is under way, and a training of a second tells nothing', async () => {
  const slow = train(20_000, 1000, 50)
  await slow.run()
  expect(slow.sent.length).toBeGreaterThan(3)
  expect(slow.mostOpen()).toBe(1)
  const quick = train(100, 10)
  await quick.run()
  expect(quick.sent).toEqual([])
})

it('a curve of somebody else is cut to 200 points, the newest among them; what is no point is left out', () => {
  const long = Array.from({ length: 1001 }, (_, epoch) => ({ epoch, loss: 1 }))
  expect(thinCurve(long).length).toBeLessThanOrEqual(200)
  expect(thinCurve(long).at(-1)).toEqual({ epoch: 1000, loss: 1 })
  expect(thinCurve(long.slice(0, 200))).toHaveLength(200)
  const mixed = [
    { epoch: 1, loss: 2, valLoss: 3 },
    null,
    7,
    { epoch: '2', loss: 1 },
    { epoch: 2, loss: null },
  ]
  expect(readCurve(mixed)).toEqual([{ epoch: 1, loss: 2, valLoss: 3 }])
  for (const none of [undefined, null, 'x', {}]) expect(readCurve(none)).toEqual([])
})
