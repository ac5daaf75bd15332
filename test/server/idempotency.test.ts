import { randomUUID } from 'node:crypto'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import type { Catalog } from '../../iceberg/catalog/catalog.js'
import { IcebergError } from '../../iceberg/error.js'
import { problem, SCHEMA, serve, serveWith } from './support/serve.js'

const keyed = (key: string) => ({ headers: { 'idempotency-key': key } })
const properties = (updates: Record<string, string>) => ({
  requirements: [],
  updates: [{ action: 'set-properties', updates }],
})

/** A catalog whose commit does its work and then loses its answer, the first `times`. */
function losing(times: number, kind: 'commit-unknown' | 'io' = 'commit-unknown') {
  let left = times
  return (catalog: Catalog): Catalog =>
    new Proxy(catalog, {
      get(target, key) {
        const value = Reflect.get(target, key) as unknown
        if (typeof value !== 'function') return value
        return async (...args: unknown[]) => {
          const isLost = ['commit', 'createTable', 'dropTable'].includes(String(key)) && left-- > 0
          if (isLost && kind === 'io') throw new IcebergError('io', 'the disk is busy')
          const result = (await Reflect.apply(value, target, args)) as unknown
          if (isLost) throw new IcebergError('commit-unknown', 'the answer was lost')
          return result
        }
      },
    })
}

describe('idempotency keys', () => {
  it('replay the first answer, also to another server over the same database', async () => {
    const served = await serveWith([])
    const key = randomUUID()
    const create = { name: 't', schema: SCHEMA }
    const first = await served.ask('POST', 'namespaces/ns/tables', create, keyed(key))
    const again = await served.ask('POST', 'namespaces/ns/tables', create, keyed(key.toUpperCase()))
    expect(again).toMatchObject({ status: 200, text: first.text })
    expect(again.headers.get('etag')).toBe(first.headers.get('etag'))
    const restarted = await served.restart()
    expect(await restarted.ask('POST', 'namespaces/ns/tables', create, keyed(key))).toMatchObject({
      status: 200,
      text: first.text,
    })
    expect(await restarted.ask('POST', 'namespaces/ns/tables', create, keyed(randomUUID()))).toMatchObject({
      status: 409,
    })
  })

  it('keep refusals too', async () => {
    const { ask } = await serveWith([])
    const key = randomUUID()
    const missing = await ask('DELETE', 'namespaces/ns/tables/t', undefined, keyed(key))
    expect(missing.status).toBe(404)
    await ask('POST', 'namespaces/ns/tables', { name: 't', schema: SCHEMA })
    expect(await ask('DELETE', 'namespaces/ns/tables/t', undefined, keyed(key))).toMatchObject({
      status: 404,
      text: missing.text,
    })
    expect((await ask('HEAD', 'namespaces/ns/tables/t')).status).toBe(204)
  })

  it('let requests of one key that come together do their work once', async () => {
    const { ask, catalog } = await serveWith(['t'])
    const key = randomUUID()
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        ask('POST', 'namespaces/ns/tables/t', properties({ a: '1' }), keyed(key)),
      ),
    )
    expect(new Set(answers.map((one) => one.text)).size).toBe(1)
    expect(answers.every((one) => one.status === 200)).toBe(true)
    const { metadata } = await catalog.loadTable({ namespace: 'ns', name: 't' })
    expect(metadata['metadata-log']).toHaveLength(1)
  })

  it('belong to one request of one client', async () => {
    const tokens = ['one', 'two'].map((name) => ({
      token: `${name}-token-0123456789`,
      name,
      grants: [{ namespace: '*', role: 'write' }],
    }))
    const { ask } = await serve({ tokens })
    const key = randomUUID()
    const as = (name: string) => ({ token: `${name}-token-0123456789`, ...keyed(key) })
    expect((await ask('POST', 'namespaces', { namespace: ['a'] }, as('one'))).status).toBe(200)
    const other = problem(422, 'UnprocessableEntityException', /was used for another request/)
    expect(await ask('POST', 'namespaces', { namespace: ['b'] }, as('one'))).toMatchObject(other)
    expect(await ask('POST', 'namespaces', { namespace: ['a'] }, as('two'))).toMatchObject(other)
    expect(await ask('DELETE', 'namespaces/a', undefined, as('one'))).toMatchObject(other)
  })

  it('that are no UUID are refused; reading heeds none', async () => {
    const { ask } = await serve()
    expect(await ask('POST', 'namespaces', { namespace: ['a'] }, keyed('1'))).toMatchObject({ status: 400 })
    expect(await ask('GET', 'namespaces', undefined, keyed('1'))).toMatchObject({ status: 200 })
  })

  it('expire after an hour', async () => {
    const clock = { nowMs: Date.now() }
    const { ask, home } = await serve({ now: () => clock.nowMs })
    const create = (key: string, name: string) => ask('POST', 'namespaces', { namespace: [name] }, keyed(key))
    const [old, young] = [randomUUID(), randomUUID()]
    await create(old, 'a')
    clock.nowMs += 3_599_000
    await create(young, 'b')
    expect((await create(old, 'a')).status).toBe(200)
    clock.nowMs += 2000
    expect((await create(old, 'a')).status).toBe(409)
    const database = new Database(`${home}/catalog.db`, { readonly: true })
    expect(database.prepare('SELECT count(*) AS rows FROM firn_idempotent_answers').get()).toEqual({
      rows: 2,
    })
    database.close()
  })
})

