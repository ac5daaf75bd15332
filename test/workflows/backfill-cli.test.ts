import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runFirn } from '../support/run-firn.js'
import { failWith, nightOf, startTestServer, withFakeLake, type TestServer } from './support/fake-lake.js'
import { endless, inputsOf } from './support/run-workflows.js'

/** The real command line against a real server, whose nights are fakes. */
const home = mkdtempSync(join(tmpdir(), 'firn-backfill-cli-'))
let test: TestServer
beforeAll(async () => {
  test = await startTestServer()
})
afterAll(async () => {
  await test.close()
  rmSync(home, { recursive: true, force: true })
})

async function backfill(...args: readonly string[]): Promise<unknown> {
  const env = { TEMPORAL_ADDRESS: test.server.address }
  const { stdout } = await runFirn(['backfill', ...args, '--json'], { home, env })
  return JSON.parse(stdout) as unknown
}
const refused = (message: RegExp) => ({
  error: { message: expect.stringMatching(message) as string, exitCode: 2 },
})

it('a backfill is looked at, started, retried, paused, resumed and cancelled from the command line', async () => {
  const range = ['quantum', '--from', '2026-07-01', '--to', '2026-07-03']
  const id = 'backfill-quantum-2026-07-01-2026-07-03'
  let mode: 'broken' | 'well' | 'stuck' = 'broken'
  await withFakeLake(
    test.connection,
    {
      planBuild: async ({ pipeline, batch }) => {
        if (mode === 'stuck') await endless()
        if (mode === 'broken' && batch === nightOf('2026-07-02')) failWith('config', { final: true })
        return { kind: 'nothing-new', pipeline, batch, inputTo: 0 }
      },
    },
    async (calls) => {
      const [looked, reversed, nobody] = await Promise.all([
        backfill('start', ...range, '--on-change', 'forward', '--dry-run'),
        backfill('preview', 'quantum', '--from', '2026-07-03', '--to', '2026-07-01'),
        backfill('status', 'backfill-nobody'),
      ])
      expect(looked).toMatchObject({
        ...{ workflowId: id, total: 3, runs: 3, counts: { due: 3 } },
        commands: { firn: `firn backfill start ${range.join(' ')} --on-change forward` },
      })
      expect(reversed).toMatchObject(refused(/is after `to`.*earlier date first/))
      expect(nobody).toMatchObject(refused(/no backfill "backfill-nobody": `firn backfill list`/))
      expect(calls).toEqual([])

      const start = () => backfill('start', ...range, '--on-change', 'forward')
      expect(await start()).toEqual({ workflowId: id, joined: false })
      await test.client.workflow.getHandle(id).result()
      const failed = { date: '2026-07-02', state: 'failed', cause: 'it failed: config' }
      const counts = { no_changes: 2, failed: 1 }
      expect(await backfill('status', id)).toMatchObject({ status: 'failed', counts })
      const dates = await backfill('dates', id, '--state', 'failed')
      expect(dates).toMatchObject({ total: 1, rows: [failed] })
      expect(await backfill('retry-failed', id, '--dry-run')).toMatchObject([failed])
      expect(await backfill('pause', id)).toMatchObject(refused(/has ended: .*retry-failed/))

      mode = 'well'
      calls.length = 0
      await backfill('retry-failed', id)
      expect(await test.client.workflow.getHandle(id).result()).toMatchObject({ counts: { no_changes: 3 } })
      expect(inputsOf(calls, 'planBuild')).toMatchObject([
        { batch: nightOf('2026-07-02'), onChange: 'forward' },
      ])

      mode = 'stuck'
      const other = 'backfill-quantum-2026-08-01-2026-08-01'
      await backfill('start', 'quantum', '--dates', '2026-08-01')
      expect(await backfill('pause', other)).toMatchObject({ status: 'paused' })
      expect(await backfill('resume', other)).toMatchObject({ status: 'running' })
      expect(await backfill('cancel', other)).toMatchObject({ status: 'cancelled', counts: { cancelled: 1 } })
      const listed = ((await backfill('list')) as { workflowId: string; status: string }[]).map(
        ({ workflowId, status: ended }) => [workflowId, ended],
      )
      expect(listed).toEqual(expect.arrayContaining([[other, 'cancelled']]))
      expect(listed.map(([workflowId]) => workflowId)).toContain(id)
    },
  )
}, 240_000)
