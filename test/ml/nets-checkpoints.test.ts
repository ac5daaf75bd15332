import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { bindCheckpoints } from '../../ml/models/bind-checkpoints.js'
import { checkpointKey, openCheckpoints } from '../../ml/models/checkpoint-store.js'
import { decodeState, encodeState, type TrainingState } from '../../ml/models/network/training-state.js'
import { MemoryCheckpoints } from './support/toy-inputs.js'

const WAREHOUSE = 'memory://lake'
const state = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes)

describe('checkpoints in the warehouse', () => {
  const opened = (io = new MemoryFileIO(), key = 'a') => ({
    io,
    checkpoints: openCheckpoints({ io, warehouse: WAREHOUSE, key }),
    another: () => openCheckpoints({ io, warehouse: WAREHOUSE, key }),
  })

  test('the newest one is found by another worker, and a few old ones at most are kept', async () => {
    const { io, checkpoints, another } = opened()
    expect(await another().load()).toBeUndefined()
    for (let epoch = 1; epoch <= 20; epoch += 1) await checkpoints.save(state(`epoch ${epoch}`))
    expect(textOf(await another().load())).toBe('epoch 20')
    expect(await locationsOf(io)).toEqual([
      `${WAREHOUSE}/_scratch/checkpoints/a/000000000019`,
      `${WAREHOUSE}/_scratch/checkpoints/a/000000000020`,
    ])
  })

  test.each([
    ['cut off', (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 1)],
    ['changed in one bit', (bytes: Uint8Array) => bytes.map((byte, at) => (at === 40 ? byte ^ 1 : byte))],
    ['empty', () => new Uint8Array()],
  ])('one that is %s is passed over for the one before', async (_how, damage) => {
    const { io, checkpoints, another } = opened()
    await checkpoints.save(state('the first epoch'))
    await checkpoints.save(state('the second epoch'))
    const newest = (await locationsOf(io)).at(-1)!
    await io.write(newest, damage(await io.read(newest)))
    expect(textOf(await another().load())).toBe('the first epoch')
    await another().save(state('the second epoch again'))
    expect(textOf(await another().load())).toBe('the second epoch again')
  })

  test('attempts that write beside each other never leave less than one whole state', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 4 }), async (scheduler, each) => {
        const { io, another } = opened()
        const attempt = async (name: string): Promise<void> => {
          const checkpoints = another()
          for (let epoch = 1; epoch <= each; epoch += 1) {
            await scheduler.schedule(Promise.resolve())
            await checkpoints.save(state(`${name} ${epoch}`))
            expect(await another().load()).toBeDefined()
          }
        }
        const both = Promise.all([attempt('zombie'), attempt('newer')])
        await scheduler.waitIdle()
        await both
        expect(textOf(await another().load())).toMatch(/^(zombie|newer) \d$/)
        expect((await locationsOf(io)).length).toBeLessThanOrEqual(4)
      }),
      { numRuns: 50 },
    )
  })

  test('are swept with their training, and only those', async () => {
    const io = new MemoryFileIO()
    const [own, other] = [opened(io, 'a'), opened(io, 'ab')]
    await own.checkpoints.save(state('own'))
    await other.checkpoints.save(state('other'))
    await own.another().sweep()
    expect(await own.checkpoints.load()).toBeUndefined()
    expect(textOf(await other.checkpoints.load())).toBe('other')
    await own.another().sweep()
  })

  test('the key depends on what a training follows from, not on how it is spelled', () => {
    const pin = { tag: 'v_1', seed: 0 }
    expect(checkpointKey(pin, { digest: 'x' })).toBe(checkpointKey({ seed: 0, tag: 'v_1' }, { digest: 'x' }))
    expect(checkpointKey({ ...pin, seed: 1 }, { digest: 'x' })).not.toBe(checkpointKey(pin, { digest: 'x' }))
    expect(checkpointKey(pin)).toMatch(/^[0-9a-f]{64}$/)
  })
})

test('a bound state is found by what it was bound to alone', async () => {
  const checkpoints = new MemoryCheckpoints()
  const [one, two] = [1, 2].map((byte) => bindCheckpoints(checkpoints, new Uint8Array(32).fill(byte)))
  expect(await one!.load()).toBeUndefined()
  await one!.save(state('mine'))
  expect(textOf(await one!.load())).toBe('mine')
  expect(await two!.load()).toBeUndefined()
})

test('a state comes back as it was, to the last bit', () => {
  const floats = fc.float32Array({ minLength: 5, maxLength: 5 })
  const arbitrary = fc.record({
    epoch: fc.nat(),
    parameters: floats,
    adam: fc.record({
      first: floats,
      second: floats,
      decay: fc.tuple(
        fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 }),
        fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 }),
      ),
    }),
    best: fc.option(fc.record({ epoch: fc.nat(), loss: fc.double({ min: 0, max: 9 }), parameters: floats }), {
      nil: undefined,
    }),
    curve: fc.array(fc.record({ epoch: fc.nat(), loss: fc.double({ min: 0, max: 9, noNaN: true }) })),
  })
  fc.assert(
    fc.property(arbitrary, ({ best, ...rest }) => {
      const whole: TrainingState = { ...rest, ...(best !== undefined && { best }) }
      const bytes = encodeState(whole)
      // Somewhere in a larger buffer, as it comes from a file or another process.
      const moved = Buffer.concat([Buffer.alloc(3), bytes]).subarray(3)
      expect(encodeState(decodeState(moved))).toEqual(bytes)
    }),
  )
})

async function locationsOf(io: MemoryFileIO): Promise<string[]> {
  const locations: string[] = []
  for await (const { location } of io.list(WAREHOUSE)) locations.push(location)
  return locations.sort()
}
