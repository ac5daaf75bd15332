import { expect, test } from 'vitest'
import { FULL } from '../support/full.js'
import { runSoak } from './run-soak.js'

test('damaged files of every kind are read as before or refused with a clear error: no crash, hang or wrong row', async () => {
  const cases = FULL ? 20_000 : 2500
  // The same files each time: a Parquet footer has no checksum, so of enough of them one is damaged in a way that nothing
  // tells. `npm run soak fuzz` draws others.
  const seed = Number(process.env['FIRN_TEST_SEED'] ?? 1)
  console.log(`soak fuzz --cases ${cases} --seed ${seed}`)
  const { result, report } = await runSoak(['fuzz', '--cases', `${cases}`, '--seed', `${seed}`])
  expect(result, report).toMatchObject({ cases, wrong: 0, unclear: 0 })
}, 600_000)
