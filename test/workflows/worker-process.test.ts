import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { WorkflowHandle } from '@temporalio/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import type { NightlyResult } from '../../schemas/messages.js'
import { connectClient } from '../../workers/connection.js'
import { startDevServer } from '../../workers/temporal-server.js'
import { TASK_QUEUES, workflowIds, type RunStatus } from '../../schemas/workflow-names.js'
import { writeEndlessPipeline } from './support/endless-pipeline.js'
import { attribute, startTestServer, type TestServer } from './support/fake-lake.js'
import { freePort } from './support/free-port.js'
import { spawnWorker, type WorkerProcess } from './support/worker-process.js'

const home = mkdtempSync(join(tmpdir(), 'firn-worker-'))
let test: TestServer
beforeAll(async () => {
  test = await startTestServer()
})
afterAll(async () => {
  await test.close()
  rmSync(home, { recursive: true, force: true })
})

const patient = { timeout: 60_000, interval: 20 }
const worker = (env: Readonly<Record<string, string>>, ...args: readonly string[]): WorkerProcess =>
  spawnWorker({ FIRN_HOME: home, TEMPORAL_ADDRESS: test.server.address, ...env }, ...args)

function start(workflow: string, workflowId: string, input: object): Promise<WorkflowHandle> {
  return test.client.workflow.start(workflow, { workflowId, taskQueue: TASK_QUEUES.control, args: [input] })
}

async function healthAt(
  address: string,
  path: string,
): Promise<{ readonly code: number; readonly body: Readonly<Record<string, unknown>> } | undefined> {
  const response = await fetch(`http://${address}${path}`).catch(() => undefined)
  if (response === undefined) return undefined
  return { code: response.status, body: (await response.json()) as Record<string, unknown> }
}

