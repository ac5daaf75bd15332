import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { parseTokens } from '../../server/catalog/access.js'
import { problem, SCHEMA, serve, serveWith, type Served } from './support/serve.js'

const TOKENS = [
  { token: 'admin-token-0123456789', name: 'admin', grants: [{ namespace: '*', role: 'write' }] },
  { token: 'team-a-token-0123456789', name: 'team-a', grants: [{ namespace: 'a', role: 'write' }] },
]
const TEAM = { token: 'team-a-token-0123456789' }
const KEY = { 'idempotency-key': '01890a5d-ac96-774b-bcce-b302099a8057' }

async function serveTeams(): Promise<Served> {
  const served = await serve({ tokens: TOKENS })
  for (const namespace of ['a', 'b']) {
    await served.catalog.createNamespace(namespace)
    await served.catalog.createTable({ identifier: { namespace, name: 't' }, schema: SCHEMA })
  }
  return served
}

const pathOf = (location: string): string => location.replace('file://', '')
const load = (served: Served, namespace: string) => served.catalog.loadTable({ namespace, name: 't' })

/** Rewrites a table's metadata file as somebody who may write to its folder can, and starts the server anew. */
async function tampered(
  served: Served,
  change: (metadata: Record<string, unknown>) => object,
): Promise<Served> {
  const path = pathOf((await load(served, 'a')).metadataLocation)
  const metadata = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  writeFileSync(path, JSON.stringify({ ...metadata, ...change(metadata) }))
  return served.restart()
}

describe('files of others that are named in metadata', () => {
  it('are not deleted by a purge, which refuses before the table is gone', async () => {
    let again = await serveTeams()
    const other = (await load(again, 'b')).metadataLocation
    for (const stolen of [other, `file://${again.home}/catalog.db`]) {
      again = await tampered(again, () => ({
        'metadata-log': [{ 'timestamp-ms': 1, 'metadata-file': stolen }],
      }))
      const path = 'namespaces/a/tables/t?purgeRequested=true'
      expect(await again.ask('DELETE', path, undefined, TEAM)).toMatchObject(
        problem(403, 'ForbiddenException', /can't use location/),
      )
      expect(existsSync(pathOf(stolen))).toBe(true)
      expect((await again.ask('GET', 'namespaces/a/tables/t', undefined, TEAM)).status).toBe(200)
    }
  })

  it('are not deleted as old metadata', async () => {
    const served = await serveTeams()
    const other = (await load(served, 'b')).metadataLocation
    const again = await tampered(served, () => ({
      'metadata-log': [{ 'timestamp-ms': 1, 'metadata-file': other }],
    }))
    const updates = [
      {
        action: 'set-properties',
        updates: {
          'write.metadata.delete-after-commit.enabled': 'true',
          'write.metadata.previous-versions-max': '1',
        },
      },
    ]
    const reply = await again.ask('POST', 'namespaces/a/tables/t', { requirements: [], updates }, TEAM)
    expect(reply).toMatchObject(problem(403, 'ForbiddenException', /folder of namespace b/))
    expect(existsSync(pathOf(other))).toBe(true)
  })

  it('are not taken in by registering a table', async () => {
    const served = await serveTeams()
    const { metadataLocation, metadata } = await load(served, 'a')
    const own = metadataLocation.replace(/[^/]+$/, '00009-x.metadata.json')
    const text = readFileSync(pathOf(metadataLocation), 'utf8')
    writeFileSync(pathOf(own), text.replace(metadata.location, metadata.location.replace('/a/', '/b/')))
    const body = { name: 'new', 'metadata-location': own }
    expect(await served.ask('POST', 'namespaces/a/register', body, TEAM)).toMatchObject(
      problem(403, 'ForbiddenException', /folder of namespace b/),
    )
  })
})

describe('requests', () => {
  it('of the unknown are refused before their body is read', async () => {
    const served = await serveTeams()
    const { hostname, port } = new URL(served.uri)
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(
          `POST /v1/namespaces HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Type: application/json\r\nContent-Length: 60000000\r\n\r\n{`,
        )
      })
      let text = ''
      socket.on('data', (chunk) => (text += chunk.toString()))
      // The server closes: it waits for no body.
      socket.on('end', () => resolve(text))
      socket.on('error', reject)
    })
    expect(answer).toMatch(/^HTTP\/1.1 401 /)
  })

  it('under the key of another principal are refused, and say nothing of the answer', async () => {
    const { ask } = await serveTeams()
    const body = { namespace: ['a', 'x'] }
    expect((await ask('POST', 'namespaces', body, { ...TEAM, headers: KEY })).status).toBe(200)
    const admin = { token: 'admin-token-0123456789', headers: KEY }
    const reply = await ask('POST', 'namespaces', body, admin)
    expect(reply).toMatchObject(problem(422, 'UnprocessableEntityException', /used for another request/))
  })

  it('with names that every object has do no harm', async () => {
    const { ask, catalog } = await serveWith(['t'])
    for (const name of ['__proto__', 'constructor', 'toString']) {
      const properties = `{"${name}": "x"}`
      const updates = `[{"action":"set-properties","updates":${properties}}]`
      expect((await ask('POST', 'namespaces/ns/tables/t', `{"updates":${updates}}`)).status).toBe(200)
      const { metadata } = await catalog.loadTable({ namespace: 'ns', name: 't' })
      expect(Object.getOwnPropertyDescriptor(metadata.properties, name)?.value).toBe('x')
      const absent = [{ type: 'assert-ref-snapshot-id', ref: name, 'snapshot-id': null }]
      expect((await ask('POST', 'namespaces/ns/tables/t', { requirements: absent })).status).toBe(200)
      const removal = [{ action: 'remove-snapshot-ref', 'ref-name': name }]
      expect((await ask('POST', 'namespaces/ns/tables/t', { updates: removal })).status).toBe(200)
      expect((await ask('GET', `namespaces/ns/tables/${name}`)).status).toBe(404)
      expect((await ask('POST', 'namespaces/ns/tables/t', { updates: [{ action: name }] })).status).toBe(400)
    }
    expect(({} as Record<string, unknown>)['x']).toBeUndefined()
  })

  it('nested deeper than any document are answered, and the server lives on', async () => {
    const { ask } = await serveWith(['t'])
    const deep = `{"name":"u","schema":${'{"type":"list","element":'.repeat(100_000)}"int"${'}'.repeat(100_000)}}`
    expect((await ask('POST', 'namespaces/ns/tables', deep)).status).toBe(400)
    expect((await ask('GET', 'namespaces/ns/tables/t')).status).toBe(200)
  })
})

it('two names with one token are refused: nobody could tell them apart', () => {
  const grants = [{ namespace: '*', role: 'read' }]
  const token = 'the-same-token-0123456789'
  const text = JSON.stringify([
    { token, name: 'one', grants },
    { token, name: 'two', grants },
  ])
  expect(() => parseTokens(text, 'tokens.json')).toThrow(/gives two names the same token/)
  expect(() => parseTokens(text, 'tokens.json')).not.toThrow(token)
})
