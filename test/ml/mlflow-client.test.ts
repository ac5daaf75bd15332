import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { datasetInputs } from '../../ml/mlflow/dataset-inputs.js'
import { logBatches } from '../../ml/mlflow/log-batches.js'
import { createMlflowClient, type MlflowClient } from '../../ml/mlflow/mlflow-client.js'
import { mlflowKey } from '../../ml/mlflow/mlflow-key.js'
import { readMlflowSettings } from '../../ml/mlflow/mlflow-settings.js'
import { scriptedServer, type Reply, type ScriptedServer } from '../support/scripted-server.js'
import { trainedVersion } from './support/trained-version.js'

const SECRET = 'pass-word-1'
let server: ScriptedServer | undefined
afterEach(async () => {
  await server?.close()
  server = undefined
})

async function clientOf(...replies: readonly Reply[]): Promise<MlflowClient> {
  server = await scriptedServer((_, nth) => replies[nth - 1] ?? { body: { ok: true } })
  const env = {
    MLFLOW_TRACKING_URI: server.uri,
    MLFLOW_TRACKING_USERNAME: 'ada',
    MLFLOW_TRACKING_PASSWORD: SECRET,
  }
  const newUuid = () => '00000000-0000-4000-8000-000000000001'
  const waits = { timeoutMs: 300, firstWaitMs: 1, tries: 3 }
  return createMlflowClient({ ...readMlflowSettings(env)!, now: Date.now, newUuid, ...waits })
}

const look = (client: MlflowClient) => client.send('GET', 'runs/get', { run_id: 'r' })

describe('requests', () => {
  test('are authorized, and repeated while the server is busy, broken or silent', async () => {
    const failures: Reply[] = [
      { status: 500, body: { error_code: 'INTERNAL_ERROR' } },
      { status: 503 },
      { status: 400, body: { error_code: 'BAD_REQUEST', message: '(sqlite3.IntegrityError) UNIQUE' } },
      { status: 429, headers: { 'retry-after': '0' } },
      { cut: 'before' },
      { cut: 'within', body: { long: 'x'.repeat(100) } },
      { hang: true },
    ]
    for (const failure of failures) {
      const client = await clientOf(failure)
      expect(await client.insist(() => look(client)), JSON.stringify(failure)).toEqual({ ok: true })
      expect(server!.seen.map(({ url }) => url)).toEqual(Array(2).fill('/api/2.0/mlflow/runs/get?run_id=r'))
      const login = Buffer.from(`ada:${SECRET}`).toString('base64')
      expect(server!.seen[0]!.headers.authorization).toBe(`Basic ${login}`)
      await server!.close()
    }
  })

  test('are given up after so many tries, and then tried later', async () => {
    const client = await clientOf(...Array<Reply>(9).fill({ status: 500 }))
    await expect(client.insist(() => look(client))).rejects.toMatchObject({ kind: 'io', retryable: true })
    expect(server!.seen).toHaveLength(3)
  })

  test.each<[string, Reply, RegExp, string]>([
    [
      'a wrong login',
      { status: 401, body: 'no' },
      /refuses the login \(401\): see MLFLOW_TRACKING_USERNAME/,
      'config',
    ],
    [
      'a host that is not allowed',
      { status: 403, body: 'Invalid Host header' },
      /\(403\).*Invalid Host header/,
      'config',
    ],
    [
      'a login page',
      { status: 302, headers: { location: 'http://127.0.0.1:1/login' } },
      /sends elsewhere/,
      'config',
    ],
    ['a page', { body: '<html>' }, /something else than JSON: is it an MLflow tracking server\?/, 'config'],
    ['another server', { status: 404, body: '<html>' }, /answers 404 without JSON/, 'config'],
    [
      'a bad request',
      { status: 400, body: { error_code: 'INVALID_PARAMETER_VALUE', message: 'Invalid value 31' } },
      /refuses: INVALID_PARAMETER_VALUE Invalid value 31/,
      'invalid-input',
    ],
    [
      'what is not there',
      { status: 404, body: { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'Run r not found' } },
      /Run r not found/,
      'not-found',
    ],
  ])('end at once with what to do: %s', async (_, reply, message, kind) => {
    const client = await clientOf(reply)
    const error: unknown = await client.insist(() => look(client)).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ kind, message: expect.stringMatching(message) })
    expect(server!.seen).toHaveLength(1)
  })

  test('say no secret, whatever fails', async () => {
    const replies: Reply[] = [{ status: 401 }, { status: 500 }, { status: 400, body: {} }, { cut: 'before' }]
    for (const reply of replies) {
      const client = await clientOf(...Array<Reply>(3).fill(reply))
      const error = await client.insist(() => look(client)).catch((thrown: unknown) => thrown)
      const said = JSON.stringify({ error, text: `${error as Error}`, target: client.target })
      expect(said).not.toContain(SECRET)
      expect(said).not.toContain(Buffer.from(`ada:${SECRET}`).toString('base64'))
      await server!.close()
    }
  })
})

