import { afterEach, describe, expect, it } from 'vitest'
import { openCatalog } from '../../iceberg/catalog/open-catalog.js'
import { openRestCatalog, type RestCatalogOptions } from '../../iceberg/catalog/rest.js'
import type { Catalog } from '../../iceberg/catalog/catalog.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { errorBody } from '../../iceberg/rest/error-body.js'
import { fileIOOptions } from '../../iceberg/rest/file-io-options.js'
import { tableResultDocument } from '../../iceberg/rest/table-documents.js'
import { newTableMetadata } from '../../iceberg/update/new-metadata.js'
import {
  scriptedServer,
  type Reply,
  type ScriptedServer,
  type SeenRequest,
} from '../support/scripted-server.js'

const LOCATION = 's3://lake/space/one'
const LOADED = tableResultDocument({
  metadata: newTableMetadata({
    uuid: '00000000-0000-4000-8000-000000000001',
    location: LOCATION,
    schema: { type: 'struct', 'schema-id': 0, fields: [{ id: 1, name: 'id', required: true, type: 'long' }] },
    now: 1,
  }),
  metadataLocation: `${LOCATION}/metadata/1.json`,
})
const TABLE = { namespace: 'space', name: 'one' }
const NOW = 1_800_000_000_000

let servers: ScriptedServer[] = []
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()))
  servers = []
})

interface Opened {
  readonly catalog: Catalog
  readonly server: ScriptedServer
  /** The settings of every store that was opened, by its number; reads of a store give its number. */
  readonly stores: Readonly<Record<string, string>>[]
  clock: number
}

async function open(
  script: (request: SeenRequest, nth: number) => Reply,
  options: Partial<RestCatalogOptions> = {},
): Promise<Opened> {
  const server = await scriptedServer(script)
  servers.push(server)
  const stores: Readonly<Record<string, string>>[] = []
  const opened = { server, stores, clock: NOW }
  const catalog = await openRestCatalog({
    name: 'lake',
    uri: `${server.uri}/base`,
    openIO: (properties) => {
      const nth = stores.push(properties) - 1
      const io = new MemoryFileIO()
      io.read = () => Promise.resolve(Uint8Array.of(nth))
      return io
    },
    now: () => opened.clock,
    newUuid: () => crypto.randomUUID(),
    sleep: () => Promise.resolve(),
    ...options,
  })
  return Object.assign(opened, { catalog })
}

const isTokens = (request: SeenRequest) => request.url.endsWith('/tokens') || request.url.endsWith('/token')
const pathOf = (request: SeenRequest) => `${request.method} ${request.url}`

describe('Polaris', () => {
  it('exchanges its credential at the catalog’s own endpoint, uses the prefix and renews the token before it ends', async () => {
    let issued = 0
    const opened = await open(
      (request) => {
        if (isTokens(request))
          return { body: { access_token: `t${++issued}`, token_type: 'bearer', expires_in: 3600 } }
        if (request.headers.authorization === undefined)
          return { status: 401, body: errorBody(401, 'NotAuthorizedException', 'no') }
        if (request.url.includes('/config'))
          return {
            body: { defaults: { 'default-base-location': 's3://lake' }, overrides: { prefix: 'my catalog' } },
          }
        return { body: LOADED }
      },
      {
        credential: 'root:s3cr:et',
        warehouse: 'my catalog',
        properties: { scope: 'PRINCIPAL_ROLE:ALL', 'header.Polaris-Realm': 'r1' },
      },
    )
    await opened.catalog.loadTable(TABLE)
    const { seen } = opened.server
    expect(seen.map(pathOf)).toEqual([
      'GET /base/v1/config?warehouse=my%20catalog',
      'POST /base/v1/oauth/tokens',
      'GET /base/v1/config?warehouse=my%20catalog',
      'POST /base/v1/oauth/tokens',
      'GET /base/v1/my%20catalog/namespaces/space/tables/one',
    ])
    expect(Object.fromEntries(new URLSearchParams(seen[1]?.body))).toEqual({
      grant_type: 'client_credentials',
      client_id: 'root',
      client_secret: 's3cr:et',
      scope: 'PRINCIPAL_ROLE:ALL',
    })
    expect(seen[4]?.headers).toMatchObject({
      authorization: 'Bearer t2',
      'polaris-realm': 'r1',
      'x-iceberg-access-delegation': 'vended-credentials',
    })
    opened.clock += 3_290_000
    await opened.catalog.loadTable(TABLE)
    expect(seen.at(-1)?.headers.authorization).toBe('Bearer t2')
    opened.clock += 20_000
    await opened.catalog.loadTable(TABLE)
    expect(seen.at(-1)?.headers.authorization).toBe('Bearer t3')
  })

  it('a token refused before its time is renewed once, also for a commit', async () => {
    let issued = 0
    let refused = true
    const opened = await open(
      (request) => {
        if (isTokens(request)) return { body: { access_token: `t${++issued}`, expires_in: 3600 } }
        if (request.url.includes('/config')) return { body: { defaults: {}, overrides: {} } }
        if (refused) return { status: 401, body: errorBody(401, 'NotAuthorizedException', 'expired') }
        return { body: LOADED }
      },
      { credential: 'a:b', properties: { 'oauth2-server-uri': 'v1/oauth/tokens' } },
    )
    const commit = [{ identifier: TABLE, requirements: [], updates: [] }]
    await expect(opened.catalog.commit(commit)).rejects.toMatchObject({ kind: 'commit-rejected' })
    expect(opened.server.seen.filter((one) => one.url.includes('/tables/'))).toHaveLength(2)
    refused = false
    await opened.catalog.commit(commit)
  })
})

