import { describe, expect, it } from 'vitest'
import { problem, SCHEMA, serveWith } from './support/serve.js'

const version = (sql: string, more: object = {}) => ({
  'version-id': 1,
  'schema-id': 0,
  'timestamp-ms': 1_800_000_000_000,
  summary: { 'engine-name': 'test' },
  representations: [{ type: 'sql', sql, dialect: 'spark' }],
  'default-namespace': ['ns'],
  ...more,
})
const view = (name: string, sql = 'SELECT 1') => ({
  name,
  schema: SCHEMA,
  'view-version': version(sql),
  properties: {},
})
const named = (name: string) => ({ namespace: ['ns'], name })

describe('views over HTTP', () => {
  it('are created, listed, loaded, replaced, renamed and dropped', async () => {
    const { ask, warehouse } = await serveWith(['t'])
    const made = await ask('POST', 'namespaces/ns/views', view('v'))
    expect(made).toMatchObject({
      status: 200,
      body: { metadata: { location: `${warehouse}/ns/v`, 'current-version-id': 1 } },
    })
    expect((await ask('GET', 'namespaces/ns/views/v')).body).toEqual(made.body)
    expect((await ask('GET', 'namespaces/ns/views')).body['identifiers']).toEqual([named('v')])
    expect((await ask('GET', 'namespaces/ns/tables')).body['identifiers']).toEqual([named('t')])
    expect((await ask('HEAD', 'namespaces/ns/views/v')).status).toBe(204)
    const uuid = made.body['metadata']['view-uuid']
    const replaced = await ask('POST', 'namespaces/ns/views/v', {
      requirements: [{ type: 'assert-view-uuid', uuid }],
      updates: [
        { action: 'add-view-version', 'view-version': version('SELECT 2') },
        { action: 'set-current-view-version', 'view-version-id': -1 },
      ],
    })
    expect(replaced.body['metadata']).toMatchObject({
      'current-version-id': 2,
      'version-log': [{}, { 'version-id': 2 }],
    })
    expect((await ask('POST', 'views/rename', { source: named('v'), destination: named('w') })).status).toBe(
      204,
    )
    expect((await ask('GET', 'namespaces/ns/views/w')).body).toEqual(replaced.body)
    expect((await ask('DELETE', 'namespaces/ns/views/w')).status).toBe(204)
    expect(await ask('GET', 'namespaces/ns/views/w')).toMatchObject(
      problem(404, 'NoSuchViewException', 'View does not exist: ns.w'),
    )
  })

  it('share their names with tables', async () => {
    const { ask } = await serveWith(['t', 'u'])
    await ask('POST', 'namespaces/ns/views', view('v'))
    const taken = (message: string) => problem(409, 'AlreadyExistsException', message)
    const table = { name: 'v', schema: SCHEMA }
    const post = (path: string, body: unknown) => ask('POST', path, body)
    expect(await post('namespaces/ns/views', view('v'))).toMatchObject(taken('View already exists: ns.v'))
    expect(await post('namespaces/ns/views', view('t'))).toMatchObject(
      taken('Table with same name already exists: ns.t'),
    )
    expect(await post('namespaces/ns/tables', table)).toMatchObject(
      taken('View with same name already exists: ns.v'),
    )
    expect(await post('tables/rename', { source: named('t'), destination: named('v') })).toMatchObject(
      taken('Cannot rename ns.t to ns.v. View already exists'),
    )
    expect(await post('views/rename', { source: named('v'), destination: named('t') })).toMatchObject(
      taken('Cannot rename ns.v to ns.t. Table already exists'),
    )
    expect((await ask('GET', 'namespaces/ns/tables/v')).status).toBe(404)
    expect((await ask('GET', 'namespaces/ns/views/t')).status).toBe(404)
    expect((await ask('DELETE', 'namespaces/ns')).status).toBe(409)
  })

  it('refuse what is stale or not valid', async () => {
    const { ask } = await serveWith([])
    await ask('POST', 'namespaces/ns/views', view('v'))
    const uuid = crypto.randomUUID()
    const stale = { requirements: [{ type: 'assert-view-uuid', uuid }], updates: [] }
    expect(await ask('POST', 'namespaces/ns/views/v', stale)).toMatchObject(
      problem(409, 'CommitFailedException', /^Requirement failed: view UUID does not match/),
    )
    const twice = version('SELECT 1', {
      representations: [
        { type: 'sql', sql: 'a', dialect: 'trino' },
        { type: 'sql', sql: 'b', dialect: 'TRINO' },
      ],
    })
    expect(await ask('POST', 'namespaces/ns/views', { ...view('x'), 'view-version': twice })).toMatchObject(
      problem(400, 'IllegalArgumentException', /Cannot add multiple queries for dialect trino/),
    )
    const none = version('', { representations: [] })
    expect(await ask('POST', 'namespaces/ns/views', { ...view('x'), 'view-version': none })).toMatchObject({
      status: 400,
    })
    const lost = version('SELECT 1', { representations: [{ type: 'sql', sql: 'a', dialect: 'trino' }] })
    const updates = [
      { action: 'add-view-version', 'view-version': lost },
      { action: 'set-current-view-version', 'view-version-id': -1 },
    ]
    expect(await ask('POST', 'namespaces/ns/views/v', { requirements: [], updates })).toMatchObject(
      problem(400, 'IllegalArgumentException', /loss of view dialects/),
    )
  })
})
