import { expect, test } from 'vitest'
import { openCheckpoints } from '../../ml/models/checkpoint-store.js'
import { sweepScratch } from '../../ml/training/sweep-scratch.js'
import { toyLake } from './support/toy-lake.js'

test('checkpoints of a training that never ended go after a week, those of one that runs stay', async () => {
  const lake = await toyLake()
  const { io } = lake.catalog
  const { warehouse } = lake.deps
  const checkpoints = openCheckpoints({ io, warehouse, key: 'a' })
  await checkpoints.save(Uint8Array.of(1))
  const at = (ms: number) => ({ ...lake.deps, now: () => Date.now() + ms })
  expect(await sweepScratch(at(6 * 86_400_000))).toBe(0)
  expect(await checkpoints.load()).toEqual(Uint8Array.of(1))
  expect(await sweepScratch(at(8 * 86_400_000))).toBe(1)
  expect(await checkpoints.load()).toBeUndefined()
  expect(await sweepScratch(at(8 * 86_400_000))).toBe(0)
  lake.close()
})
