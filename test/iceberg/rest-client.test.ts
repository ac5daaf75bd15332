import { afterEach, describe, expect, it } from 'vitest'
import type { Catalog, TableCommit } from '../../iceberg/catalog/catalog.js'
import type { RestCatalogOptions } from '../../iceberg/catalog/rest.js'
import { isIcebergError } from '../../iceberg/error.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { errorBody } from '../../iceberg/rest/error-body.js'
import { tableResultDocument } from '../../iceberg/rest/table-documents.js'
import { newTableMetadata } from '../../iceberg/update/new-metadata.js'
import { openClient } from '../support/served-catalog.js'
import {
  scriptedServer,
  type Reply,
  type ScriptedServer,
  type SeenRequest,
} from '../support/scripted-server.js'

const TABLE = { namespace: 'space', name: 'one' }
const METADATA = newTableMetadata({
  uuid: '00000000-0000-4000-8000-000000000001',
  location: 's3://bucket/space/one',
  schema: { type: 'struct', 'schema-id': 0, fields: [{ id: 1, name: 'id', required: true, type: 'long' }] },
  now: 1,
})
const LOADED = tableResultDocument({
  metadata: METADATA,
  metadataLocation: 's3://bucket/space/one/metadata/1.json',
})
const COMMIT: TableCommit = {
  identifier: TABLE,
  requirements: [{ type: 'assert-table-uuid', uuid: METADATA['table-uuid'] }],
  updates: [{ action: 'set-properties', updates: { a: '1' } }],
}

const servers: ScriptedServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

interface Client {
  readonly catalog: Catalog
  readonly waits: number[]
  /** What came after the configuration was asked for. */
  readonly seen: () => readonly SeenRequest[]
}

/** A client of a server that answers everything but the configuration as `script` says. */
async function clientOf(
  script: (request: SeenRequest, nth: number) => Reply,
  options: Partial<RestCatalogOptions> = {},
  config: Readonly<Record<string, unknown>> = {},
): Promise<Client> {
  const server = await scriptedServer((request, nth) =>
    request.url.startsWith('/v1/config')
      ? { body: { defaults: {}, overrides: {}, ...config } }
      : script(request, nth),
  )
  servers.push(server)
  const waits: number[] = []
  const sleep = (ms: number): Promise<unknown> => Promise.resolve(waits.push(ms))
  const catalog = await openClient(server.uri, new MemoryFileIO(), { sleep, ...options })
  return { catalog, waits, seen: () => server.seen.filter((one) => !one.url.startsWith('/v1/config')) }
}

const refusal = (status: number, type = 'SomeException'): Reply => ({
  status,
  body: errorBody(status, type, 'because'),
})
const kindOf = async (asked: Promise<unknown>): Promise<string> => {
  try {
    await asked
    return 'done'
  } catch (error) {
    return isIcebergError(error) ? error.kind : String(error)
  }
}