describe('a lost answer', () => {
  it('is told as unknown, and never as a refusal to whoever asks again with the key', async () => {
    const { ask, catalog, failures } = await serveWith(['t'], { wrap: losing(1) })
    const key = randomUUID()
    const { body } = await ask('GET', 'namespaces/ns/tables/t')
    const commit = {
      requirements: [{ type: 'assert-last-assigned-field-id', 'last-assigned-field-id': 2 }],
      updates: [
        {
          action: 'add-schema',
          schema: {
            ...SCHEMA,
            fields: [...SCHEMA.fields, { id: 3, name: 'c', required: false, type: 'int' }],
          },
        },
        { action: 'set-current-schema', 'schema-id': -1 },
      ],
    }
    const post = () => ask('POST', 'namespaces/ns/tables/t', commit, keyed(key))
    const unknown = { status: 500, body: { error: { type: 'CommitStateUnknownException' } } }
    expect(await post()).toMatchObject(unknown)
    // The work is done, so its requirement fails now: as a plain 409 this would have clients delete live files.
    expect(await post()).toMatchObject(unknown)
    const { metadata, metadataLocation } = await catalog.loadTable({ namespace: 'ns', name: 't' })
    expect(metadata['last-column-id']).toBe(3)
    expect(metadataLocation).not.toBe(body['metadata-location'])
    await catalog.io.stat(metadataLocation)
    const told = { status: 500, method: 'POST', path: '/v1/namespaces/ns/tables/t' }
    expect(failures).toMatchObject([told, told])
  })

  it('of work that repeats without harm is made good', async () => {
    const { ask, catalog } = await serveWith(['t'], { wrap: losing(1) })
    const key = randomUUID()
    const post = () => ask('POST', 'namespaces/ns/tables/t', properties({ a: '1' }), keyed(key))
    expect((await post()).status).toBe(500)
    const second = await post()
    expect(second.status).toBe(200)
    expect((await post()).text).toBe(second.text)
    expect((await catalog.loadTable({ namespace: 'ns', name: 't' })).metadata.properties).toEqual({ a: '1' })
  })

  it('that certainly did nothing leaves its key free', async () => {
    const { ask } = await serveWith([], { wrap: losing(1, 'io') })
    const key = randomUUID()
    const post = () => ask('POST', 'namespaces/ns/tables', { name: 't', schema: SCHEMA }, keyed(key))
    const busy = await post()
    expect(busy).toMatchObject({ status: 503, body: { error: { type: 'ServiceUnavailableException' } } })
    expect(busy.headers.get('retry-after')).toBe('1')
    expect((await post()).status).toBe(200)
  })
})
