import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runCore } from '../../activities/run-core.js'
import { blotSecrets } from '../../activities/secrets.js'
import { FirnError } from '../../schemas/error.js'
import { TASK_QUEUES } from '../../schemas/workflow-names.js'
import { readConfig } from '../../workers/config.js'
import { startTestServer, withFakeLake, type TestServer } from './support/fake-lake.js'
import { failureOf, patient, startOn } from './support/run-workflows.js'

const SECRET = 'correct"horse-battery'
const folder = mkdtempSync(join(tmpdir(), 'firn-logs-'))
const logFile = join(folder, 'worker.log')
let test: TestServer
beforeAll(async () => {
  process.env['FIRN_CATALOG_TOKEN'] = SECRET
  test = await startTestServer({}, { logFile, level: 'debug' })
})
afterAll(async () => {
  delete process.env['FIRN_CATALOG_TOKEN']
  await test.close()
  rmSync(folder, { recursive: true, force: true })
})

it('log lines are JSON and say what they are about; no line and no history holds a secret', async () => {
  await withFakeLake(
    test.connection,
    {
      buildTables: () =>
        runCore(() => {
          const cause = new Error(`401 of https://user:hunter2@catalog with ${SECRET}`)
          throw new FirnError('config', `the catalog refused the token ${SECRET}`, {
            cause,
            context: { answer: `you said ${SECRET}`, token: 'abc' },
          })
        }),
    },
    async () => {
      const handle = await startOn(
        test,
        'buildFeatures',
        { pipeline: 'quantum', batch: '20260701T020000Z' },
        'logged',
      )
      await failureOf(handle)
      const history = JSON.stringify(await handle.fetchHistory())
      for (const secret of [SECRET, 'correct\\"horse', 'hunter2']) expect(history).not.toContain(secret)
    },
  )
  // Lines are written in the background, that of the workflow's end last.
  await expect.poll(() => readFileSync(logFile, 'utf8'), patient).toMatch(/"Workflow failed".*\n/)
  const text = readFileSync(logFile, 'utf8')
  for (const secret of ['horse-battery', 'hunter2']) expect(text).not.toContain(secret)
  const lines = text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line)
  const failed = lines.find(({ msg, error }) => msg === 'activity failed' && error !== undefined)
  expect(failed).toMatchObject({
    ...{ level: 'warn', activityType: 'buildTables', attempt: 1, taskQueue: TASK_QUEUES.data },
    ...{ pipeline: 'quantum', batch: '20260701T020000Z', table: 'a,b', workflowId: 'logged' },
  })
  expect(failed?.error?.message).toMatch(/the catalog refused the token \*\*\*/)
  const ofWorkflow = lines.filter(
    ({ workflowType, activityType }) => workflowType !== undefined && activityType === undefined,
  )
  expect(ofWorkflow.map(({ msg }) => msg)).toContain('Workflow failed')
  for (const line of ofWorkflow.filter(({ msg }) => msg === 'Workflow failed'))
    expect(line).toMatchObject({ pipeline: 'quantum', batch: '20260701T020000Z' })
}, 60_000)

interface Line {
  readonly msg: string
  readonly workflowType?: string
  readonly activityType?: string
  readonly error?: { readonly message: string }
}

it('what is blotted out leaves JSON as it is', () => {
  const env = { MY_PASSWORD: 'hunter22', MY_PATH: '/usr/bin', SHORT_TOKEN: 'abc' }
  const line = JSON.stringify({
    tokens: 5,
    url: '//x',
    to: 'a@b',
    text: 'token=abcdef hunter22 /usr/bin abc',
  })
  expect(JSON.parse(blotSecrets(line, env))).toEqual({
    ...{ tokens: 5, url: '//x', to: 'a@b' },
    text: 'token=*** *** /usr/bin abc',
  })
  expect(blotSecrets('s3://key:secret@host Bearer abcdefghij', {})).toBe('s3://***@host Bearer ***')
})

it('FIRN_LOG_LEVEL says how much is logged', () => {
  expect(readConfig({ FIRN_LOG_LEVEL: 'debug' }).worker.logLevel).toBe('debug')
  expect(() => readConfig({ FIRN_LOG_LEVEL: 'loud' })).toThrow(/FIRN_LOG_LEVEL/)
})
