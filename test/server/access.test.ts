import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { mkdirSync, writeFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseTokens } from '../../server/catalog/access.js'
import { isInside } from '../../server/catalog/fenced-file-io.js'
import { listen } from '../../server/catalog/listen.js'
import { problem, SCHEMA, serve, type Served } from './support/serve.js'

const TOKENS = [
  { token: 'admin-token-0123456789', name: 'admin', grants: [{ namespace: '*', role: 'write' }] },
  {
    sha256: createHash('sha256').update('team-a-token-0123456789').digest('hex'),
    name: 'team-a',
    grants: [
      { namespace: 'a', role: 'write' },
      { namespace: 'shared.out', role: 'read' },
    ],
  },
]
const ADMIN = { token: 'admin-token-0123456789' }
const TEAM = { token: 'team-a-token-0123456789' }

async function serveTeams(): Promise<Served> {
  const served = await serve({ tokens: TOKENS })
  for (const namespace of ['a', 'b', 'shared.out', 'shared.in', 'ab'])
    await served.catalog.createNamespace(namespace)
  for (const namespace of ['a', 'b', 'shared.out'])
    await served.catalog.createTable({ identifier: { namespace, name: 't' }, schema: SCHEMA })
  return served
}

const forbidden = (what: string) => problem(403, 'ForbiddenException', `team-a may not ${what}`)

describe('tokens', () => {
  it('are wanted by every endpoint, the configuration too', async () => {
    const { ask } = await serveTeams()
    for (const [method, path] of [
      ['GET', 'config'],
      ['GET', 'namespaces'],
      ['POST', 'transactions/commit'],
      ['DELETE', 'namespaces/a/tables/t'],
    ] as const) {
      const body = method === 'POST' ? {} : undefined
      const none = await ask(method, path, body)
      expect(none).toMatchObject(problem(401, 'NotAuthorizedException', /Bearer/))
      expect(none.headers.get('www-authenticate')).toMatch(/^Bearer/)
      expect(await ask(method, path, body, { token: 'a-wrong-token-0123456789' })).toMatchObject(
        problem(401, 'NotAuthorizedException', 'the token is not valid here'),
      )
    }
    expect((await ask('GET', 'config', undefined, TEAM)).status).toBe(200)
  })

  it('read and write what they are granted, and what lies below it', async () => {
    const { ask } = await serveTeams()
    const get = (path: string) => ask('GET', path, undefined, TEAM)
    expect((await get('namespaces/a/tables/t')).status).toBe(200)
    expect((await get('namespaces/shared%1Fout/tables/t')).status).toBe(200)
    expect((await ask('POST', 'namespaces', { namespace: ['a', 'deep'] }, TEAM)).status).toBe(200)
    expect((await ask('DELETE', 'namespaces/a%1Fdeep', undefined, TEAM)).status).toBe(204)
    expect(await get('namespaces/b/tables/t')).toMatchObject(forbidden('read namespace b'))
    expect(await get('namespaces/b/tables/absent')).toMatchObject(forbidden('read namespace b'))
    expect(await get('namespaces/ab')).toMatchObject(forbidden('read namespace ab'))
    expect(await get('namespaces/nowhere')).toMatchObject(forbidden('read namespace nowhere'))
    expect(await ask('DELETE', 'namespaces/shared%1Fout/tables/t', undefined, TEAM)).toMatchObject(
      forbidden('write namespace shared.out'),
    )
  })

  it('see only the namespaces that they may read, and the way there', async () => {
    const { ask } = await serveTeams()
    const list = async (query = '') =>
      (await ask('GET', `namespaces${query}`, undefined, TEAM)).body['namespaces']
    expect(await list()).toEqual([['a'], ['shared']])
    expect(await list('?parent=shared')).toEqual([['shared', 'out']])
  })

  it('guard each table of a transaction, and both ends of a rename', async () => {
    const { ask, catalog } = await serveTeams()
    const change = (namespace: string) => ({
      identifier: { namespace: [namespace], name: 't' },
      requirements: [],
      updates: [{ action: 'set-properties', updates: { stolen: 'yes' } }],
    })
    const both = { 'table-changes': [change('a'), change('b')] }
    expect(await ask('POST', 'transactions/commit', both, TEAM)).toMatchObject(forbidden('write namespace b'))
    const { metadata } = await catalog.loadTable({ namespace: 'a', name: 't' })
    expect(metadata.properties).toEqual({})
    const rename = {
      source: { namespace: ['b'], name: 't' },
      destination: { namespace: ['a'], name: 'mine' },
    }
    expect(await ask('POST', 'tables/rename', rename, TEAM)).toMatchObject(forbidden('write namespace b'))
    const many = { identifiers: [{ namespace: ['b'], name: 't' }] }
    expect(await ask('POST', 'firn/load-tables', many, TEAM)).toMatchObject(forbidden('read namespace b'))
    expect((await ask('POST', 'transactions/commit', both, ADMIN)).status).toBe(204)
  })

  it('do not reach the tables of others through a location', async () => {
    const { ask, warehouse, catalog } = await serveTeams()
    const other = await catalog.loadTable({ namespace: 'b', name: 't' })
    const refused = { status: 403, body: { error: { type: 'ForbiddenException' } } }
    const create = { name: 'x', schema: SCHEMA }
    const post = (path: string, body: unknown) => ask('POST', path, body, TEAM)
    const register = { name: 'x', 'metadata-location': other.metadataLocation }
    expect(await post('namespaces/a/register', register)).toMatchObject(refused)
    for (const location of [
      `${warehouse}/b/t`,
      'file:///etc/x',
      `${warehouse}/a/../b/t`,
      `${warehouse}/a/%2e%2e/b`,
    ])
      expect(await post('namespaces/a/tables', { ...create, location })).toMatchObject(refused)
    const elsewhere = { 'write.metadata.path': 'file:///tmp/elsewhere' }
    expect(await post('namespaces/a/tables', { ...create, properties: elsewhere })).toMatchObject(refused)
    for (const update of [
      { action: 'set-location', location: `${warehouse}/b/t` },
      { action: 'set-properties', updates: { 'write.data.path': 'file:///etc' } },
    ])
      expect(await post('namespaces/a/tables/t', { requirements: [], updates: [update] })).toMatchObject(
        refused,
      )
    expect((await post('namespaces/a/tables', { ...create, location: `${warehouse}/a/own` })).status).toBe(
      200,
    )
  })

  it('come from a file that is checked, and whose errors tell no token', () => {
    const secret = 'very-secret-token-0123456789'
    const grants = [{ namespace: 'a', role: 'admin' }]
    const wrong = [{ token: secret, name: 'x', grants }, { name: 'y', grants: [] }, 'text']
    for (const text of [JSON.stringify(wrong), `${secret}{`, '[]']) {
      try {
        parseTokens(text, 'tokens.json')
        expect.unreachable()
      } catch (error) {
        expect(error).toMatchObject({ kind: 'invalid-argument' })
        expect(String(error)).toContain('tokens.json')
        expect(String(error)).not.toContain(secret)
      }
    }
  })
})

