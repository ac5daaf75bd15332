import { describe, expect, it } from 'vitest'
import { problem, serve, serveWith } from './support/serve.js'

describe('namespaces over HTTP', () => {
  it('are created with properties, loaded, changed and dropped', async () => {
    const { ask } = await serve()
    const made = await ask('POST', 'namespaces', { namespace: ['a'], properties: { owner: 'me' } })
    expect(made).toMatchObject({ status: 200, body: { namespace: ['a'], properties: { owner: 'me' } } })
    expect(await ask('HEAD', 'namespaces/a')).toMatchObject({ status: 204, text: '' })
    const changed = await ask('POST', 'namespaces/a/properties', {
      updates: { comment: 'x' },
      removals: ['owner', 'absent'],
    })
    expect(changed.body).toEqual({ updated: ['comment'], removed: ['owner'], missing: ['absent'] })
    expect((await ask('GET', 'namespaces/a')).body).toEqual({
      namespace: ['a'],
      properties: { comment: 'x' },
    })
    expect(await ask('DELETE', 'namespaces/a')).toMatchObject({ status: 204, text: '' })
    expect((await ask('HEAD', 'namespaces/a')).status).toBe(404)
  })

  it('say in the words of the specification what went wrong', async () => {
    const { ask } = await serveWith(['t'])
    const missing = problem(404, 'NoSuchNamespaceException', 'Namespace does not exist: nope')
    expect(await ask('GET', 'namespaces/nope')).toMatchObject(missing)
    expect(await ask('DELETE', 'namespaces/nope')).toMatchObject(missing)
    expect(await ask('GET', 'namespaces/nope/tables')).toMatchObject(missing)
    expect(await ask('POST', 'namespaces/nope/properties', { updates: {} })).toMatchObject(missing)
    expect(await ask('GET', 'namespaces?parent=nope')).toMatchObject(missing)
    expect(await ask('POST', 'namespaces', { namespace: ['ns'] })).toMatchObject(
      problem(409, 'AlreadyExistsException', 'Namespace already exists: ns'),
    )
    expect(await ask('DELETE', 'namespaces/ns')).toMatchObject(
      problem(409, 'NamespaceNotEmptyException', /^Namespace ns is not empty\. .*1 tables/),
    )
    const both = { updates: { a: '1' }, removals: ['a'] }
    expect(await ask('POST', 'namespaces/ns/properties', both)).toMatchObject(
      problem(422, 'UnprocessableEntityException', /cannot simultaneously set and remove keys: \[a\]/),
    )
  })

  it.each([
    ['a level with a dot', { namespace: ['a.b'] }],
    ['an empty level', { namespace: ['a', ''] }],
    ['a step upwards', { namespace: ['..'] }],
    ['no list', { namespace: 'a' }],
    ['nothing', {}],
    ['no JSON', '{"namespace":'],
    ['a property that is a list', { namespace: ['a'], properties: { x: [] } }],
  ])('refuse %s', async (_name, body) => {
    const { ask } = await serve()
    expect(await ask('POST', 'namespaces', body)).toMatchObject({
      status: 400,
      body: { error: { type: 'BadRequestException' } },
    })
  })

  it('list one level at a time, also where only deeper ones were made', async () => {
    const { ask } = await serve()
    for (const namespace of [['x'], ['x', 'y', 'z'], ['w', 'v']])
      await ask('POST', 'namespaces', { namespace })
    const list = async (query: string) => (await ask('GET', `namespaces${query}`)).body['namespaces']
    expect(await list('')).toEqual([['w'], ['x']])
    expect(await list('?parent=x')).toEqual([['x', 'y']])
    expect(await list('?parent=x%1Fy')).toEqual([['x', 'y', 'z']])
    expect(await list('?parent=x%1Fy%1Fz')).toEqual([])
    expect((await ask('GET', 'namespaces/x%1Fy')).status).toBe(200)
    expect((await ask('DELETE', 'namespaces/x')).status).toBe(409)
  })

  it('come in pages that additions in between do not shift', async () => {
    const { ask } = await serve()
    for (const name of ['b', 'c', 'd', 'e', 'f']) await ask('POST', 'namespaces', { namespace: [name] })
    const first = await ask('GET', 'namespaces?pageToken=&pageSize=2')
    expect(first.body['namespaces']).toEqual([['b'], ['c']])
    await ask('POST', 'namespaces', { namespace: ['a'] })
    await ask('DELETE', 'namespaces/c')
    const second = await ask('GET', `namespaces?pageToken=${first.body['next-page-token'] ?? ''}&pageSize=2`)
    expect(second.body['namespaces']).toEqual([['d'], ['e']])
    const last = await ask('GET', `namespaces?pageToken=${second.body['next-page-token'] ?? ''}&pageSize=2`)
    expect(last.body).toEqual({ namespaces: [['f']], 'next-page-token': null })
    for (const query of ['pageSize=0', 'pageSize=x', 'pageToken=zzz'])
      expect((await ask('GET', `namespaces?${query}`)).status).toBe(400)
  })
})

describe('the server', () => {
  it('names its endpoints and the lifetime of its keys', async () => {
    const { ask } = await serve()
    const { body } = await ask('GET', 'config?warehouse=any')
    expect(body).toMatchObject({ defaults: {}, overrides: {}, 'idempotency-key-lifetime': 'PT1H' })
    expect(body['endpoints']).toContain('POST /v1/{prefix}/transactions/commit')
    expect(body['endpoints']).toHaveLength(24)
  })

  it('refuses unknown routes, other content types and bodies beyond its bound', async () => {
    const { ask, uri } = await serve({ maxBodyBytes: 1000 })
    expect(await ask('GET', 'nope')).toMatchObject(
      problem(400, 'BadRequestException', 'No route for request: GET /v1/nope'),
    )
    const large = { namespace: ['a'], properties: { x: 'y'.repeat(2000) } }
    expect((await ask('POST', 'namespaces', large)).status).toBe(413)
    const form = await fetch(`${uri}/v1/namespaces`, {
      method: 'POST',
      body: new URLSearchParams({ a: '1' }),
    })
    expect(form.status).toBe(415)
    expect((await ask('GET', 'namespaces')).body['namespaces']).toEqual([])
  })
})