describe('Nessie', () => {
  it('names its token server in the configuration and a branch in the prefix', async () => {
    const identity = await scriptedServer(() => ({
      body: { access_token: 'n1', token_type: 'Bearer', expires_in: 300 },
    }))
    servers.push(identity)
    const opened = await open(
      (request) =>
        request.url.includes('/config')
          ? {
              body: {
                defaults: {
                  'nessie.default-branch.name': 'main',
                  warehouse: 'warehouse',
                  'oauth2-server-uri': `${identity.uri}/realms/x/token`,
                },
                overrides: {
                  prefix: 'main%7Cwarehouse',
                  'nessie.is-nessie-catalog': 'true',
                  'namespace-separator': '%1F',
                },
              },
            }
          : { body: LOADED },
      { credential: 'client1:secret', properties: { audience: 'nessie' } },
    )
    await opened.catalog.loadTable({ namespace: 'a.b', name: 'one' })
    expect(opened.server.seen.map(pathOf)).toEqual([
      'GET /base/v1/config',
      'GET /base/v1/main%7Cwarehouse/namespaces/a%1Fb/tables/one',
    ])
    expect(opened.server.seen[1]?.headers.authorization).toBe('Bearer n1')
    expect(identity.seen[0]).toMatchObject({ method: 'POST', url: '/realms/x/token' })
    expect(new URLSearchParams(identity.seen[0]?.body).get('audience')).toBe('nessie')
    expect(identity.seen[0]?.headers.authorization).toBeUndefined()
  })
})

describe('Lakekeeper', () => {
  const lent = (expiresAt: number, secret: string): Reply => ({
    body: {
      ...LOADED,
      config: {
        's3.endpoint': 'http://127.0.0.1:9',
        's3.path-style-access': 'true',
        's3.region': 'local',
        's3.access-key-id': 'of-config',
      },
      'storage-credentials': [
        { prefix: 's3://lake', config: { 's3.access-key-id': 'broad' } },
        {
          prefix: LOCATION,
          config: {
            's3.access-key-id': 'narrow',
            's3.secret-access-key': secret,
            's3.session-token': 'st',
            's3.session-token-expires-at-ms': String(expiresAt),
          },
        },
      ],
    },
    headers: { etag: '"e"' },
  })

  it('lends credentials for prefixes: the longest holds, and they are lent anew before they end', async () => {
    const opened = await open((request, nth) =>
      request.url.includes('/config')
        ? {
            body: {
              defaults: {},
              overrides: { prefix: '0198f0a0-77b5-7f53-8e1c-3b8f0a1d2c3e', 's3.sse.type': 'none' },
            },
          }
        : lent(NOW + nth * 600_000, `secret-${nth}`),
    )
    const { catalog, stores } = opened
    const read = async (location: string) => stores[(await catalog.io.read(location))[0]!]!
    await catalog.loadTable(TABLE)
    expect(opened.server.seen[1]?.url).toBe(
      '/base/v1/0198f0a0-77b5-7f53-8e1c-3b8f0a1d2c3e/namespaces/space/tables/one',
    )
    expect(await read(`${LOCATION}/data/x.parquet`)).toMatchObject({
      's3.access-key-id': 'narrow',
      's3.secret-access-key': 'secret-1',
      's3.endpoint': 'http://127.0.0.1:9',
      's3.sse.type': 'none',
    })
    expect(await read('s3://lake/other')).toMatchObject({ 's3.access-key-id': 'broad' })
    expect((await read('s3://elsewhere/x'))['s3.access-key-id']).toBeUndefined()
    opened.clock = NOW + 541_000
    const [again] = await Promise.all([read(`${LOCATION}/data/y`), read(`${LOCATION}/data/z`)])
    expect(again['s3.secret-access-key']).toBe('secret-2')
    expect(opened.server.seen).toHaveLength(3)
    expect(opened.server.seen[2]?.headers['if-none-match']).toBeUndefined()
  })

  it('settings become those of the S3 client', () => {
    const properties = {
      's3.endpoint': 'e',
      'client.region': 'r',
      's3.path-style-access': 'true',
      's3.access-key-id': 'a',
      's3.secret-access-key': 'b',
      's3.session-token': 'c',
    }
    expect(fileIOOptions(properties)).toEqual({
      endpoint: 'e',
      region: 'r',
      pathStyle: true,
      credentials: { accessKeyId: 'a', secretAccessKey: 'b', sessionToken: 'c' },
    })
    expect(fileIOOptions({ 's3.access-key-id': 'half' })).toEqual({})
  })
})

