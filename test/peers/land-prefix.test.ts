import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toLocalPath } from '../../iceberg/io/location.js'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { readLedger } from '../../lake/land/ledger.js'
import { openSourceFiles } from '../../lake/land/open-source-files.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import type { LakeDeps, SourceStore } from '../../schemas/lake-deps.js'
import type { LandingPlan, LandResult } from '../../schemas/messages.js'
import type { Pipeline, SourceDefinition } from '../../schemas/pipeline.js'
import { Crash } from '../lake/support/crashing.js'
import { testLake, type TestLake } from '../lake/support/lake.js'
import { runFirn } from '../support/run-firn.js'
import { describeSourceFiles } from '../support/source-files-contract.js'
import { startLosingProxy, type LosingProxy } from './losing-proxy.js'
import { noS3, startS3, type S3Server } from './support-s3.js'

const reason = noS3()
/** More than ten listings' worth; 20,000 take a minute more. */
const OBJECTS = 11_000
const DAY_1 = '20260703T020000Z'
const DAY_2 = '20260704T020000Z'
const MIB = 1024 * 1024

let server: S3Server
let proxy: LosingProxy
let store: SourceStore
let places = 0

beforeAll(async () => {
  if (reason !== undefined) return
  server = await startS3(['inbox'])
  proxy = await startLosingProxy(server.port)
  const { accessKeyId, secretAccessKey } = server
  store = { endpoint: proxy.endpoint, region: 'us-east-1', credentials: { accessKeyId, secretAccessKey } }
})
afterAll(async () => {
  if (reason !== undefined) return
  await proxy.stop()
  await server.stop()
})

const definition: SourceDefinition = {
  kind: 'json',
  topic: 'lab.runs',
  schema: { id: 'string', 'energy?': 'double' },
  identity: ['id'],
}
const pipeline = (name: string, extra: Partial<SourceDefinition> = {}): Pipeline => ({
  ...{ name, namespace: name, directory: '/nowhere', tables: {}, sqlTexts: {} },
  sources: { [name]: { ...definition, ...extra } },
})

describe.skipIf(reason !== undefined)(`Documents of a prefix (${reason ?? 'versitygw'})`, () => {
  describeSourceFiles('prefix on S3', async () => {
    const prefix = `s3://inbox/contract ü ${places++}/`
    const io = server.io()
    return await Promise.resolve({
      files: openSourceFiles(prefix, store),
      hasEtags: true,
      put: (path: string, text: string) => io.write(prefix + path, Buffer.from(text)),
      remove: (path: string) => io.delete(prefix + path),
    })
  })

  it('reads an object larger than a piece by ranges, and breaks off where it is replaced meanwhile', async () => {
    const prefix = `s3://inbox/large ${places++}/`
    const bytes = Buffer.alloc(18 * MIB, 'abcdefghij\n')
    await server.io({ partSizeBytes: 5 * MIB }).write(`${prefix}a.jsonl`, bytes)
    const source = openSourceFiles(prefix, store)
    const [file] = (await source.list()).files
    expect(file!.etag).toMatch(/-4$/)
    const before = proxy.requests.length
    const pieces: Buffer[] = []
    for await (const piece of source.read(file!)) pieces.push(piece)
    expect(pieces.map((piece) => piece.length)).toEqual([4, 4, 4, 4, 2].map((n) => n * MIB))
    expect(Buffer.compare(Buffer.concat(pieces), bytes)).toBe(0)
    expect(proxy.requests.slice(before)).toHaveLength(5)
    const readOn = async (): Promise<void> => {
      let first = true
      for await (const piece of source.read(file!)) {
        expect(piece.length).toBeGreaterThan(0)
        if (first) await server.io().write(`${prefix}a.jsonl`, bytes)
        first = false
      }
    }
    await expect(readOn()).rejects.toMatchObject({ kind: 'stale-range' })
  })
})