describe('a server without tokens', () => {
  it('serves this machine only', async () => {
    const options = { host: '0.0.0.0', port: 0 } as Parameters<typeof listen>[0]
    await expect(listen(options)).rejects.toMatchObject({ kind: 'invalid-argument' })
  })

  it('answers to names of this machine only, since pages of other sites may have their name lead here', async () => {
    const { uri } = await serve()
    const statusFor = (host: string) =>
      new Promise((resolve, reject) => {
        const sent = request(`${uri}/v1/namespaces`, { headers: { host } }, (response) => {
          response.resume()
          resolve(response.statusCode)
        })
        sent.once('error', reject).end()
      })
    expect(await statusFor('evil.example:80')).toBe(403)
    expect(await statusFor('localhost:80')).toBe(200)
    expect(await statusFor('[::1]:80')).toBe(200)
  })

  it('deletes nothing outside of its roots, whatever a table’s metadata names', async () => {
    const { ask, home, catalog } = await serve()
    await catalog.createNamespace('ns')
    await catalog.createTable({ identifier: { namespace: 'ns', name: 't' }, schema: SCHEMA })
    mkdirSync(join(home, 'precious'))
    const precious = join(home, 'precious', 'file')
    writeFileSync(precious, 'x')
    const snapshot = {
      'snapshot-id': 1,
      'sequence-number': 1,
      'timestamp-ms': Date.now(),
      'manifest-list': `file://${precious}`,
      summary: { operation: 'append' },
    }
    const updates = [{ action: 'add-snapshot', snapshot }]
    expect((await ask('POST', 'namespaces/ns/tables/t', { requirements: [], updates })).status).toBe(200)
    await ask('DELETE', 'namespaces/ns/tables/t?purgeRequested=true')
    expect(existsSync(precious)).toBe(true)
  })

  it.each([
    ['file:///w/a/t', true],
    ['file:/w/a/t', true],
    ['/w/a/t', true],
    ['file:///w', false],
    ['file:///wother/a', false],
    ['file:///w/../etc', false],
    ['file:///w/%2E%2e/etc', false],
    ['file:///w/a%2F..', false],
    ['file:///w/a\\..\\b', false],
    ['s3://w/a', false],
    ['', false],
  ])('takes %s for inside of file:///w: %s', (location, inside) => {
    expect(isInside({ roots: ['file:///w/'] }, location)).toBe(inside)
  })
})