describe('servers of other kinds', () => {
  it('old ones lend by config alone and give a table its own token', async () => {
    const opened = await open((request) =>
      request.url.includes('/config')
        ? { body: {} }
        : { body: { ...LOADED, config: { token: 'of-table', 's3.access-key-id': 'k' } } },
    )
    await opened.catalog.loadTable(TABLE)
    expect(opened.stores[(await opened.catalog.io.read(`${LOCATION}/x`))[0]!]).toMatchObject({
      's3.access-key-id': 'k',
    })
    await opened.catalog.commit([{ identifier: TABLE, requirements: [], updates: [] }])
    expect(opened.server.seen.at(-1)?.headers.authorization).toBe('Bearer of-table')
  })

  it('the server’s overrides come before the client’s settings, its defaults after them', async () => {
    const opened = await open(
      (request) =>
        request.url.includes('/config')
          ? {
              body: {
                defaults: { 's3.region': 'd', 's3.endpoint': 'd', prefix: 'd' },
                overrides: { 's3.region': 'o', prefix: 'o' },
              },
            }
          : { body: { identifiers: [] } },
      { properties: { 's3.region': 'c', 's3.endpoint': 'c' } },
    )
    expect(opened.stores[0]).toMatchObject({ 's3.region': 'o', 's3.endpoint': 'c', prefix: 'o' })
    await opened.catalog.listTables('space')
    expect(opened.server.seen[1]?.url).toBe('/base/v1/o/namespaces/space/tables?pageToken=')
  })

  it('one without nested namespaces, which answers every question alike, is listed once', async () => {
    const opened = await open((request) =>
      request.url.includes('/config') ? { body: {} } : { body: { namespaces: [['b'], ['a'], ['has.dot']] } },
    )
    expect(await opened.catalog.listNamespaces()).toEqual(['a', 'b'])
    expect(await opened.catalog.listNamespaces('a')).toEqual([])
  })

  it('views are there only where the server offers them', async () => {
    expect((await open(() => ({ body: {} }))).catalog.views).toBeUndefined()
    const endpoints = ['GET /v1/{prefix}/namespaces/{namespace}/views/{view}']
    const { catalog, server } = await open(() => ({ body: { endpoints } }))
    await expect(catalog.views?.dropView(TABLE)).rejects.toMatchObject({ kind: 'unsupported' })
    expect(server.seen).toHaveLength(1)
  })
})

describe('secrets', () => {
  it('are in no error, whatever the server repeats', async () => {
    const echo = (request: SeenRequest): Reply => ({
      status: 400,
      body: errorBody(
        400,
        'BadRequestException',
        `${request.headers.authorization} ${decodeURIComponent(request.body)}`,
      ),
    })
    const shown = async (options: Partial<RestCatalogOptions>) => {
      const error: unknown = await open(echo, options).catch((thrown: unknown) => thrown)
      const { message, context, cause } = error as { message: string; context: unknown; cause: unknown }
      expect(message).toMatch(/400/)
      return JSON.stringify([message, context, String(cause)])
    }
    expect(await shown({ token: 'hunter2-token' })).not.toContain('hunter2')
    const properties = { 'oauth2-server-uri': 'v1/oauth/tokens' }
    expect(await shown({ credential: 'id:hunter2', properties })).not.toContain('hunter2')
  })

  it.each([
    ['ftp://host', /not the address of a catalog/],
    ['http://user:hunter2@host', /holds a user or password/],
    ['nonsense', /not the address of a catalog/],
  ])('the address %s is refused', async (uri, message) => {
    const opening = openCatalog({ kind: 'rest', name: 'lake', uri })
    await expect(opening).rejects.toThrow(message)
    await expect(opening).rejects.not.toThrow(/hunter2/)
  })

  it('never go in clear to a token server that a server behind TLS names', async () => {
    const properties = { 'oauth2-server-uri': 'http://127.0.0.1:1/token' }
    await expect(
      openCatalog({ kind: 'rest', name: 'lake', uri: 'https://127.0.0.1:1', credential: 'a:b', properties }),
    ).rejects.toMatchObject({ kind: 'invalid-argument', message: /not spoken to over TLS/ })
  })

  it('SigV4 is not supported and says so', async () => {
    await expect(open(() => ({}), { properties: { 'rest.sigv4-enabled': 'true' } })).rejects.toMatchObject({
      kind: 'unsupported',
    })
  })
})