describe('what a refusal means', () => {
  it.each([
    [400, 'commit-rejected', 'invalid-argument'],
    [401, 'commit-rejected', 'invalid-argument'],
    [403, 'commit-rejected', 'invalid-argument'],
    [404, 'not-found', 'not-found'],
    [405, 'unsupported', 'unsupported'],
    [406, 'unsupported', 'unsupported'],
    [409, 'commit-conflict', 'already-exists'],
    [413, 'commit-rejected', 'invalid-argument'],
    [419, 'commit-rejected', 'invalid-argument'],
    [422, 'commit-rejected', 'invalid-argument'],
    [429, 'io', 'io'],
    [408, 'commit-unknown', 'commit-unknown'],
    [500, 'commit-unknown', 'commit-unknown'],
    [501, 'unsupported', 'unsupported'],
    [502, 'commit-unknown', 'commit-unknown'],
    [503, 'commit-unknown', 'commit-unknown'],
    [504, 'commit-unknown', 'commit-unknown'],
    [599, 'commit-unknown', 'commit-unknown'],
  ])('%i of a commit is %s, of a new table %s', async (status, commit, create) => {
    const { catalog } = await clientOf(() => refusal(status))
    expect(await kindOf(catalog.commit([COMMIT]))).toBe(commit)
    expect(await kindOf(catalog.createTable({ identifier: TABLE, schema: METADATA.schemas[0]! }))).toBe(
      create,
    )
  })

  it.each([
    [401, 'invalid-argument'],
    [404, 'not-found'],
    [500, 'io'],
    [502, 'io'],
    [503, 'io'],
    [504, 'io'],
  ])('%i of a load is %s: nothing was changed', async (status, kind) => {
    const { catalog } = await clientOf(() => refusal(status))
    expect(await kindOf(catalog.loadTable(TABLE))).toBe(kind)
  })

  it('a namespace that holds something is told apart, whichever status says so', async () => {
    for (const status of [400, 409]) {
      const { catalog } = await clientOf(() => refusal(status, 'NamespaceNotEmptyException'))
      expect(await kindOf(catalog.dropNamespace('space'))).toBe('not-empty')
    }
  })

  it('the message names the request, the status, the type and the reason; what the server sent back is shortened', async () => {
    const { catalog } = await clientOf(() => ({
      status: 400,
      body: errorBody(400, 'BadRequestException', 'x'.repeat(5000)),
    }))
    await expect(catalog.loadTable(TABLE)).rejects.toThrow(
      /^could not load table space\.one: the catalog answers 400 BadRequestException: x{300}…$/,
    )
  })

  it('a redirect is not followed but told', async () => {
    const { catalog, seen } = await clientOf(() => ({
      status: 301,
      headers: { location: 'https://elsewhere/' },
    }))
    await expect(catalog.commit([COMMIT])).rejects.toThrow(/redirected to https:\/\/elsewhere\//)
    expect(seen()).toHaveLength(1)
  })

  it.each([
    ['HTML', '<html>log in</html>', 'data-invalid', 'commit-unknown'],
    ['JSON that is cut short', '{"metadata": {', 'data-invalid', 'commit-unknown'],
    ['another document', '{"a": 1}', 'data-invalid', 'commit-unknown'],
  ])('%s in place of an answer is never taken for one', async (_, body, load, commit) => {
    const { catalog } = await clientOf(() => ({ body }))
    expect(await kindOf(catalog.loadTable(TABLE))).toBe(load)
    expect(await kindOf(catalog.commit([COMMIT]))).toBe(commit)
  })

  it('an answer longer than the bound is left', async () => {
    const { catalog } = await clientOf(() => ({ body: 'x'.repeat(200_000) }), { maxResponseBytes: 100_000 })
    await expect(catalog.loadTable(TABLE)).rejects.toMatchObject({
      kind: 'data-invalid',
      message: /longer than 100000/,
    })
  })
})

describe('what is asked again', () => {
  const flaky =
    (failure: Reply, times: number, good: Reply = { body: LOADED }) =>
    (_: SeenRequest, nth: number) =>
      nth <= times ? failure : good

  it.each<[string, Reply]>([
    ['429', refusal(429)],
    ['502', refusal(502)],
    ['503', refusal(503)],
    ['504', refusal(504)],
    ['a cut connection', { cut: 'before' }],
    ['an answer cut in its midst', { body: LOADED, cut: 'within' }],
  ])('a load after %s', async (_, failure) => {
    const { catalog, waits, seen } = await clientOf(flaky(failure, 3))
    expect((await catalog.loadTable(TABLE)).metadata['table-uuid']).toBe(METADATA['table-uuid'])
    expect(seen()).toHaveLength(4)
    expect(waits.map((ms, at) => ms / 2 ** at)).toEqual(waits.map((): unknown => expect.closeTo(75, -1.7)))
  })

  it('a load is given up in the end, and at once where asking again can not help', async () => {
    const lasting = await clientOf(() => refusal(503))
    expect(await kindOf(lasting.catalog.loadTable(TABLE))).toBe('io')
    expect(lasting.seen()).toHaveLength(5)
    const missing = await clientOf(() => refusal(404))
    expect(await kindOf(missing.catalog.loadTable(TABLE))).toBe('not-found')
    expect(missing.seen()).toHaveLength(1)
  })

  it('the server says how long to wait, by seconds or a date, a minute at most', async () => {
    const now = Date.UTC(2026, 10, 21, 12)
    const answers = ['7', new Date(now + 9000).toUTCString(), '3600', 'soon']
    const { catalog, waits } = await clientOf(
      (_, nth) =>
        nth > 4 ? { body: LOADED } : { ...refusal(429), headers: { 'retry-after': answers[nth - 1]! } },
      { now: () => now },
    )
    await catalog.loadTable(TABLE)
    expect(waits.slice(0, 3)).toEqual([7000, 9000, 60_000])
    expect(waits[3]).toBeLessThanOrEqual(800)
  })

  it.each<[string, Reply, number]>([
    ['429: the server did nothing', refusal(429), 2],
    ['503 with Retry-After', { ...refusal(503), headers: { 'retry-after': '1' } }, 2],
    ['503 without', refusal(503), 1],
    ['502', refusal(502), 1],
    ['a cut connection', { cut: 'before' }, 1],
  ])('a commit without idempotency key: %s', async (_, failure, requests) => {
    const { catalog, seen } = await clientOf(flaky(failure, 1))
    expect(await kindOf(catalog.commit([COMMIT]))).toBe(requests === 2 ? 'done' : 'commit-unknown')
    expect(seen()).toHaveLength(requests)
    expect(seen()[0]?.headers['idempotency-key']).toBeUndefined()
  })

  it('a commit to a server that keeps keys is asked again under the same key; another commit has another', async () => {
    const { catalog, seen } = await clientOf(
      flaky({ cut: 'before' }, 2),
      {},
      { 'idempotency-key-lifetime': 'PT30M' },
    )
    await catalog.commit([COMMIT])
    await catalog.commit([COMMIT])
    const keys = seen().map((one) => one.headers['idempotency-key'])
    expect(keys).toHaveLength(4)
    expect(new Set(keys.slice(0, 3)).size).toBe(1)
    expect(keys[3]).not.toBe(keys[0])
    expect(keys[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    await catalog.listTables('space').catch(() => undefined)
    expect(seen().at(-1)?.headers['idempotency-key']).toBeUndefined()
  })

  it.each([409, 404, 400])(
    'once an answer was lost, a later %i proves nothing: it may be our own commit',
    async (status) => {
      const { catalog } = await clientOf(
        flaky({ cut: 'before' }, 1, refusal(status)),
        {},
        { 'idempotency-key-lifetime': 'PT1H' },
      )
      expect(await kindOf(catalog.commit([COMMIT]))).toBe('commit-unknown')
    },
  )

  it('no answer in time: a commit is unknown, a load is tried again', async () => {
    const { catalog, seen } = await clientOf(flaky({ hang: true }, 1), { timeoutMs: 150 })
    expect(await kindOf(catalog.commit([COMMIT]))).toBe('commit-unknown')
    expect(await kindOf(catalog.loadTable(TABLE))).toBe('done')
    expect(seen().map((one) => one.method)).toEqual(['POST', 'GET', 'GET'])
  })

  it('where nobody listens a commit did not happen', async () => {
    const { catalog } = await clientOf(() => ({}))
    for (const server of servers.splice(0)) await server.close()
    await expect(catalog.commit([COMMIT])).rejects.toMatchObject({ kind: 'io', message: /ECONNREFUSED/ })
  })
})

describe('several tables', () => {
  const both = [COMMIT, { ...COMMIT, identifier: { ...TABLE, name: 'two' } }]

  it('are committed together only where that is known to be all or none', async () => {
    const script = (request: SeenRequest): Reply =>
      request.method === 'POST' ? { status: 204 } : { body: LOADED }
    const unknown = await clientOf(script)
    await expect(unknown.catalog.commit(both)).rejects.toMatchObject({
      kind: 'unsupported',
      message: /publish: 'transactional'/,
    })
    expect(unknown.seen()).toHaveLength(0)
    const stated = await clientOf(script, { publish: 'transactional' })
    expect(await stated.catalog.commit(both)).toHaveLength(2)
    expect(stated.seen()[0]).toMatchObject({ method: 'POST', url: '/v1/transactions/commit' })
    expect(
      (JSON.parse(stated.seen()[0]!.body) as { 'table-changes': { identifier: unknown }[] })[
        'table-changes'
      ][1]?.identifier,
    ).toEqual({
      namespace: ['space'],
      name: 'two',
    })
    const without = await clientOf(
      script,
      { publish: 'transactional' },
      { endpoints: ['GET /v1/{prefix}/namespaces'] },
    )
    await expect(without.catalog.commit(both)).rejects.toMatchObject({
      kind: 'unsupported',
      message: /does not offer transactions\/commit/,
    })
  })

  it('a commit that was accepted is not taken for failed where the tables can not be loaded afterwards', async () => {
    const { catalog } = await clientOf(
      (request) => (request.method === 'POST' ? { status: 204 } : refusal(500)),
      {
        publish: 'transactional',
      },
    )
    expect(await kindOf(catalog.commit(both))).toBe('commit-unknown')
  })

  it('are loaded again until two rounds agree', async () => {
    let version = 0
    const { catalog, seen } = await clientOf((request) => {
      if (request.url.endsWith('/two')) return { body: LOADED }
      version = Math.min(version + 1, 3)
      return { body: { ...LOADED, 'metadata-location': `s3://bucket/${version}.json` } }
    })
    const tables = await catalog.loadTables(both.map((commit) => commit.identifier))
    expect(tables[0]?.metadataLocation).toBe('s3://bucket/3.json')
    expect(seen()).toHaveLength(8)
  })

  it('Firn’s own server gives them in one request', async () => {
    const endpoints = ['POST /v1/{prefix}/firn/load-tables', 'POST /v1/{prefix}/transactions/commit']
    const { catalog, seen } = await clientOf(
      (request) =>
        request.url.endsWith('load-tables') ? { body: { tables: [LOADED, LOADED] } } : { status: 204 },
      {},
      { endpoints },
    )
    expect(await catalog.commit(both)).toHaveLength(2)
    expect(seen().map((one) => one.url)).toEqual(['/v1/transactions/commit', '/v1/firn/load-tables'])
  })
})

describe('loading', () => {
  it('asks whether a known table changed, and gives back the very document where it did not', async () => {
    const { catalog, seen } = await clientOf((request) =>
      request.headers['if-none-match'] === '"e1"'
        ? { status: 304 }
        : { body: LOADED, headers: { etag: '"e1"' } },
    )
    const first = await catalog.loadTable(TABLE)
    expect(await catalog.loadTable(TABLE)).toBe(first)
    expect(seen()[1]?.headers['if-none-match']).toBe('"e1"')
  })

  it('a table is loaded anew after its commit', async () => {
    const { catalog, seen } = await clientOf(() => ({ body: LOADED, headers: { etag: '"e1"' } }))
    await catalog.loadTable(TABLE)
    await catalog.dropTable(TABLE, { purge: true })
    await catalog.loadTable(TABLE)
    expect(seen().map((one) => one.headers['if-none-match'])).toEqual([undefined, undefined, undefined])
    expect(seen()[1]?.url).toBe('/v1/namespaces/space/tables/one?purgeRequested=true')
  })

  it('listings go through all pages, and notice pages without end', async () => {
    const page = (name: string, token: string | null) => ({
      body: { identifiers: [{ namespace: ['space'], name }], 'next-page-token': token },
    })
    const { catalog } = await clientOf((request) =>
      request.url.endsWith('pageToken=')
        ? page('one', 'a b')
        : request.url.endsWith('a%20b')
          ? page('two', null)
          : page('never', 'x'),
    )
    expect((await catalog.listTables('space')).map((table) => table.name)).toEqual(['one', 'two'])
    const endless = await clientOf(() => page('one', 'again'))
    expect(await kindOf(endless.catalog.listTables('space'))).toBe('data-invalid')
  })
})
