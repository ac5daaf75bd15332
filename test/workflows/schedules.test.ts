import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Pipeline } from '../../schemas/pipeline.js'
import { applySchedules } from '../../workers/schedules.js'
import { startTestServer, type TestServer } from './support/fake-lake.js'

let test: TestServer
beforeAll(async () => {
  test = await startTestServer()
})
afterAll(() => test.close())

function pipeline(name: string, nightly?: string): Pipeline {
  return {
    name,
    namespace: `${name}_features`,
    directory: '/p',
    sqlTexts: {},
    sources: {},
    tables: {},
    ...(nightly === undefined ? {} : { schedule: { nightly, timezone: 'Europe/Berlin' } }),
  }
}

it('a pipeline with a schedule gets one nightly Schedule, which a second apply brings up to date', async () => {
  const first = await applySchedules(test.client, [pipeline('quantum', '0 2 * * *'), pipeline('other')])
  expect(first).toEqual([
    { id: 'nightly-quantum', change: 'created', cron: '0 2 * * *', timezone: 'Europe/Berlin' },
  ])
  const handle = test.client.schedule.getHandle('nightly-quantum')
  await handle.pause('by hand')
  const [second] = await applySchedules(test.client, [pipeline('quantum', '30 3 * * *')])
  expect(second?.change).toBe('updated')
  const description = await handle.describe()
  expect(description.state.paused).toBe(true)
  expect(description.policies).toMatchObject({
    overlap: 'BUFFER_ONE',
    catchupWindow: 604_800_000,
    pauseOnFailure: false,
  })
  expect(description.info.nextActionTimes[0]?.toISOString()).toMatch(/T0[12]:30:00/)
  expect(description.action).toMatchObject({ workflowType: 'nightly', args: [{ pipeline: 'quantum' }] })
})
