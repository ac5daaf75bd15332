import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { problem, SCHEMA, serve, serveWith, type Served } from './support/serve.js'

const set = (updates: Record<string, string>) => ({ action: 'set-properties', updates })
const change = (name: string, more: { requirements?: unknown[]; updates?: unknown[] }) => ({
  identifier: { namespace: ['ns'], name },
  requirements: [],
  updates: [],
  ...more,
})
const transact = ({ ask }: Served, ...changes: readonly unknown[]) =>
  ask('POST', 'transactions/commit', { 'table-changes': changes })
const propertiesOf = async ({ ask }: Served, name: string) =>
  (await ask('GET', `namespaces/ns/tables/${name}`)).body['metadata'].properties as Record<string, string>

describe('commits over HTTP', () => {
  it.each([
    [{ type: 'assert-table-uuid', uuid: crypto.randomUUID() }, 'UUID does not match: expected'],
    [
      { type: 'assert-ref-snapshot-id', ref: 'b', 'snapshot-id': 1 },
      'branch or tag b is missing, expected 1',
    ],
    [
      { type: 'assert-last-assigned-field-id', 'last-assigned-field-id': 9 },
      'last assigned field id changed: expected id 2 != 9',
    ],
    [
      { type: 'assert-current-schema-id', 'current-schema-id': 9 },
      'current schema changed: expected id 0 != 9',
    ],
    [
      { type: 'assert-last-assigned-partition-id', 'last-assigned-partition-id': 9 },
      'last assigned partition id changed: expected id 999 != 9',
    ],
    [
      { type: 'assert-default-spec-id', 'default-spec-id': 9 },
      'default partition spec changed: expected id 0 != 9',
    ],
    [
      { type: 'assert-default-sort-order-id', 'default-sort-order-id': 9 },
      'default sort order changed: expected id 0 != 9',
    ],
    [{ type: 'assert-create' }, 'table already exists'],
  ])('fail where %j does not hold, in the words that clients know', async (requirement, words) => {
    const served = await serveWith(['t'])
    const body = { requirements: [requirement], updates: [set({ a: '1' })] }
    expect(await served.ask('POST', 'namespaces/ns/tables/t', body)).toMatchObject(
      problem(409, 'CommitFailedException', new RegExp(`^Requirement failed: ${words}`)),
    )
    expect(await propertiesOf(served, 't')).toEqual({})
  })

  it.each<[string, unknown, number]>([
    ['an unknown update', { updates: [{ action: 'fly' }] }, 400],
    ['an unknown requirement', { requirements: [{ type: 'assert-moon' }] }, 400],
    ['updates that are no list', { updates: {} }, 400],
    ['a schema that is not there', { updates: [{ action: 'set-current-schema', 'schema-id': 7 }] }, 400],
    [
      'creation with another requirement',
      { requirements: [{ type: 'assert-create' }, { type: 'assert-default-spec-id', 'default-spec-id': 0 }] },
      400,
    ],
  ])('refuse %s', async (_name, body, status) => {
    const { ask } = await serveWith(['t'])
    const answer = await ask('POST', 'namespaces/ns/tables/t', {
      requirements: [],
      updates: [],
      ...(body as object),
    })
    expect(answer).toMatchObject({ status })
  })

  it('to a table that is not there say so', async () => {
    const { ask } = await serveWith([])
    expect(await ask('POST', 'namespaces/ns/tables/t', { requirements: [], updates: [] })).toMatchObject(
      problem(404, 'NoSuchTableException', 'Table does not exist: ns.t'),
    )
  })

  it('of several tables happen all or not at all', async () => {
    const served = await serveWith(['one', 'two'])
    const stale = { type: 'assert-current-schema-id', 'current-schema-id': 9 }
    const refused = await transact(
      served,
      change('one', { updates: [set({ a: '1' })] }),
      change('two', { requirements: [stale], updates: [set({ a: '1' })] }),
    )
    expect(refused).toMatchObject({ status: 409, body: { error: { type: 'CommitFailedException' } } })
    expect([await propertiesOf(served, 'one'), await propertiesOf(served, 'two')]).toEqual([{}, {}])
    const done = await transact(
      served,
      change('one', { updates: [set({ a: '1' })] }),
      change('two', { updates: [set({ a: '2' })] }),
    )
    expect(done).toMatchObject({ status: 204, text: '' })
    expect([await propertiesOf(served, 'one'), await propertiesOf(served, 'two')]).toEqual([
      { a: '1' },
      { a: '2' },
    ])
    expect(await transact(served, change('one', {}), change('one', {}))).toMatchObject({ status: 400 })
  })

  it('create tables inside a transaction, or none', async () => {
    const served = await serveWith(['one'])
    const creation = change('made', {
      requirements: [{ type: 'assert-create' }],
      updates: [
        { action: 'add-schema', schema: SCHEMA },
        { action: 'set-current-schema', 'schema-id': -1 },
        { action: 'add-spec', spec: { 'spec-id': 0, fields: [] } },
        { action: 'set-default-spec', 'spec-id': -1 },
        { action: 'add-sort-order', 'sort-order': { 'order-id': 0, fields: [] } },
        { action: 'set-default-sort-order', 'sort-order-id': -1 },
      ],
    })
    const stale = change('one', {
      requirements: [{ type: 'assert-current-schema-id', 'current-schema-id': 9 }],
    })
    expect((await transact(served, creation, stale)).status).toBe(409)
    expect((await served.ask('HEAD', 'namespaces/ns/tables/made')).status).toBe(404)
    expect((await transact(served, creation, change('one', { updates: [set({ a: '1' })] }))).status).toBe(204)
    const made = await served.ask('GET', 'namespaces/ns/tables/made')
    expect(made.body['metadata']).toMatchObject({
      location: `${served.warehouse}/ns/made`,
      'format-version': 2,
    })
  })

  it('of eight clients at once are all there in the end', async () => {
    const served = await serveWith(['t', 'count'])
    const append = async (client: number, n: number) => {
      for (;;) {
        const { body } = await served.ask('GET', 'namespaces/ns/tables/t')
        const { metadata } = body
        const id = BigInt(client) * 1_000_000_007n * 10_000_000_000n + BigInt(n)
        const snapshot = {
          'snapshot-id': id,
          'sequence-number': metadata['last-sequence-number'] + 1,
          'timestamp-ms': Date.now(),
          'manifest-list': 'file:///x',
          summary: { operation: 'append' },
        }
        const head = metadata.refs.main?.['snapshot-id'] ?? null
        const answer = await transact(
          served,
          change('t', {
            requirements: [{ type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': head }],
            updates: [
              { action: 'add-snapshot', snapshot },
              { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': id },
            ],
          }),
          change('count', { updates: [set({ [`${client}-${n}`]: String(id) })] }),
        )
        if (answer.status === 204) return
        expect(answer.status).toBe(409)
        await sleep(Math.random() * 20)
      }
    }
    const rounds = [0, 1, 2, 3]
    await Promise.all(
      Array.from({ length: 8 }, async (_, client) => {
        for (const n of rounds) await append(client + 1, n)
      }),
    )
    const { metadata } = await served.catalog.loadTable({ namespace: 'ns', name: 't' })
    const ids = metadata.snapshots.map((one) => String(one['snapshot-id']))
    expect(new Set(ids).size).toBe(32)
    expect(metadata['last-sequence-number']).toBe(32)
    expect(Object.values(await propertiesOf(served, 'count')).sort()).toEqual(ids.sort())
  })

  it('delete metadata files that fell off the log, where the table wants it', async () => {
    const served = await serve()
    await served.catalog.createNamespace('ns')
    const properties = {
      'write.metadata.delete-after-commit.enabled': 'true',
      'write.metadata.previous-versions-max': '2',
    }
    await served.ask('POST', 'namespaces/ns/tables', { name: 't', schema: SCHEMA, properties })
    for (const n of [1, 2, 3, 4, 5])
      await served.ask('POST', 'namespaces/ns/tables/t', {
        requirements: [],
        updates: [set({ n: String(n) })],
      })
    const files = []
    for await (const file of served.catalog.io.list(`${served.warehouse}/ns/t/metadata/`))
      files.push(file.location)
    const { metadata, metadataLocation } = await served.catalog.loadTable({ namespace: 'ns', name: 't' })
    const named = [...metadata['metadata-log'].map((entry) => entry['metadata-file']), metadataLocation]
    expect(files.sort()).toEqual(named.sort())
    expect(files).toHaveLength(3)
  })
})
