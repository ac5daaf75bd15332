import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { BackfillResult, BackfillStatus } from '../../schemas/backfill-messages.js'
import { startDevServer, type DevServer } from '../../workers/temporal-server.js'
import { landed, nightOf, startTestServer, withFakeLake, type TestServer } from './support/fake-lake.js'
import { inputsOf, startOn } from './support/run-workflows.js'

/** Temporal itself is killed under a backfill and comes back on its database. */
const folder = mkdtempSync(join(tmpdir(), 'firn-restart-'))
const dbFile = join(folder, 'temporal.db')
let test: TestServer
let second: DevServer | undefined
beforeAll(async () => {
  test = await startTestServer({ dbFile })
})
afterAll(async () => {
  await test.close()
  await second?.stop()
  rmSync(folder, { recursive: true, force: true })
})

it('a backfill goes on after its server was killed, and runs every date once', async () => {
  const days = ['01', '02', '03', '04', '05', '06'].map((day) => `2026-07-${day}`)
  const slow = { commitLanding: ({ plan, fetched }: Parameters<typeof later>[0]) => later({ plan, fetched }) }
  await withFakeLake(test.connection, slow, async (calls) => {
    const input = { pipeline: 'quantum', from: days[0], to: days.at(-1), parallel: 2, maintain: 'never' }
    const handle = await startOn(test, 'backfill', input, 'restarted')
    while ((await handle.query<BackfillStatus>('status')).counts.published < 1) await sleep(20)
    process.kill(test.server.pid, 'SIGKILL')
    second = await startDevServer({ dbFile, port: Number(test.server.address.split(':')[1]) })
    const result = (await handle.result()) as BackfillResult
    expect(result).toMatchObject({ status: 'done', counts: { published: days.length, failed: 0 } })
    // An activity may run again; the night of a date, which it belongs to, may not.
    const published = inputsOf(calls, 'publishBatch').map(
      (one) => (one as { plan: { batch: string } }).plan.batch,
    )
    expect(new Set(published)).toEqual(new Set(days.map(nightOf)))
    const nights = test.client.workflow.list({ query: `WorkflowType = 'nightly'` })
    const ids: string[] = []
    for await (const { workflowId } of nights) ids.push(workflowId)
    expect(ids.sort()).toEqual(days.map((day) => `nightly-quantum-${day}`))
  })
}, 120_000)

async function later({
  plan,
  fetched,
}: {
  plan: Parameters<typeof landed>[0]
  fetched: Parameters<typeof landed>[1]
}) {
  await sleep(200)
  return landed(plan, fetched)
}
