import { expect, test } from 'vitest'
import { FULL } from '../support/full.js'
import { newSeed, runSoak } from './run-soak.js'

const PROCESSES = 2

test('random histories of several writers with faults at every call end as some serial order would', async () => {
  const histories = (FULL ? 2000 : 200) / PROCESSES
  const first = newSeed()
  console.log(`soak iceberg --histories ${histories * PROCESSES} --seed ${first}`)
  const parts = await Promise.all(
    Array.from({ length: PROCESSES }, async (_, at) => {
      const seed = first + at * histories
      return runSoak(['iceberg', '--histories', `${histories}`, '--seed', `${seed}`])
    }),
  )
  for (const { result, report } of parts) {
    expect(result, report).toMatchObject({ histories, lost: 0, doubled: 0, deletedLive: 0, resurrected: 0 })
    expect(result).toMatchObject({ operations: atLeast(histories), faults: atLeast(histories) })
  }
}, 900_000)

function atLeast(least: number): unknown {
  return { asymmetricMatch: (value: number) => value >= least }
}
