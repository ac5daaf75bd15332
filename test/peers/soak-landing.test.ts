import { describe, expect, test } from 'vitest'
import { FAULTS } from '../../soak/landing/faults.js'
import { soakLanding } from '../../soak/landing/soak-landing.js'
import { missingService } from '../support/services.js'

const missing = (['kafka', 's3', 'temporal'] as const).map(missingService).find((why) => why !== undefined)
const SEED = Number(process.env['FIRN_TEST_SEED'] ?? 20261121)

/** The short form of `npm run soak landing`: every kind of fault once, a few thousand messages. */
describe.skipIf(missing !== undefined)(
  `a stream under chaos${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    test(`lands every offset once, whatever is killed, lies or rolls back (seed ${SEED})`, async () => {
      const told: string[] = []
      const report = (text: string): void => void told.push(text)
      const result = await soakLanding({ rounds: FAULTS.length, messages: 14_000, seed: SEED, report })
      expect(result, told.join('\n')).toMatchObject({ lost: 0, doubled: 0, rounds: FAULTS.length })
      expect(result.deadLetters).toBe(result.deadLettersExpected)
      expect(result.kills).toBeGreaterThan(2)
    })
  },
)