describe('a worker process', () => {
  it('drains on SIGTERM in the middle of a night, and the next worker ends the night', async () => {
    const folder = join(home, 'documents')
    await unpackSample({ folder, from: 0, count: 3 })
    const first = worker({})
    const handle = await start('nightly', 'night', {
      ...{ pipeline: 'quantum', from: folder, date: '2026-07-01', maintain: false },
    })
    const build = test.client.workflow.getHandle(workflowIds.build('quantum'))
    const building = async (): Promise<string | undefined> => {
      const status = await build.query<RunStatus>('status').catch(() => undefined)
      return status?.steps.find((step) => step.name === 'build')?.state
    }
    await expect.poll(building, patient).toMatch(/running|done/)
    first.child.kill('SIGTERM')
    expect(await first.ended).toMatchObject({ code: 0 })

    const second = worker({})
    const result = (await handle.result()) as NightlyResult
    expect(result.build).toMatchObject({ status: 'published', publish: { tag: 'v_20260701T020000Z' } })
    second.child.kill('SIGTERM')
    const { code, stderr } = await second.ended
    expect(code).toBe(0)
    // JSON lines only.
    for (const line of stderr.split('\n').filter((text) => text.startsWith('{'))) JSON.parse(line)
    // What ran when the signal came was ended by the first process, and nothing was tried twice.
    const { events = [] } = await build.fetchHistory()
    const attempts = (events ?? []).flatMap(({ activityTaskStartedEventAttributes: started }) =>
      started == null ? [] : [started.attempt],
    )
    expect(attempts.length).toBeGreaterThan(3)
    expect(new Set(attempts)).toEqual(new Set([1]))
  }, 180_000)

  it('outlives its server: it says so, goes on with the night when one is back, and nothing is lost or doubled', async () => {
    const lake = join(home, 'without-server')
    const folder = join(lake, 'documents')
    await unpackSample({ folder, from: 0, count: 3 })
    const dbFile = join(home, 'temporal.db')
    const lost = await startDevServer({ dbFile })
    const client = await connectClient({ address: lost.address, namespace: 'default' })
    const address = `127.0.0.1:${await freePort()}`
    const { child, ended } = worker({
      ...{ FIRN_HOME: lake, TEMPORAL_ADDRESS: lost.address, FIRN_HEALTH_ADDRESS: address },
    })
    const handle = client.workflow.getHandle('night')
    const input = { pipeline: 'quantum', from: folder, date: '2026-07-01', maintain: false }
    await client.workflow.start('nightly', {
      ...{ workflowId: 'night', taskQueue: TASK_QUEUES.control, args: [input] },
    })
    const stage = async (): Promise<unknown> => attribute(await handle.describe(), 'FirnStage')
    await expect.poll(stage, patient).toBe('build')
    process.kill(lost.pid, 'SIGKILL')
    await expect
      .poll(() => healthAt(address, '/readyz'), patient)
      .toMatchObject({
        code: 503,
        body: { status: 'not-ready', problems: [expect.stringContaining('Temporal server does not answer')] },
      })
    expect(await healthAt(address, '/livez')).toMatchObject({ code: 200 })
    const back = await startDevServer({ dbFile, port: Number(lost.address.split(':')[1]) })
    await expect.poll(() => healthAt(address, '/readyz'), patient).toMatchObject({ code: 200 })
    const result = (await handle.result()) as NightlyResult
    expect(result.build).toMatchObject({ status: 'published', publish: { tag: 'v_20260701T020000Z' } })
    expect(result.land).toMatchObject({ records: 3, deadLetters: 0 })
    expect(child.exitCode).toBeNull()
    child.kill('SIGTERM')
    expect(await ended).toMatchObject({ code: 0 })
    await client.connection.close()
    await back.stop()
  }, 180_000)

  it('says that it is ready, that it drains, and ends at once on a second signal', async () => {
    const { pipeline, documents } = writeEndlessPipeline(home)
    const address = `127.0.0.1:${await freePort()}`
    const env = {
      FIRN_HEALTH_ADDRESS: address,
      FIRN_PIPELINES: pipeline,
      FIRN_HOME: join(home, 'endless-lake'),
    }
    const health = (path: string) => healthAt(address, path)
    const process = worker(env)
    await expect
      .poll(() => health('/readyz'), patient)
      .toMatchObject({ code: 200, body: { status: 'ready' } })
    expect(await health('/livez')).toMatchObject({ code: 200 })
    expect(await health('/metrics')).toMatchObject({ code: 404 })
    const { queues } = (await health('/readyz'))!.body as { queues: { queue: string; state: string }[] }
    expect(queues.map(({ queue }) => queue).toSorted()).toEqual(Object.values(TASK_QUEUES).toSorted())

    const landed = await start('landSource', 'land', { pipeline: 'endless', from: documents })
    await landed.result()
    const build = await start('buildFeatures', 'endless', { pipeline: 'endless' })
    const running = async (): Promise<boolean> => {
      const { raw } = await build.describe()
      return (raw.pendingActivities ?? []).some(
        ({ activityType, lastStartedTime }) =>
          activityType?.name === 'buildTables' && lastStartedTime != null,
      )
    }
    await expect.poll(running, patient).toBe(true)
    process.child.kill('SIGTERM')
    await expect
      .poll(() => health('/readyz'), patient)
      .toMatchObject({ code: 503, body: { status: 'draining' } })
    expect(await health('/livez')).toMatchObject({ code: 200 })
    expect(process.child.exitCode).toBeNull()
    process.child.kill('SIGTERM')
    expect(await process.ended).toMatchObject({ code: null, signal: 'SIGTERM' })

    // Where the grace time is over what runs is cancelled, and the process ends well.
    const brief = worker({ ...env, FIRN_GRACE_SECONDS: '0.2' })
    await expect.poll(() => health('/readyz'), patient).toMatchObject({ code: 200 })
    const again = async (): Promise<number> =>
      Math.max(
        0,
        ...((await build.describe()).raw.pendingActivities ?? []).map(({ attempt }) => attempt ?? 0),
      )
    await expect.poll(again, patient).toBeGreaterThan(1)
    // Also where somebody goes on asking for its health, on one connection.
    const asking = setInterval(() => void health('/readyz'), 20)
    brief.child.kill('SIGINT')
    expect(await brief.ended).toMatchObject({ code: 0 })
    clearInterval(asking)
    await build.terminate()
  }, 180_000)

  it('ends at once, with what to do, where it cannot work', async () => {
    const taken = test.server.address
    const cases: readonly (readonly [Readonly<Record<string, string>>, readonly string[], RegExp])[] = [
      [{ TEMPORAL_ADDRESS: '127.0.0.1:1' }, [], /no Temporal server answers at 127\.0\.0\.1:1/],
      [{ FIRN_THREADS: 'many' }, [], /FIRN_THREADS/],
      [{ FIRN_BUILD_ID: '1' }, [], /FIRN_DEPLOYMENT names no deployment/],
      [{ FIRN_HEALTH_ADDRESS: taken }, [], /health can't be served at .* unset FIRN_HEALTH_ADDRESS/],
      [{}, ['--queues', 'control,gpu'], /names gpu; there are control, data, train, stream, watch/],
      [{}, ['--queue', 'control'], /--queue/],
    ]
    await Promise.all(
      cases.map(async ([env, args, message]) => {
        const { code, stderr } = await worker(env, ...args).ended
        expect(stderr).toMatch(message)
        expect(code).toBe(2)
      }),
    )
  })
})
