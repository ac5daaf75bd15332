import { expect, test } from 'vitest'
import { newSeed, runSoak } from './run-soak.js'

test('months of nights with faults, missed dates, bad data, rollbacks and maintenance hold what plain loops say', async () => {
  const months = 1
  const seed = newSeed()
  console.log(`soak nights --months ${months} --seed ${seed}`)
  const { result, report } = await runSoak(['nights', '--months', `${months}`, '--seed', `${seed}`])
  expect(result, report).toMatchObject({ months, lost: 0, doubled: 0, missingFiles: 0, exceeded: [] })
  const { batches, faults, snapshots, metadataFiles } = result as Record<string, number>
  expect(batches).toBeGreaterThan(10 * months)
  expect(faults).toBeGreaterThan(months)
  expect(snapshots).toBeLessThan(150)
  expect(metadataFiles).toBeLessThan(150)
}, 600_000)
