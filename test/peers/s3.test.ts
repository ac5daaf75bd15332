import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { readPeers } from '../support/peers.js'
import { describeFileIO } from '../support/file-io-contract.js'
import { startLosingProxy, type LosingProxy } from './losing-proxy.js'
import { runSql } from '../../lake/query/sql.js'
import { readConfig } from '../../workers/config.js'
import { createLakeDeps } from '../../workers/create-deps.js'
import { build, differences, landAndPlan, publish, sparkEnv } from './spark-lake.js'
import { noS3, startS3, type S3Server } from './support-s3.js'

const reason = noS3()
/** Numbers and texts as producers write them; the last one is there twice. */
const PAYMENTS = [
  { txn_id: 't1', amount: '12.30', event_time: '2026-06-30T23:59:59.5Z' },
  { txn_id: 't2', amount: 7, event_time: 1782864000000 },
  { txn_id: 't3', amount: 0.1, event_time: '2026-06-30T10:00:00+02:00' },
  { txn_id: 't3', amount: 0.1, event_time: '2026-06-30T10:00:00+02:00' },
].map((payment) => ({ ...payment, user_token: 'u', merchant_id: 'm', status: 'approved' }))
const MIB = 1024 * 1024
let server: S3Server
let proxy: LosingProxy
/** Speaks to the store by the proxy. */
let lossy: FileIO
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firn-s3-files-'))
  if (reason !== undefined) return
  server = await startS3(['lake'])
  proxy = await startLosingProxy(server.port)
  lossy = server.io({ endpoint: proxy.endpoint })
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  if (reason !== undefined) return
  await proxy.stop()
  await server.stop()
})

describe.skipIf(reason !== undefined)(`S3 (${reason ?? 'versitygw'})`, () => {
  describeFileIO('s3://', () => ({ io: server.io(), base: 's3://lake/plain' }))
  describeFileIO('s3a:// as Hadoop spells it', () => ({ io: server.io(), base: 's3a://lake/hadoop' }))

  it.skipIf(noS3Jars())('Spark builds the churn tables there as DuckDB does, by settings alone', async () => {
    Object.assign(process.env, server.env)
    const folderOf = (engine: string) => ({ FIRN_HOME: join(folder, engine), FIRN_ENGINE: engine })
    const settings = { ...sparkEnv(), FIRN_SPARK_JARS: s3Jars().join() }
    const warehouse = { FIRN_WAREHOUSE: 's3://lake/churn', ...server.env }
    const lakes = await Promise.all([
      createLakeDeps(readConfig(folderOf('duckdb'))),
      createLakeDeps(readConfig({ ...settings, ...warehouse, ...folderOf('spark') })),
    ])
    const inbox = join(folder, 'payments')
    mkdirSync(inbox)
    for (const [nth, payment] of PAYMENTS.entries())
      writeFileSync(join(inbox, `${nth}.json`), JSON.stringify(payment))
    const night = { pipeline: 'churn', batch: '20260701T020000Z', from: inbox }
    for (const { deps } of lakes) {
      const plan = await landAndPlan(deps, night)
      await build(deps, plan)
      expect(await publish(deps, plan)).toMatchObject({ status: 'published' })
    }
    const [here, there] = lakes.map(({ deps }) => deps)
    const table = 'ml_features.raw_transactions'
    expect(await differences(here!, there!, table, ['txn_id'])).toEqual([])
    expect((await runSql(there!, { sql: `SELECT count(*) AS n FROM ${table}` })).rows).toEqual([{ n: 3n }])
    for (const lake of lakes) lake.close()
  })

  it('writes large objects in parts, from memory and from a file', async () => {
    const io = server.io({ partSizeBytes: 5 * MIB, endpoint: proxy.endpoint })
    const bytes = pattern(17 * MIB + 13)
    const path = join(folder, 'large')
    writeFileSync(path, bytes)
    await io.write('s3://lake/large/written', bytes)
    await io.upload(path, 's3://lake/large/uploaded')
    for (const location of ['s3://lake/large/written', 's3://lake/large/uploaded']) {
      expect(Buffer.compare(await io.read(location), bytes)).toBe(0)
      const range = { start: 5 * MIB - 3, end: 10 * MIB + 3 }
      expect(Buffer.compare(await io.read(location, range), bytes.subarray(range.start, range.end))).toBe(0)
    }
    const parts = proxy.requests.filter((line) => /^PUT .*large.*partNumber=/.test(line))
    expect(parts).toHaveLength(8)
  })

  it('leaves no parts behind where an upload fails', async () => {
    const path = join(folder, 'shrinking')
    writeFileSync(path, '')
    truncateSync(path, 40 * MIB)
    const io = server.io({ partSizeBytes: 5 * MIB, endpoint: proxy.endpoint })
    // Not all parts are read before the first one comes to the store.
    const isPart = (line: string) => /shrinking\?.*partNumber/.test(line)
    proxy.lose((line) => (isPart(line) && truncateSync(path, MIB), false), 1)
    const failed = io.upload(path, 's3://lake/failed/shrinking')
    await expect(failed).rejects.toThrow('shrank')
    await expect(io.stat('s3://lake/failed/shrinking')).rejects.toMatchObject({ kind: 'not-found' })
    expect(await openUploads()).toEqual([])
  })

  it('lets exactly one of twenty creators of equal bytes win', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () => server.io().createIfAbsent('s3://lake/race/equal', pattern(10))),
    )
    const kinds = results.map((result) =>
      result.status === 'fulfilled' ? 'won' : (result.reason as { kind: string }).kind,
    )
    expect(kinds.sort()).toEqual([...Array<string>(19).fill('already-exists'), 'won'])
  })

  it('looks before it creates where the store has no conditional create', async () => {
    const io = server.io({ conditionalCreate: false, endpoint: proxy.endpoint })
    await io.createIfAbsent('s3n://lake/old/lease', pattern(1))
    const again = io.createIfAbsent('s3://lake/old/lease', pattern(2))
    await expect(again).rejects.toMatchObject({ kind: 'already-exists' })
    expect(await io.read('s3a://lake/old/lease')).toHaveLength(1)
  })

  it('knows its own object where the answer to a create was lost', async () => {
    const isCreate = (line: string) => line.startsWith('PUT') && line.includes('lost/')
    proxy.lose(isCreate, 2)
    await lossy.createIfAbsent('s3://lake/lost/own', pattern(10))
    expect(await lossy.read('s3://lake/lost/own')).toHaveLength(10)
    expect(proxy.requests.filter((line) => isCreate(line))).toHaveLength(3)
    await server.io().createIfAbsent('s3://lake/lost/other', pattern(10))
    proxy.lose(isCreate, 1)
    const other = lossy.createIfAbsent('s3://lake/lost/other', pattern(10))
    await expect(other).rejects.toMatchObject({ kind: 'already-exists' })
  })

  it('knows its own object where the answer to the end of a multipart upload was lost', async () => {
    const bytes = pattern(11 * MIB)
    const io = server.io({ partSizeBytes: 5 * MIB, endpoint: proxy.endpoint })
    proxy.lose((line) => /^POST .*completed\?uploadId/.test(line), 1)
    await io.write('s3://lake/lost/completed', bytes)
    expect(Buffer.compare(await io.read('s3://lake/lost/completed'), bytes)).toBe(0)
    expect(await openUploads()).toEqual([])
  })

  it('asks again for a body that breaks off', async () => {
    const bytes = pattern(300_000)
    await lossy.write('s3://lake/lost/body', bytes)
    proxy.lose((line) => /^GET .*lost\/body/.test(line), 2, 'half the body')
    expect(Buffer.compare(await lossy.read('s3://lake/lost/body'), bytes)).toBe(0)
  })

  it('lists more objects than one page holds, each once', async () => {
    const many = join(server.folder, 'lake', 'pages')
    mkdirSync(many)
    for (let n = 0; n < 2_500; n += 1) writeFileSync(join(many, `object ${n}`), '')
    const found = new Set<string>()
    for await (const { location } of server.io().list('s3a://lake/pages/')) found.add(location)
    expect(found.size).toBe(2_500)
    expect(found).toContain('s3a://lake/pages/object 77')
  })

  it('leaves out folder markers of other tools', async () => {
    mkdirSync(join(server.folder, 'lake', 'marked', 'folder'), { recursive: true })
    await server.io().write('s3://lake/marked/file', pattern(1))
    const found = []
    for await (const { location } of server.io().list('s3://lake/marked/')) found.push(location)
    expect(found).toEqual(['s3://lake/marked/file'])
  })
})