describe('settings', () => {
  test('come from MLflow’s own variables; a login in the address is taken out of it', () => {
    expect(readMlflowSettings({})).toBeUndefined()
    expect(readMlflowSettings({ MLFLOW_TRACKING_URI: '' })).toBeUndefined()
    expect(readMlflowSettings({ MLFLOW_TRACKING_URI: 'https://u:p%40@host:5000/mlflow/' })).toEqual({
      uri: 'https://host:5000/mlflow',
      authorization: `Basic ${Buffer.from('u:p@').toString('base64')}`,
    })
    const tokened = { MLFLOW_TRACKING_URI: 'http://h', MLFLOW_TRACKING_TOKEN: 't' }
    expect(readMlflowSettings(tokened)).toEqual({ uri: 'http://h', authorization: 'Bearer t' })
  })

  test('refuse what is no server, without repeating it', () => {
    for (const uri of ['databricks', 'sqlite:///mlflow.db', './mlruns', `file://u:${SECRET}@x/`]) {
      const read = () => readMlflowSettings({ MLFLOW_TRACKING_URI: uri })
      expect(read).toThrow(/MLFLOW_TRACKING_URI names no server/)
      expect(read).not.toThrow(SECRET)
    }
  })
})

test('batches hold everything once, in order, within MLflow’s bounds', () => {
  const item = fc.record({ key: fc.string({ maxLength: 20 }), value: fc.string({ maxLength: 6000 }) })
  const items = fc.record({
    metrics: fc.array(fc.record({ key: fc.string({ maxLength: 250 }), step: fc.nat() }), { maxLength: 3000 }),
    params: fc.array(item, { maxLength: 350 }),
    tags: fc.array(item, { maxLength: 350 }),
  })
  fc.assert(
    fc.property(items, (all) => {
      const batches = logBatches(all)
      for (const kind of ['metrics', 'params', 'tags'] as const)
        expect(batches.flatMap((batch) => batch[kind])).toEqual(all[kind])
      for (const batch of batches) {
        const { metrics, params, tags } = batch
        expect(metrics.length + params.length + tags.length).toBeLessThanOrEqual(1000)
        expect(metrics.length + params.length + tags.length).toBeGreaterThan(0)
        expect(Math.max(params.length, tags.length)).toBeLessThanOrEqual(100)
        expect(Buffer.byteLength(JSON.stringify(batch))).toBeLessThan(1_000_000)
      }
    }),
    { numRuns: 15 },
  )
  const large = Array.from({ length: 8000 }, (_, i) => ({ key: 'k'.repeat(250), step: i }))
  expect(logBatches({ metrics: large, params: [], tags: [] }).length).toBeGreaterThanOrEqual(8)
  expect(logBatches({ metrics: [], params: [], tags: [] })).toEqual([])
})

test('names are what MLflow takes, and different ones stay different', () => {
  expect(mlflowKey('test/roc_auc')).toBe('test/roc_auc')
  expect(mlflowKey('group/6-31g*/mae 2.0:x')).toBe('group/6-31g_x2a_/mae 2.0:x')
  expect(mlflowKey('é😀')).toBe('_xe9__x1f600_')
  for (const key of ['../up', 'a//b', '/a', 'a/', '.', 'a/./b']) expect(mlflowKey(key)).toMatch(/^[\w\- :]+$/)
  const long = [mlflowKey('*'.repeat(250)), mlflowKey(`${'*'.repeat(249)}+`)]
  expect(new Set(long).size).toBe(2)
  expect(long[0]).toHaveLength(250)
})

test('inputs have the digest of all that is said of them: MLflow keeps one a name and digest', () => {
  const { pin, dataset } = trainedVersion()
  const digests = (changed: Parameters<typeof datasetInputs>[0]) =>
    datasetInputs(changed).map(({ dataset: { name, digest } }) => `${name} ${digest}`)
  const original = digests({ pin, dataset })
  expect(digests({ pin: { ...pin, seed: 9 }, dataset })).toEqual(original)
  for (const changed of [
    { pin: { ...pin, tag: 'other' }, dataset },
    { pin, dataset: { ...dataset, digest: 'other' } },
    { pin: { ...pin, snapshots: { 'f.left': '7', 'f.right': '8' } }, dataset },
  ])
    expect(digests(changed).filter((digest) => original.includes(digest))).toEqual([])
  const wide = Array.from({ length: 3000 }, (_, i) => ({
    ...{ name: `feature_${i}`, type: 'double' as const, nullable: false },
  }))
  const signature = { ...dataset.signature, inputs: wide }
  const [input] = datasetInputs({ pin, dataset: { ...dataset, signature } })
  expect(input!.dataset.schema).toBeUndefined()
})
