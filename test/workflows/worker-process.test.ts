import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compiledEntry } from '../../engine/compiled-entry.js'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import type { NightlyResult } from '../../schemas/messages.js'
import { TASK_QUEUES, workflowIds, type RunStatus } from '../../schemas/workflow-names.js'
import { startTestServer, type TestServer } from './support/fake-lake.js'

const home = mkdtempSync(join(tmpdir(), 'firn-worker-'))
let test: TestServer
beforeAll(async () => {
  test = await startTestServer()
})
afterAll(async () => {
  await test.close()
  rmSync(home, { recursive: true, force: true })
})

interface WorkerProcess {
  readonly child: ChildProcess
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>
}

function spawnWorker(env: Readonly<Record<string, string>>, ...args: readonly string[]): WorkerProcess {
  const child = spawn(process.execPath, [fileURLToPath(compiledEntry('workers/worker-main')), ...args], {
    env: { ...process.env, FIRN_HOME: home, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, stderr })),
  )
  return { child, ended }
}

describe('a worker process', () => {
  it('drains on SIGTERM in the middle of a night, and the next worker ends the night', async () => {
    const folder = join(home, 'documents')
    await unpackSample({ folder, from: 0, count: 3 })
    const env = { TEMPORAL_ADDRESS: test.server.address }
    const first = spawnWorker(env)
    const handle = await test.client.workflow.start('nightly', {
      workflowId: 'night',
      taskQueue: TASK_QUEUES.control,
      args: [{ pipeline: 'quantum', from: folder, date: '2026-07-01', maintain: false }],
    })
    const build = test.client.workflow.getHandle(workflowIds.build('quantum'))
    const building = async (): Promise<string | undefined> => {
      const status = await build.query<RunStatus>('status').catch(() => undefined)
      return status?.steps.find((step) => step.name === 'build')?.state
    }
    await expect.poll(building, { timeout: 60_000, interval: 20 }).toMatch(/running|done/)
    first.child.kill('SIGTERM')
    expect((await first.ended).code).toBe(0)

    const second = spawnWorker(env)
    const result = (await handle.result()) as NightlyResult
    expect(result.build).toMatchObject({ status: 'published', publish: { tag: 'v_20260701T020000Z' } })
    second.child.kill('SIGTERM')
    const { code, stderr } = await second.ended
    expect(code).toBe(0)
    // JSON lines only.
    for (const line of stderr.split('\n').filter((text) => text.startsWith('{'))) JSON.parse(line)
  }, 180_000)

  it('ends at once, with what to do, where it cannot work', async () => {
    const cases: readonly (readonly [Readonly<Record<string, string>>, readonly string[], RegExp])[] = [
      [{ TEMPORAL_ADDRESS: '127.0.0.1:1' }, [], /no Temporal server answers at 127\.0\.0\.1:1/],
      [{ FIRN_THREADS: 'many' }, [], /FIRN_THREADS/],
      [{}, ['--queues', 'control,gpu'], /names gpu; there are control, data, train, stream, watch/],
      [{}, ['--queue', 'control'], /--queue/],
    ]
    await Promise.all(
      cases.map(async ([env, args, message]) => {
        const { code, stderr } = await spawnWorker(env, ...args).ended
        expect(stderr).toMatch(message)
        expect(code).toBe(2)
      }),
    )
  })
})
