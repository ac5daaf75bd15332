import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runFirn, type Ended } from '../support/run-firn.js'
import { startTestServer, withFakeLake, type TestServer } from './support/fake-lake.js'
import { inputsOf } from './support/run-workflows.js'

/** The real command line against a real server, whose activities are fakes. */
const home = mkdtempSync(join(tmpdir(), 'firn-schedules-cli-'))
let test: TestServer
beforeAll(async () => {
  test = await startTestServer()
})
afterAll(async () => {
  await test.close()
  rmSync(home, { recursive: true, force: true })
})

const firn = (...args: readonly string[]): Promise<Ended> =>
  runFirn(args, { home, env: { TEMPORAL_ADDRESS: test.server.address } })
async function json(...args: readonly string[]): Promise<unknown> {
  const { stdout } = await firn(...args, '--json')
  return JSON.parse(stdout) as unknown
}
const schedules = (...args: readonly string[]): Promise<unknown> => json('schedules', ...args)
interface Missed {
  readonly missed: readonly { readonly batch: string }[]
  readonly backfill?: string
}
const refused = (message: RegExp) => ({
  error: { message: expect.stringMatching(message) as string, exitCode: 2 },
})

it('schedules are applied, shown, paused, triggered and deleted from the command line', async () => {
  const applied = { id: 'nightly-quantum', cron: expect.any(String) as string }
  const apply = async (...more: readonly string[]) => await schedules('apply', ...more)
  const created = expect.arrayContaining([
    expect.objectContaining({ ...applied, change: 'created' }),
  ]) as unknown
  expect(await apply('--dry-run')).toEqual(created)
  expect(await schedules('list')).toEqual([])
  expect(await apply()).toEqual(created)
  expect(await schedules('pause', 'quantum', '--note', 'broker moves')).toMatchObject({ paused: true })
  const shown = await firn('schedules', 'show', 'quantum')
  expect(shown).toMatchObject({ code: 0, stderr: '' })
  expect(shown.stdout).toMatch(/^nightly-quantum: .* paused \(broker moves\)\n/)
  expect(await schedules('resume', 'quantum')).toMatchObject({ paused: false })
  const since = new Date(Date.now() - 2 * 86_400_000).toISOString().slice(0, 10)
  const missed = async (...more: readonly string[]) =>
    (await schedules('missed', 'quantum', '--since', since, ...more)) as Missed
  const due = await missed('--run', '--dry-run')
  expect(due.missed.length).toBeGreaterThan(1)
  expect(due.backfill).toBeUndefined()
  expect(await schedules('trigger', 'quantum', '--date', '2026-07-01', '--dry-run')).toEqual({
    ...{ pipeline: 'quantum', batch: '20260701T020000Z', scheduled: true },
    workflowId: 'nightly-quantum-2026-07-01',
  })
  await withFakeLake(test.connection, {}, async (calls) => {
    const started = (await schedules('trigger', 'quantum')) as Readonly<
      Record<'batch' | 'workflowId', string>
    >
    expect(started).toMatchObject({ scheduled: false, workflowId: `nightly-quantum-${started.batch}` })
    expect(await test.client.workflow.getHandle(started.workflowId).result()).toMatchObject({
      batch: started.batch,
    })
    expect(inputsOf(calls, 'planBuild')).toMatchObject([{ batch: started.batch }])
    calls.length = 0
    const { backfill = '' } = await missed('--run')
    await test.client.workflow.getHandle(backfill).result()
    const ran = inputsOf(calls, 'planBuild').map((input) => (input as { readonly batch: string }).batch)
    expect(ran.toSorted()).toEqual(due.missed.map(({ batch }) => batch))
    expect(await missed()).toMatchObject({ missed: [] })
  })
  expect(await schedules('delete', 'quantum')).toEqual({ id: 'nightly-quantum', deleted: true })
  expect(await schedules('delete', 'quantum')).toMatchObject(
    refused(/no schedule nightly-quantum: `firn schedules apply`/),
  )
}, 480_000)

it('what can not be is said, with what to do', async () => {
  const [date, pipeline, since, batch, limit] = await Promise.all([
    schedules('trigger', 'quantum', '--date', '2026-13-01; DROP'),
    schedules('trigger', '../quantum'),
    schedules('missed', 'quantum', '--since', 'yesterday'),
    json('checks', 'quantum', '--batch', '20260701T020000Z'),
    json('alerts', 'list', '--limit', 'many'),
  ])
  expect(date).toMatchObject(refused(/is no calendar date: write it as 2026-07-01/))
  expect(pipeline).toMatchObject(refused(/no pipeline "\.\.\/quantum"\. Known: .*quantum/))
  expect(since).toMatchObject(refused(/"yesterday" is no calendar date/))
  expect(batch).toMatchObject(refused(/no check results of batch 20260701T020000Z/))
  expect(limit).toMatchObject(refused(/many/))
  const alone = await runFirn(['schedules', 'list', '--json'], { home })
  expect(JSON.parse(alone.stdout)).toMatchObject(refused(/no Temporal server is configured/))
  expect(alone.code).toBe(2)
  expect(await json('retries', 'now')).toEqual([])
  expect(await json('alerts', 'list')).toEqual([])
}, 240_000)
