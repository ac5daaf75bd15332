import { describe, expect, it } from 'vitest'
import { problem, SCHEMA, serve, serveWith } from './support/serve.js'

const ID = 9007199254740993n

describe('tables over HTTP', () => {
  it('are created, listed, loaded, renamed and dropped', async () => {
    const { ask, warehouse } = await serveWith([])
    const made = await ask('POST', 'namespaces/ns/tables', {
      name: 't',
      schema: SCHEMA,
      properties: { a: '1' },
    })
    expect(made).toMatchObject({
      status: 200,
      body: { metadata: { location: `${warehouse}/ns/t`, properties: { a: '1' } } },
    })
    expect((await ask('GET', 'namespaces/ns/tables')).body['identifiers']).toEqual([
      { namespace: ['ns'], name: 't' },
    ])
    expect(await ask('HEAD', 'namespaces/ns/tables/t')).toMatchObject({ status: 204, text: '' })
    const loaded = await ask('GET', 'namespaces/ns/tables/t')
    expect(loaded.body).toEqual(made.body)
    const rename = { source: { namespace: ['ns'], name: 't' }, destination: { namespace: ['ns'], name: 'u' } }
    expect((await ask('POST', 'tables/rename', rename)).status).toBe(204)
    expect((await ask('HEAD', 'namespaces/ns/tables/t')).status).toBe(404)
    expect(
      (await ask('POST', 'namespaces/ns/tables/u/metrics', { 'report-type': 'scan-report' })).status,
    ).toBe(204)
    expect((await ask('DELETE', 'namespaces/ns/tables/u?purgeRequested=true')).status).toBe(204)
    expect(await ask('GET', 'namespaces/ns/tables/u')).toMatchObject(
      problem(404, 'NoSuchTableException', 'Table does not exist: ns.u'),
    )
  })

  it('say in the words of the specification what went wrong', async () => {
    const { ask } = await serveWith(['t', 'u'])
    const create = { name: 't', schema: SCHEMA }
    const taken = problem(409, 'AlreadyExistsException', 'Table already exists: ns.t')
    expect(await ask('POST', 'namespaces/ns/tables', create)).toMatchObject(taken)
    expect(await ask('POST', 'namespaces/ns/tables', { ...create, 'stage-create': true })).toMatchObject(
      taken,
    )
    const missing = problem(404, 'NoSuchNamespaceException', 'Namespace does not exist: no')
    expect(await ask('POST', 'namespaces/no/tables', create)).toMatchObject(missing)
    expect(await ask('POST', 'namespaces/no/tables', { ...create, 'stage-create': true })).toMatchObject(
      missing,
    )
    const rename = (from: string, to: string, namespace = 'ns') =>
      ask('POST', 'tables/rename', {
        source: { namespace: ['ns'], name: from },
        destination: { namespace: [namespace], name: to },
      })
    expect(await rename('t', 'u')).toMatchObject(
      problem(409, 'AlreadyExistsException', 'Cannot rename ns.t to ns.u. Table already exists'),
    )
    expect(await rename('x', 'y')).toMatchObject(
      problem(404, 'NoSuchTableException', 'Table does not exist: ns.x'),
    )
    expect(await rename('t', 'y', 'no')).toMatchObject(missing)
    expect(await ask('GET', 'namespaces/ns/tables/t?snapshots=some')).toMatchObject({ status: 400 })
    expect(
      await ask('POST', 'namespaces/ns/tables', { name: 'bad', schema: { type: 'struct' } }),
    ).toMatchObject({
      status: 400,
      body: { error: { type: 'BadRequestException' } },
    })
    expect(await ask('POST', 'namespaces/ns/tables', { ...create, name: 'a.b' })).toMatchObject({
      status: 400,
    })
  })

  it('stage without being made, and are made by a commit', async () => {
    const { ask } = await serveWith([])
    const staged = await ask('POST', 'namespaces/ns/tables', {
      name: 't',
      schema: SCHEMA,
      'stage-create': true,
    })
    expect(staged.status).toBe(200)
    expect(staged.body).not.toHaveProperty('metadata-location')
    expect((await ask('HEAD', 'namespaces/ns/tables/t')).status).toBe(404)
    const { metadata } = staged.body
    const commit = {
      requirements: [{ type: 'assert-create' }],
      updates: [
        { action: 'assign-uuid', uuid: metadata['table-uuid'] },
        { action: 'upgrade-format-version', 'format-version': 2 },
        { action: 'add-schema', schema: metadata.schemas[0], 'last-column-id': 2 },
        { action: 'set-current-schema', 'schema-id': -1 },
        { action: 'add-spec', spec: metadata['partition-specs'][0] },
        { action: 'set-default-spec', 'spec-id': -1 },
        { action: 'add-sort-order', 'sort-order': metadata['sort-orders'][0] },
        { action: 'set-default-sort-order', 'sort-order-id': -1 },
        { action: 'set-location', location: metadata.location },
      ],
    }
    const made = await ask('POST', 'namespaces/ns/tables/t', commit)
    expect(made).toMatchObject({
      status: 200,
      body: { metadata: { 'table-uuid': metadata['table-uuid'], location: metadata.location } },
    })
    expect(await ask('POST', 'namespaces/ns/tables/t', commit)).toMatchObject(
      problem(409, 'CommitFailedException', /^Requirement failed: table already exists/),
    )
  })

  it('are registered by their metadata file', async () => {
    const { ask, warehouse } = await serveWith(['t'])
    const { body } = await ask('GET', 'namespaces/ns/tables/t')
    await ask('DELETE', 'namespaces/ns/tables/t')
    const request = { name: 'again', 'metadata-location': body['metadata-location'] }
    expect(await ask('POST', 'namespaces/ns/register', request)).toMatchObject({ status: 200, body })
    expect((await ask('GET', 'namespaces/ns/tables/again')).body).toEqual(body)
    expect(await ask('POST', 'namespaces/ns/register', request)).toMatchObject(
      problem(409, 'AlreadyExistsException', 'Table already exists: ns.again'),
    )
    const absent = { name: 'x', 'metadata-location': `${warehouse}/ns/none.json` }
    expect(await ask('POST', 'namespaces/ns/register', absent)).toMatchObject({
      status: 404,
      body: { error: { type: 'NotFoundException' } },
    })
    expect(await ask('POST', 'namespaces/ns/register', { ...request, overwrite: true })).toMatchObject({
      status: 406,
    })
  })

  it('keep 64-bit ids as they are, through commit, file and load', async () => {
    const { ask } = await serveWith(['t'])
    const snapshot = (id: bigint, sequence: number) => ({
      'snapshot-id': id,
      'sequence-number': sequence,
      'timestamp-ms': Date.now(),
      'manifest-list': 'file:///x',
      summary: { operation: 'append' },
    })
    const committed = await ask('POST', 'namespaces/ns/tables/t', {
      requirements: [{ type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': null }],
      updates: [
        { action: 'add-snapshot', snapshot: snapshot(ID, 1) },
        { action: 'add-snapshot', snapshot: snapshot(ID + 1n, 2) },
        { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': ID + 1n },
      ],
    })
    expect(committed.text).toContain(`"snapshot-id":${ID},`)
    const all = await ask('GET', 'namespaces/ns/tables/t')
    expect(all.body['metadata'].snapshots.map((one) => one['snapshot-id'])).toEqual([ID, ID + 1n])
    const refs = await ask('GET', 'namespaces/ns/tables/t?snapshots=refs')
    expect(refs.body['metadata'].snapshots).toHaveLength(1)
    expect(refs.body['metadata'].refs['main']?.['snapshot-id']).toBe(ID + 1n)
    const stale = { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': ID }
    expect(await ask('POST', 'namespaces/ns/tables/t', { requirements: [stale], updates: [] })).toMatchObject(
      problem(
        409,
        'CommitFailedException',
        new RegExp(`^Requirement failed: branch main has changed: expected id ${ID + 1n} != ${ID}`),
      ),
    )
  })

  it('answer 304 to whoever has the newest', async () => {
    const { ask } = await serveWith(['t'])
    const first = await ask('GET', 'namespaces/ns/tables/t')
    const etag = first.headers.get('etag') ?? ''
    expect(etag).toMatch(/^"[0-9a-f]{32}"$/)
    const again = (match: string, query = '') =>
      ask('GET', `namespaces/ns/tables/t${query}`, undefined, { headers: { 'if-none-match': match } })
    expect(await again(etag)).toMatchObject({ status: 304, text: '' })
    expect((await again(`"x", W/${etag}`)).status).toBe(304)
    expect((await again(etag, '?snapshots=refs')).status).toBe(200)
    const updates = [{ action: 'set-properties', updates: { a: '1' } }]
    const committed = await ask('POST', 'namespaces/ns/tables/t', { requirements: [], updates })
    const newest = await again(etag)
    expect(newest.status).toBe(200)
    expect(newest.headers.get('etag')).toBe(committed.headers.get('etag'))
  })

  it('come in pages and, by Firn’s own endpoint, many at one moment', async () => {
    const { ask } = await serveWith(['a', 'b', 'c'])
    const first = await ask('GET', 'namespaces/ns/tables?pageToken=&pageSize=2')
    const next = await ask(
      'GET',
      `namespaces/ns/tables?pageSize=2&pageToken=${first.body['next-page-token'] ?? ''}`,
    )
    const names = [first, next].map(({ body }) => body['identifiers'].map((one) => one.name))
    expect(names).toEqual([['a', 'b'], ['c']])
    const identifiers = ['c', 'a'].map((name) => ({ namespace: ['ns'], name }))
    const many = await ask('POST', 'firn/load-tables', { identifiers })
    expect(many.body['tables'].map((one) => one.identifier)).toEqual(identifiers)
    expect(
      await ask('POST', 'firn/load-tables', { identifiers: [{ namespace: ['ns'], name: 'x' }] }),
    ).toMatchObject({
      status: 404,
    })
  })

  it('may have slashes, spaces and any script in their names', async () => {
    const { ask } = await serve()
    await ask('POST', 'namespaces', { namespace: ['новый/db', 'ä b'] })
    const path = `namespaces/${encodeURIComponent('новый/db')}%1F${encodeURIComponent('ä b')}/tables`
    expect((await ask('POST', path, { name: '実験/1', schema: SCHEMA })).status).toBe(200)
    expect((await ask('GET', `${path}/${encodeURIComponent('実験/1')}`)).status).toBe(200)
  })
})
