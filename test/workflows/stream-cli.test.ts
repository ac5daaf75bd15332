import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApplicationFailure } from '@temporalio/common'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StreamStatus } from '../../schemas/stream-messages.js'
import { runFirn, type Ended } from '../support/run-firn.js'
import { startTestServer, withFakeLake, type TestServer } from './support/fake-lake.js'
import { fakeTopic } from './support/fake-topic.js'

const home = mkdtempSync(join(tmpdir(), 'firn-stream-'))
let test: TestServer
beforeAll(async () => {
  test = await startTestServer()
})
afterAll(async () => {
  await test.close()
  rmSync(home, { recursive: true, force: true })
})

function firn(...args: readonly string[]): Promise<Ended> {
  return runFirn(args, { home, env: { TEMPORAL_ADDRESS: test.server.address } })
}
async function statusOf(...args: readonly string[]): Promise<StreamStatus> {
  const { code, stdout, stderr } = await firn('stream', ...args, 'quantum', '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as StreamStatus
}

describe('firn stream', () => {
  it('starts a stream, tells of it, pauses, answers and drains it', async () => {
    const topic = fakeTopic({ partitions: 1 })
    topic.produce(0, 1000, undefined)
    await withFakeLake(
      test.connection,
      {
        ...topic.activities,
        planLanding: (input) => {
          if (topic.commits.length !== 1 || input.accept?.includes('lost-offsets') === true)
            return topic.activities.planLanding(input)
          const details = [{ accept: 'lost-offsets' }]
          const failure = {
            message: 'two offsets are gone.',
            type: 'offsets-lost',
            nonRetryable: true,
            details,
          }
          throw ApplicationFailure.create(failure)
        },
      },
      async () => {
        const following = firn('stream', 'quantum', '--max-age', '200ms', '--json')
        await expect.poll(() => topic.committed.length, { timeout: 45_000 }).toBe(2)
        topic.produce(0, 2000)
        await expect.poll(async () => (await statusOf('status')).status, { timeout: 45_000 }).toBe('paused')
        const shown = await firn('stream', 'status', 'quantum')
        expect(shown).toMatchObject({ code: 0, stderr: '' })
        expect(shown.stdout).toMatch(/^landed +1 records \(2 B\) in 1 micro-batches$/m)
        expect(shown.stdout).toMatch(/^dead letters +1, malformed-json 1$/m)
        expect(shown.stdout).toMatch(/^paused +two offsets are gone\.$/m)
        expect(shown.stdout).toMatch(
          /^answer +firn stream resume quantum --source experiments --accept lost-offsets$/m,
        )
        await statusOf('resume', '--accept', 'lost-offsets')
        await expect.poll(() => topic.committed.length, { timeout: 45_000 }).toBe(3)
        expect(await statusOf('pause')).toMatchObject({ status: 'paused', pause: { kind: 'asked' } })
        expect(['draining', 'done']).toContain((await statusOf('drain')).status)
        const { code, stdout, stderr } = await following
        expect(code).toBe(0)
        expect(JSON.parse(stdout)).toMatchObject({
          ...{ pipeline: 'quantum', source: 'experiments', lag: 0 },
          landed: { batches: 2, records: 2, deadLetters: 1 },
        })
        expect(stderr).toContain('✓ stream quantum')
      },
    )
  }, 180_000)

  it('says what is wrong with the words, and what to do', async () => {
    const cases: readonly (readonly [readonly string[], RegExp, number])[] = [
      [
        ['stream', 'quantum', '--window-every', '10s'],
        /`windowEveryMs` must be a whole number from 30000/,
        2,
      ],
      [['stream', 'quantum', '--max-age', 'soon'], /Give a duration such as 500ms, 5s, 2m or 1h/, 2],
      [['stream', 'quantum', '--source', 'x'], /no source "x"\. Known: experiments/, 2],
      [['stream', 'nothing'], /no pipeline "nothing"/, 2],
      [['land', 'quantum', '--accept', 'anything'], /Give lost-offsets, all-bad or incarnation:/, 2],
    ]
    for (const [args, message, exitCode] of cases) {
      const { code, stderr } = await firn(...args)
      expect(stderr).toMatch(message)
      expect(code).toBe(exitCode)
    }
    const none = await runFirn(['stream', 'status', 'quantum', '--json'], { home })
    expect(none.code).toBe(2)
    expect(JSON.parse(none.stdout)).toMatchObject({
      error: {
        kind: 'not-found',
        message: expect.stringContaining('no Temporal server is configured') as string,
      },
    })
  }, 120_000)

  it('stops a stream, and knows of one that never ran', async () => {
    const topic = fakeTopic({ partitions: 1 })
    topic.produce(0, 1)
    await withFakeLake(test.connection, topic.activities, async () => {
      const never = await firn('stream', 'status', 'churn')
      expect(never).toMatchObject({ code: 2, stdout: '' })
      expect(never.stderr).toMatch(/no stream of churn payment_events runs: `firn stream churn --source pay/)
      const following = firn('stream', 'churn', '--source', 'payment_events', '--max-age', '200ms')
      await expect.poll(() => topic.committed.length, { timeout: 45_000 }).toBe(1)
      const { code, stdout } = await firn('stream', 'stop', 'churn')
      expect(code).toBe(0)
      expect(stdout).toMatch(/^status +cancelled$/m)
      const { code: followed, stderr } = await following
      expect(followed).toBe(1)
      expect(stderr).toMatch(/was cancelled; what earlier steps published stays/)
    })
  }, 120_000)
})