describe.skipIf(reason !== undefined)(`What S3 refuses (${reason ?? 'versitygw'})`, () => {
  const credentials = {
    accessKeyId: 'firn-tests',
    secretAccessKey: 'wrong-and-private',
    sessionToken: 'token-of-mine',
  }

  it('says what to check, without a secret', async () => {
    const failures = [
      { io: server.io({ credentials }), at: 's3://lake/x', says: /credentials/ },
      {
        io: server.io({ endpoint: 'http://127.0.0.1:1', maxAttempts: 1 }),
        at: 's3://lake/x',
        says: /endpoint/,
      },
      { io: server.io(), at: 's3://no-such-bucket/x', says: /bucket is not there/ },
    ]
    for (const { io, at, says } of failures) {
      const error = await io.write(at, pattern(1)).then(
        () => expect.fail('it was written'),
        (thrown: unknown) => thrown as Error,
      )
      expect(error).toHaveProperty('kind', 'io')
      expect(error.message).toMatch(says)
      expect(error.message).toContain(at)
      expect(JSON.stringify([error.message, error, error.cause])).not.toMatch(
        /wrong-and-private|token-of-mine/,
      )
    }
  })

  it.each(['s3://', 's3:///key', 's3://lake', 's3://lake/', 'file:///x', '/x', 's3://lake/a\0b'])(
    'refuses the location %j',
    async (location) => {
      await expect(server.io().read(location)).rejects.toMatchObject({ kind: 'invalid-argument' })
    },
  )
})

function pattern(size: number): Uint8Array {
  return new Uint8Array(size).map((_, n) => (n * 7 + (n >> 10)) % 256)
}

async function openUploads(): Promise<readonly unknown[]> {
  const client = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey },
  })
  try {
    return (await client.send(new ListMultipartUploadsCommand({ Bucket: 'lake' }))).Uploads ?? []
  } finally {
    client.destroy()
  }
}

/** Iceberg's and Hadoop's access to S3 from Spark. */
function s3Jars(): readonly string[] {
  const { sparkJars } = readPeers()
  return (sparkJars ?? []).filter((jar) => !jar.includes('sqlite'))
}

function noS3Jars(): boolean {
  return !s3Jars().some((jar) => jar.includes('hadoop-aws'))
}