describe.skipIf(reason !== undefined)(`Landing from a prefix (${reason ?? 'versitygw'})`, () => {
  let lake: TestLake
  let deps: LakeDeps
  let from: string
  beforeEach(() => {
    lake = testLake([pipeline('runs'), pipeline('counted', { fileNames: 'rising' })])
    deps = { ...lake.deps, sourceStore: store }
    from = `s3://inbox/runs ${places++}`
  })
  afterEach(() => lake.close())

  const put = async (path: string, document: unknown): Promise<void> => {
    const isBytes = document instanceof Uint8Array
    const bytes = isBytes ? document : Buffer.from(JSON.stringify(document))
    await server.io().write(`${from}/${path}`, bytes)
  }
  const plan = (batch = DAY_1, name = 'runs'): Promise<LandingPlan> =>
    planLanding(deps, { pipeline: name, from, batch })
  const land = async (batch = DAY_1, name = 'runs'): Promise<LandResult> => {
    const planned = await plan(batch, name)
    return await commitLanding(deps, planned, [await fetchLanding(deps, planned)])
  }
  const records = async (name = 'runs'): Promise<readonly Record<string, unknown>[]> => {
    const ledger = await lake.catalog.loadTable({ namespace: 'raw', name })
    const rows = await readLedger(deps, ledger, { rowFrom: 0, rowEnd: 1_000_000 })
    const objects = [...new Set(rows.map((row) => row.path))]
    return objects.flatMap((path) =>
      gunzipSync(readFileSync(toLocalPath(path)))
        .toString()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    )
  }

  it('lands new, gzipped and oddly named objects verbatim, and a changed one again with a warning', async () => {
    await put("1-'quoted' + ü %20.json", { id: 'a' })
    await put('2026/07/b.jsonl.gz', gzipSync('{"id":"b"}\n\n{"id":"c"}\n{"id":7}\n'))
    await put('.hidden/x.json', { id: 'hidden' })
    await put('_temporary/0/part.json', { id: 'unfinished' })
    await server.io().write(`${from}-other/z.json`, Buffer.from('{"id":"z"}'))
    expect(await land()).toMatchObject({ files: 2, objects: 1, records: 3, deadLetters: 1, rowNumberEnd: 2 })
    expect((await records()).map((row) => [row['offset'], row['path'], row['payload']])).toEqual([
      [0, "1-'quoted' + ü %20.json", '{"id":"a"}'],
      [1, '2026/07/b.jsonl.gz', '{"id":"b"}'],
      [2, '2026/07/b.jsonl.gz', '{"id":"c"}'],
    ])
    const [row] = await lake.rows('raw.runs', 'row_number')
    expect(row!['source_etag']).toMatch(/^[0-9a-f]{32}$/)
    expect(await land(DAY_2)).toMatchObject({ files: 0 })
    // What is written again as it was is no other state; the same number of bytes within the same second is.
    await put("1-'quoted' + ü %20.json", { id: 'a' })
    expect(await land(DAY_2)).toMatchObject({ files: 0 })
    await put("1-'quoted' + ü %20.json", { id: 'A' })
    const changed = await land(DAY_2)
    expect(changed).toMatchObject({ files: 1, records: 1, rowNumberEnd: 3 })
    expect(changed.warnings).toEqual([expect.stringMatching(/changed after it was landed/)])
    expect((await records()).map((one) => one['offset'])).toEqual([0, 1, 2, 4])
  })

  it('refuses what was planned and is another object when it is read, and plans anew', async () => {
    await put('a.json', { id: 'a' })
    await put('b.json', { id: 'b' })
    const planned = await plan()
    await put('a.json', { id: 'A' })
    await server.io().delete(`${from}/b.json`)
    await expect(fetchLanding(deps, planned)).rejects.toMatchObject({ kind: 'stale-range' })
    expect(await land()).toMatchObject({ files: 1, records: 1, rowNumberEnd: 1 })
    expect((await records()).map((row) => row['payload'])).toEqual(['{"id":"A"}'])
  })

  it('says so where nothing lies there, and what to check where the store refuses', async () => {
    expect(await land()).toMatchObject({ files: 0, warnings: [expect.stringMatching(/nothing lies under/)] })
    from = 's3://no-such-bucket/x'
    await expect(plan()).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringMatching(/bucket is not there/) as string,
    })
    from = 's3://inbox/x'
    await put('a.json', { id: 'a' })
    const planned = await plan()
    const credentials = { accessKeyId: server.accessKeyId, secretAccessKey: 'wrong-and-private' }
    deps = { ...deps, sourceStore: { ...store, credentials } }
    const failure = await fetchLanding(deps, planned).catch((error: unknown) => error)
    expect(failure).toMatchObject({ kind: 'io' })
    expect(String(failure)).toMatch(/credentials/)
    expect(String(failure)).not.toContain('wrong-and-private')
  })

  it('lands every record once through kills at any call and answers of the store that are lost', async () => {
    for (const name of ['a', 'b', 'c']) await put(`${name}.json`, { id: name })
    await put('d.jsonl.gz', gzipSync('{"id":"d"}\n{"bad'))
    let crashes = 0
    const kill = async (at: number): Promise<boolean> => {
      lake.crash.set(at, at % 2 === 0 ? 'before' : 'after')
      proxy.lose((line) => line.startsWith('GET'), 1, at % 3 === 0 ? 'half the body' : undefined)
      try {
        await land()
        return false
      } catch (error) {
        if (!(error instanceof Crash) && !/crash/.test(String(error))) throw error
        crashes += 1
        return true
      } finally {
        lake.crash.revive()
      }
    }
    for (let at = 1; await kill(at); at += 3);
    expect(crashes).toBeGreaterThan(3)
    expect(await land()).toMatchObject({ files: 0 })
    expect((await records()).map((row) => row['payload'])).toEqual(
      ['a', 'b', 'c', 'd'].map((id) => `{"id":"${id}"}`),
    )
    expect(await lake.rows('raw.dead_letters')).toHaveLength(1)
  })

  it(`lands ${OBJECTS} small objects, then asks for the names behind the last one alone`, async () => {
    const folder = join(server.folder, from.slice('s3://'.length))
    mkdirSync(folder, { recursive: true })
    const name = (n: number): string => `${String(n).padStart(6, '0')}.json`
    for (let n = 0; n < OBJECTS; n += 1) writeFileSync(join(folder, name(n)), `{"id":"${n}"}`)
    deps = { ...deps, sourceStore: { ...store, endpoint: server.endpoint } }
    const first = await land(DAY_1, 'counted')
    deps = { ...deps, sourceStore: store }
    expect(first).toMatchObject({ files: OBJECTS, records: OBJECTS, deadLetters: 0, rowNumberEnd: OBJECTS })
    expect(first.warnings).toEqual([
      expect.stringMatching(new RegExp(`all ${OBJECTS} names .* ${OBJECTS / 1000} requests`)),
    ])
    const before = proxy.requests.length
    for (const n of [OBJECTS, OBJECTS + 1]) await put(name(n), { id: String(n) })
    expect(await land(DAY_2, 'counted')).toMatchObject({ files: 2, records: 2, rowNumberEnd: OBJECTS + 2 })
    const asked = proxy.requests.slice(before)
    expect(asked.filter((line) => line.includes('start-after'))).toHaveLength(1)
    expect(asked.length).toBeLessThan(10)
    const ids = (await records('counted')).map(
      (row) => (JSON.parse(row['payload'] as string) as { id: string }).id,
    )
    expect(ids).toEqual(Array.from({ length: OBJECTS + 2 }, (_, n) => String(n)))
  })
})

describe.skipIf(reason !== undefined)(`firn land --from s3://… (${reason ?? 'versitygw'})`, () => {
  it('lands what lies there, with the settings of the environment', async () => {
    const home = mkdtempSync(join(tmpdir(), 'firn-land-prefix-'))
    try {
      const document = { molecule: { molecule_data: 'H2' } }
      await server.io().write('s3://inbox/cli/a.json', Buffer.from(JSON.stringify(document)))
      const landed = await runFirn(['land', 'quantum', '--from', 's3://inbox/cli', '--json'], {
        home,
        env: server.env,
      })
      expect({ ...landed, stdout: JSON.parse(landed.stdout) as unknown }).toMatchObject({
        code: 0,
        stdout: { files: 1, records: 0, deadLetters: 1 },
      })
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  })
})
