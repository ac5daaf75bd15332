import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, describe, expect, it } from 'vitest'
import type { Catalog, CreateView, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { MemoryCatalog } from '../../iceberg/catalog/memory.js'
import { openSqliteCatalog } from '../../iceberg/catalog/sqlite.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import type { Schema } from '../../iceberg/spec/type.js'
import type { TableUpdate } from '../../iceberg/update/table-update.js'

const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [{ id: 1, name: 'id', required: true, type: 'long' }],
}
const home = mkdtempSync(join(tmpdir(), 'firn-names-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

let databases = 0
const clock = { now: Date.now, newUuid: () => crypto.randomUUID() }

function openMemory(): Catalog {
  return new MemoryCatalog({ name: 'firn', warehouse: 'memory://w', io: new MemoryFileIO(), ...clock })
}

function openSqlite(path = join(home, `${++databases}.db`)): Catalog {
  const warehouse = `file://${path}.warehouse`
  return openSqliteCatalog({ path, name: 'firn', warehouse, io: new LocalFileIO(), ...clock })
}

const named = (name: string, namespace = 'a'): TableIdentifier => ({ namespace, name })
const view = (name: string, sql = 'SELECT 1'): CreateView => ({
  identifier: named(name),
  schema: SCHEMA,
  version: {
    'timestamp-ms': 1000,
    summary: {},
    representations: [{ type: 'sql', sql, dialect: 'spark' }],
    'default-namespace': ['a'],
  },
})
const CREATION: readonly TableUpdate[] = [
  { action: 'add-schema', schema: SCHEMA },
  { action: 'set-current-schema', 'schema-id': -1 },
  { action: 'add-spec', spec: { 'spec-id': 0, fields: [] } },
  { action: 'set-default-spec', 'spec-id': -1 },
  { action: 'add-sort-order', 'sort-order': { 'order-id': 0, fields: [] } },
  { action: 'set-default-sort-order', 'sort-order-id': -1 },
]
const create = (name: string, updates = CREATION) => ({
  identifier: named(name),
  requirements: [{ type: 'assert-create' }] as const,
  updates,
})

describe.each([
  ['memory', openMemory],
  ['sqlite', () => openSqlite()],
])('Names of a catalog (%s)', (_name, open) => {
  it('keeps properties of namespaces', async () => {
    const catalog = open()
    await catalog.createNamespace('a', { owner: 'me', exists: 'no' })
    await catalog.createNamespace('b')
    expect(await catalog.loadNamespace('a')).toEqual({ owner: 'me', exists: 'no' })
    expect(await catalog.loadNamespace('b')).toEqual({})
    expect(await catalog.updateNamespace('b', { set: { x: '1' }, remove: ['exists'] })).toEqual({
      updated: ['x'],
      removed: [],
      missing: ['exists'],
    })
    expect(await catalog.updateNamespace('b', { set: { y: '2' }, remove: ['x'] })).toEqual({
      updated: ['y'],
      removed: ['x'],
      missing: [],
    })
    expect(await catalog.loadNamespace('b')).toEqual({ y: '2' })
    await catalog.updateNamespace('b', { remove: ['y'] })
    expect(await catalog.loadNamespace('b')).toEqual({})
    const both = { set: { x: '1' }, remove: ['x'] }
    await expect(catalog.updateNamespace('b', both)).rejects.toMatchObject({ kind: 'invalid-argument' })
    await expect(catalog.loadNamespace('c')).rejects.toMatchObject({ kind: 'not-found' })
    await expect(catalog.updateNamespace('c', {})).rejects.toMatchObject({ kind: 'not-found' })
    catalog.close()
  })

  it('lists the namespaces below one, and drops none that holds something', async () => {
    const catalog = open()
    for (const namespace of ['a', 'a.b.c', 'ab', 'd.e']) await catalog.createNamespace(namespace)
    expect(await catalog.listNamespaces()).toEqual(['a', 'a.b.c', 'ab', 'd.e'])
    expect(await catalog.listNamespaces('')).toEqual(['a', 'ab', 'd'])
    expect(await catalog.listNamespaces('a')).toEqual(['a.b'])
    expect(await catalog.listNamespaces('a.b')).toEqual(['a.b.c'])
    expect(await catalog.listNamespaces('ab')).toEqual([])
    await expect(catalog.listNamespaces('x')).rejects.toMatchObject({ kind: 'not-found' })
    await expect(catalog.dropNamespace('a')).rejects.toMatchObject({ kind: 'not-empty' })
    await catalog.dropNamespace('a.b.c')
    await catalog.dropNamespace('a')
    expect(await catalog.listNamespaces('')).toEqual(['ab', 'd'])
    catalog.close()
  })

  it('takes over a table by its metadata file', async () => {
    const catalog = open()
    await catalog.createNamespace('a')
    const made = await catalog.createTable({ identifier: named('t'), schema: SCHEMA })
    await catalog.dropTable(named('t'))
    const registered = await catalog.registerTable(named('u'), made.metadataLocation)
    expect(registered).toEqual({ ...made, identifier: named('u') })
    expect(await catalog.loadTable(named('u'))).toEqual(registered)
    await expect(catalog.registerTable(named('u'), made.metadataLocation)).rejects.toMatchObject({
      kind: 'already-exists',
    })
    const absent = `${made.metadata.location}/metadata/none.json`
    await expect(catalog.registerTable(named('v'), absent)).rejects.toMatchObject({ kind: 'not-found' })
    await expect(catalog.registerTable(named('v', 'b'), made.metadataLocation)).rejects.toMatchObject({
      kind: 'not-found',
    })
    catalog.close()
  })

  it('makes tables in commits, of the updates alone', async () => {
    const catalog = open()
    await catalog.createNamespace('a')
    const other = await catalog.createTable({ identifier: named('other'), schema: SCHEMA })
    const stale = {
      identifier: named('other'),
      requirements: [{ type: 'assert-current-schema-id', 'current-schema-id': 9 }] as const,
      updates: [],
    }
    await expect(catalog.commit([create('t'), stale])).rejects.toMatchObject({ kind: 'commit-conflict' })
    await expect(catalog.loadTable(named('t'))).rejects.toMatchObject({ kind: 'not-found' })
    const [made, same] = await catalog.commit([create('t'), { ...stale, requirements: [] }])
    expect(same).toEqual(other)
    expect(made?.metadataLocation).toContain('/a/t/metadata/00000-')
    expect(made?.metadata).toMatchObject({ 'format-version': 2, 'last-column-id': 1, 'metadata-log': [] })
    expect(await catalog.loadTable(named('t'))).toEqual(made)
    await expect(catalog.commit([create('t')])).rejects.toMatchObject({ kind: 'commit-conflict' })
    await expect(catalog.commit([create('u', CREATION.slice(0, 2))])).rejects.toMatchObject({
      kind: 'commit-rejected',
    })
    const lost = { ...create('u'), identifier: named('u', 'nowhere') }
    await expect(catalog.commit([lost])).rejects.toMatchObject({ kind: 'not-found' })
    catalog.close()
  })

  it('lets one of several creating commits win', async () => {
    const catalog = open()
    await catalog.createNamespace('a')
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => catalog.commit([create('t')])))
    const refused = results.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))
    expect(refused).toHaveLength(4)
    for (const reason of refused) expect(reason).toMatchObject({ kind: 'commit-conflict' })
    catalog.close()
  })

  it('keeps views beside tables, under names of their own', async () => {
    const catalog = open()
    await catalog.createNamespace('a')
    await catalog.createTable({ identifier: named('t'), schema: SCHEMA })
    const views = catalog.views!
    const made = await views.createView(view('v'))
    expect(made.metadata).toMatchObject({ 'current-version-id': 1, versions: [{ 'schema-id': 0 }] })
    expect(await views.loadView(named('v'))).toEqual(made)
    expect(await views.listViews('a')).toEqual([named('v')])
    expect(await catalog.listTables('a')).toEqual([named('t')])
    const taken = { kind: 'already-exists' }
    await expect(views.createView(view('v'))).rejects.toMatchObject({ ...taken, context: { view: 'a.v' } })
    await expect(views.createView(view('t'))).rejects.toMatchObject({ ...taken, context: { table: 'a.t' } })
    await expect(catalog.createTable({ identifier: named('v'), schema: SCHEMA })).rejects.toMatchObject(taken)
    await expect(catalog.commit([create('v')])).rejects.toMatchObject(taken)
    await expect(catalog.renameTable(named('t'), named('v'))).rejects.toMatchObject(taken)
    await expect(views.renameView(named('v'), named('t'))).rejects.toMatchObject(taken)
    await expect(views.loadView(named('t'))).rejects.toMatchObject({ kind: 'not-found' })
    await expect(catalog.dropTable(named('v'))).rejects.toMatchObject({ kind: 'not-found' })
    await views.renameView(named('v'), named('w'))
    await expect(catalog.dropNamespace('a')).rejects.toMatchObject({ kind: 'not-empty' })
    await views.dropView(named('w'))
    await expect(views.dropView(named('w'))).rejects.toMatchObject({ kind: 'not-found' })
    catalog.close()
  })

  it('loses none of many racing changes to a view', async () => {
    const catalog = open()
    await catalog.createNamespace('a')
    await catalog.views!.createView(view('v'))
    const changeUntilDone = async (n: number) => {
      for (;;) {
        try {
          const updates = [{ action: 'set-properties', updates: { [`writer-${n}`]: 'yes' } }] as const
          await catalog.views!.commitView({ identifier: named('v'), requirements: [], updates })
          return
        } catch (error) {
          expect(error).toMatchObject({ kind: 'commit-conflict' })
        }
      }
    }
    await Promise.all(Array.from({ length: 8 }, (_, n) => changeUntilDone(n)))
    expect(Object.keys((await catalog.views!.loadView(named('v'))).metadata.properties)).toHaveLength(8)
    catalog.close()
  })

  it.each(['true', 'false'])('deletes metadata files that fall off the log: %s', async (wanted) => {
    const catalog = open()
    await catalog.createNamespace('a')
    const properties = {
      'write.metadata.delete-after-commit.enabled': wanted,
      'write.metadata.previous-versions-max': '1',
    }
    const { metadata } = await catalog.createTable({ identifier: named('t'), schema: SCHEMA, properties })
    for (const n of ['1', '2', '3'])
      await catalog.commit([
        { identifier: named('t'), requirements: [], updates: [{ action: 'set-properties', updates: { n } }] },
      ])
    const left = []
    for await (const file of catalog.io.list(`${metadata.location}/metadata/`)) left.push(file.location)
    expect(left).toHaveLength(wanted === 'true' ? 2 : 4)
    await catalog.loadTable(named('t'))
    catalog.close()
  })
})

it('a database of schema V0 has tables and namespaces, and no views', async () => {
  const path = join(home, 'v0.db')
  const database = new Database(path)
  database.exec(`CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL,
    table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000),
    PRIMARY KEY (catalog_name, table_namespace, table_name))`)
  database.close()
  const catalog = openSqlite(path)
  expect(catalog.views).toBeUndefined()
  await catalog.createNamespace('a', { x: '1' })
  const [made] = await catalog.commit([create('t')])
  expect(await catalog.loadTable(named('t'))).toEqual(made)
  expect(await catalog.loadNamespace('a')).toEqual({ x: '1' })
  catalog.close()
})
