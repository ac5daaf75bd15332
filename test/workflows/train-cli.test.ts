import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { TrainerStatus } from '../../schemas/model-messages.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import { runFirn, type Ended } from '../support/run-firn.js'
import { failWith, startTestServer, withFakeLake, type TestServer } from './support/fake-lake.js'
import { inputsOf } from './support/run-workflows.js'

/** The real command line against a real server, whose activities are fakes. */
const home = mkdtempSync(join(tmpdir(), 'firn-train-cli-'))
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
const page = readFileSync(join(import.meta.dirname, '../../docs/training.md'), 'utf8')
const commands = [...page.matchAll(/^\$ firn (.*)$/gm)].map(([, line = '']) => line.split(' '))

it('the commands of docs/training.md do what it says', async () => {
  expect(commands).toHaveLength(6)
  await withFakeLake(test.connection, {}, async (calls) => {
    const ended: Ended[] = []
    for (const command of commands) ended.push(await firn(...command))
    expect(ended.map(({ code, stderr }) => (code === 0 ? '' : stderr))).toEqual(commands.map(() => ''))
    const [plain, unregistered, followed, searched, signalled, reproduced] = ended.map(({ stdout }) => stdout)
    expect(plain).toMatch(
      /^convergence_k20 v1: trees trained on 5 rows × 2 features at tag v_1 \(firn, seed 0\)/,
    )
    expect(plain).toMatch(/test\/roc_auc +0\.9 +0\.5/)
    expect(plain).toMatch(/metric +model +baseline: rate/)
    expect(plain).toMatch(/weights w\ndata {4}d\nrun {5}[0-9a-f]{32}\n$/)
    expect(unregistered).toMatch(/^convergence_k20 \(not registered\): gbdt .* seed 2\)/)
    expect(followed).toMatch(/^convergence_k20 v1: /)
    expect(searched).toMatch(/\* +0\.8 +\{"maxDepth":2\}/)
    expect(signalled).toMatch(/^trainer of quantum convergence_k20: /)
    expect(reproduced).toMatch(/^convergence v3: identical$/m)
    const of = { pipeline: 'quantum', model: 'convergence_k20' }
    expect(inputsOf(calls, 'pinTraining').slice(0, 3)).toEqual([
      of,
      {
        ...{ ...of, seed: 2, estimator: 'gbdt', register: false },
        parameters: { maxDepth: 3, learningRate: 0.1 },
      },
      { ...of, service: 'convergence_k10' },
    ])
    const trainer = test.client.workflow.getHandle(workflowIds.trainer('quantum', 'convergence_k20'))
    await expect.poll(async () => (await trainer.query<TrainerStatus>('status')).trained).toBe(1)
    expect(inputsOf(calls, 'pinTraining').at(-1)).toEqual({ ...of, seed: 2 })
    await trainer.cancel()
  })
})

it('follows a trainer to its end, and ends with 1 where the training failed', async () => {
  const fakes = { runTraining: () => failWith('training-failed', { final: true }) }
  await withFakeLake(test.connection, fakes, async () => {
    const failed = await firn('train', 'quantum', 'convergence_k10', '--signal', '--follow', '--json')
    expect(failed.code).toBe(1)
    expect(JSON.parse(failed.stdout)).toMatchObject({ trained: 1, lastError: 'it failed: training-failed' })
  })
  await withFakeLake(test.connection, {}, async () => {
    const done = await firn('train', 'quantum', 'convergence_k10', '--signal', '--follow')
    expect(done.code).toBe(0)
    expect(done.stdout).toMatch(/trained 2, failed 1, last version 1\n$/)
    await test.client.workflow.getHandle(workflowIds.trainer('quantum', 'convergence_k10')).cancel()
  })
})

it('a version that differs ends with 1 and says where', async () => {
  const part = { verdict: 'differs' as const, reasons: ['seed changed: 8, was 7'], recorded: 'w' }
  const fakes = {
    compareReproduction: () =>
      Promise.resolve({
        ...{ verdict: 'data identical, weights differ: seed changed: 8, was 7', model: 'm', version: 3 },
        data: { verdict: 'identical' as const, reasons: [], digest: 'd', recorded: 'd' },
        weights: { ...part, digest: 'x' },
        metrics: { ...part, differences: { 'test/roc_auc': [0.9, 0.8] as const } },
      }),
  }
  await withFakeLake(test.connection, fakes, async (calls) => {
    const differs = await firn('reproduce', 'models:/m/3', '--seed', '8')
    expect(differs.code).toBe(1)
    expect(differs.stdout).toMatch(/weights +differs +x +w +seed changed/)
    expect(differs.stdout).toMatch(/test\/roc_auc +0\.9 +0\.8/)
    expect(inputsOf(calls, 'findVersion')).toEqual([{ uri: 'models:/m/3', seed: 8 }])
    const json = await firn('reproduce', 'models:/m/3', '--json')
    expect(json.code).toBe(1)
    expect(JSON.parse(json.stdout)).toMatchObject({ weights: { verdict: 'differs', digest: 'x' } })
  })
})

it.each([
  [
    ['train', 'quantum', 'convergence_k20', '--search', '--estimator', 'gbdt'],
    /--estimator can't go with --search/,
  ],
  [
    ['train', 'quantum', 'convergence_k20', '--signal', '--parameter', 'l2=1'],
    /--parameter can't go with --signal/,
  ],
  [
    ['train', 'quantum', 'convergence_k20', '--signal', '--no-register'],
    /--no-register can't go with --signal/,
  ],
  [['train', 'quantum', 'convergence_k20', '--parameter', 'l2'], /such as maxDepth=3/],
  [['train', 'quantum', 'nope', '--signal'], /has no model "nope"\. Known: convergence_k10/],
  [['reproduce', 'm/3'], /`uri` must be models:\/<name>\/<version>/],
  [['models', 'promote', 'm', '--to', '1'], /no model is registered yet/],
])('firn %j is refused with what to do', async (args, message) => {
  const { code, stderr } = await firn(...args)
  expect(stderr).toMatch(message)
  expect(code).toBe(2)
})
