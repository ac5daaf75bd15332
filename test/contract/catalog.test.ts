import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import Database from 'better-sqlite3'
import type { Catalog, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { MemoryCatalog } from '../../iceberg/catalog/memory.js'
import { openSqliteCatalog } from '../../iceberg/catalog/sqlite.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { openClient, serveCatalog, type Served } from '../support/served-catalog.js'
import type { TableUpdate } from '../../iceberg/update/table-update.js'

const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 7,
  fields: [
    { id: 40, name: 'day', required: false, type: 'date' },
    {
      id: 41,
      name: 'tags',
      required: false,
      type: { type: 'list', 'element-id': 42, 'element-required': true, element: 'string' },
    },
    { id: 43, name: 'id', required: true, type: 'long' },
  ],
}

let directory = ''
let databases = 0
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'firn-catalog-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

function identities() {
  let uuids = 0
  return {
    now: () => Date.now(),
    newUuid: () => `00000000-0000-4000-8000-${(++uuids).toString(16).padStart(12, '0')}`,
  }
}

function openMemory(): Catalog {
  return new MemoryCatalog({ name: 'firn', warehouse: 'memory://w', io: new MemoryFileIO(), ...identities() })
}

function openSqlite(path = `${directory}/${++databases}/catalog.db`, name = 'firn'): Catalog {
  const { now } = identities()
  return openSqliteCatalog({
    path,
    name,
    warehouse: `file://${path}.warehouse`,
    io: new LocalFileIO(),
    now,
    newUuid: () => crypto.randomUUID(),
  })
}

const servers: Served[] = []
afterAll(() => Promise.all(servers.map((server) => server.close())))

/** A client of Firn's own server. */
async function openRest(): Promise<Catalog> {
  const path = `${directory}/${++databases}/catalog.db`
  const warehouse = `file://${path}.warehouse`
  const io = new LocalFileIO()
  const { now, newUuid } = { now: Date.now, newUuid: () => crypto.randomUUID() }
  const server = await serveCatalog(
    (fenced) => openSqliteCatalog({ path, name: 'firn', warehouse, io: fenced, now, newUuid }),
    { io, warehouse },
  )
  servers.push(server)
  return openClient(server.uri, io)
}

const table = (name: string, namespace = 'space'): TableIdentifier => ({ namespace, name })
const properties = (updates: Record<string, string>): TableUpdate => ({ action: 'set-properties', updates })

async function withTables(
  open: () => Catalog | Promise<Catalog>,
  ...names: readonly string[]
): Promise<Catalog> {
  const catalog = await open()
  await catalog.createNamespace('space')
  for (const name of names) await catalog.createTable({ identifier: table(name), schema: SCHEMA })
  return catalog
}

describe.each([
  ['memory', openMemory],
  ['sqlite', () => openSqlite()],
  ['rest over sqlite', () => openRest()],
])('Catalog (%s)', (kind, open) => {
  it('creates an empty table with fresh field ids and finds it again', async () => {
    const catalog = await withTables(open)
    const created = await catalog.createTable({
      identifier: table('one'),
      schema: SCHEMA,
      partitionSpec: {
        'spec-id': 3,
        fields: [{ 'source-id': 43, 'field-id': 7, name: 'id_bucket', transform: 'bucket[4]' }],
      },
      properties: { owner: 'me' },
    })
    expect(created.metadata['schemas'][0]?.fields.map((field) => [field.name, field.id])).toEqual([
      ['day', 1],
      ['tags', 2],
      ['id', 3],
    ])
    expect(created.metadata).toMatchObject({
      'format-version': 2,
      'last-column-id': 4,
      'last-partition-id': 1000,
      'current-schema-id': 0,
      properties: { owner: 'me' },
      refs: {},
    })
    expect(created.metadata['partition-specs'][0]?.fields[0]).toMatchObject({
      'source-id': 3,
      'field-id': 1000,
    })
    expect(created.metadataLocation).toMatch(/\/space\/one\/metadata\/00000-[0-9a-f-]{36}\.metadata\.json$/)
    expect(await catalog.loadTable(table('one'))).toEqual(created)
    expect(await catalog.listTables('space')).toEqual([table('one')])
    catalog.close()
  })

  it('knows namespaces by their own rows and by their tables', async () => {
    const catalog = await withTables(open, 'one')
    await catalog.createNamespace('empty.nested', { owner: 'me' })
    await expect(catalog.createNamespace('space')).rejects.toMatchObject({ kind: 'already-exists' })
    // A REST server is asked level by level, so the levels above come along.
    const above = kind.startsWith('rest') ? ['empty'] : []
    expect(await catalog.listNamespaces()).toEqual([...above, 'empty.nested', 'space'])
    await expect(catalog.dropNamespace('space')).rejects.toMatchObject({ kind: 'not-empty' })
    await catalog.dropNamespace('empty.nested')
    await expect(catalog.listTables('empty.nested')).rejects.toMatchObject({ kind: 'not-found' })
    await expect(
      catalog.createTable({ identifier: table('x', 'nowhere'), schema: SCHEMA }),
    ).rejects.toMatchObject({ kind: 'not-found' })
    catalog.close()
  })

  it('renames and drops', async () => {
    const catalog = await withTables(open, 'one', 'two')
    await expect(catalog.renameTable(table('one'), table('two'))).rejects.toMatchObject({
      kind: 'already-exists',
    })
    await catalog.renameTable(table('one'), table('three'))
    await expect(catalog.loadTable(table('one'))).rejects.toMatchObject({ kind: 'not-found' })
    const { metadata } = await catalog.loadTable(table('three'))
    await catalog.dropTable(table('three'), { purge: true })
    await expect(catalog.dropTable(table('three'))).rejects.toMatchObject({ kind: 'not-found' })
    const left = []
    for await (const file of catalog.io.list(metadata.location)) left.push(file)
    expect(left).toEqual([])
    catalog.close()
  })

  it('gives a table a folder of its own, also under the first name of a renamed one', async () => {
    const catalog = await withTables(open, 'one')
    await catalog.renameTable(table('one'), table('two'))
    const anew = await catalog.createTable({ identifier: table('one'), schema: SCHEMA })
    const renamed = await catalog.loadTable(table('two'))
    expect(anew.metadata.location).not.toBe(renamed.metadata.location)
    await catalog.dropTable(table('two'), { purge: true })
    expect(await catalog.loadTable(table('one'))).toEqual(anew)
    await catalog.io.stat(anew.metadataLocation)
    catalog.close()
  })

  it('lets one of several creators of a table win', async () => {
    const catalog = await withTables(open)
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, () => catalog.createTable({ identifier: table('one'), schema: SCHEMA })),
    )
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ kind: 'already-exists' })
    }
    catalog.close()
  })

  it('commits many tables or none', async () => {
    const catalog = await withTables(open, 'one', 'two')
    const [one, two] = await catalog.loadTables([table('one'), table('two')])
    const commit = (uuid: string, value: string) =>
      catalog.commit([
        { identifier: table('one'), requirements: [], updates: [properties({ value })] },
        {
          identifier: table('two'),
          requirements: [{ type: 'assert-table-uuid', uuid }],
          updates: [properties({ value })],
        },
      ])
    await expect(commit('00000000-dead-4000-8000-000000000000', 'no')).rejects.toMatchObject({
      kind: 'commit-conflict',
    })
    expect(await catalog.loadTables([table('one'), table('two')])).toEqual([one, two])
    const committed = await commit(two!.metadata['table-uuid'], 'yes')
    expect(await catalog.loadTables([table('one'), table('two')])).toEqual(committed)
    for (const { metadata, metadataLocation } of committed) {
      expect(metadata.properties).toMatchObject({ value: 'yes' })
      expect(metadata['metadata-log']).toHaveLength(1)
      expect(metadataLocation).toContain('/metadata/00001-')
    }
    catalog.close()
  })

  it('keeps every one of many racing commits', async () => {
    const catalog = await withTables(open, 'one', 'two')
    const commitUntilDone = async (n: number) => {
      for (;;) {
        try {
          const updates = [properties({ [`writer-${n}`]: 'yes' })]
          await catalog.commit([
            { identifier: table('one'), requirements: [], updates },
            { identifier: table('two'), requirements: [], updates },
          ])
          return
        } catch (error) {
          expect(error).toMatchObject({ kind: 'commit-conflict' })
        }
      }
    }
    await Promise.all(Array.from({ length: 12 }, (_, n) => commitUntilDone(n)))
    for (const { metadata } of await catalog.loadTables([table('one'), table('two')])) {
      expect(Object.keys(metadata.properties)).toHaveLength(12)
      expect(metadata['metadata-log']).toHaveLength(12)
    }
    catalog.close()
  })

  it('writes nothing for updates that change nothing', async () => {
    const catalog = await withTables(open, 'one')
    const before = await catalog.loadTable(table('one'))
    await catalog.commit([
      {
        identifier: table('one'),
        requirements: [],
        updates: [{ action: 'remove-snapshot-ref', 'ref-name': 'absent' }],
      },
    ])
    expect(await catalog.loadTable(table('one'))).toEqual(before)
    catalog.close()
  })

  it('refuses a commit that names a table twice, an unknown table and an invalid update', async () => {
    const catalog = await withTables(open, 'one')
    const commit = (name: string, ...updates: readonly TableUpdate[]) => ({
      identifier: table(name),
      requirements: [],
      updates,
    })
    await expect(catalog.commit([commit('one'), commit('one')])).rejects.toMatchObject({
      kind: 'invalid-argument',
    })
    await expect(catalog.commit([commit('absent')])).rejects.toMatchObject({ kind: 'not-found' })
    const ref = { 'snapshot-id': toSnapshotId(5), type: 'tag' } as const
    await expect(
      catalog.commit([commit('one', { action: 'set-snapshot-ref', 'ref-name': 't', ...ref })]),
    ).rejects.toMatchObject({ kind: 'commit-rejected' })
    catalog.close()
  })

  it.each([
    '',
    '..',
    '../up',
    '/a',
    'a/',
    'a//b',
    'a/../b',
    'a\\b',
    'a~b',
    "o'brien",
    'say "x"',
    'nul\0',
    'tab\t',
    ' lead',
    'x'.repeat(300),
  ])('refuses the name %j', async (name) => {
    const catalog = await withTables(open)
    const invalid = { kind: 'invalid-argument' }
    await expect(catalog.createTable({ identifier: table(name), schema: SCHEMA })).rejects.toMatchObject(
      invalid,
    )
    await expect(catalog.loadTable(table(name))).rejects.toMatchObject(invalid)
    await expect(catalog.createNamespace(name)).rejects.toMatchObject(invalid)
    await expect(catalog.createNamespace(`space.${name}`)).rejects.toMatchObject(invalid)
    catalog.close()
  })

  it('takes names with a slash, in a folder of one step', async () => {
    const catalog = await withTables(open)
    await catalog.createNamespace('new/db')
    const { metadata } = await catalog.createTable({ identifier: table('tab/le', 'new/db'), schema: SCHEMA })
    expect(metadata.location).toMatch(/\/new~db\/tab~le$/)
    expect(await catalog.listTables('new/db')).toEqual([table('tab/le', 'new/db')])
    catalog.close()
  })

  it('takes names in any script', async () => {
    const catalog = await withTables(open, 'Größe_км', '実験-1')
    expect((await catalog.listTables('space')).map((found) => found.name).sort()).toEqual([
      'Größe_км',
      '実験-1',
    ])
    catalog.close()
  })
})

describe('SQLite catalog', () => {
  it('keeps catalogs of other names in the same database apart', async () => {
    const path = `${directory}/shared.db`
    const ours = await withTables(() => openSqlite(path, 'firn'), 'one')
    const theirs = await withTables(() => openSqlite(path, 'default'), 'two')
    expect(await ours.listTables('space')).toEqual([table('one')])
    expect(await theirs.listTables('space')).toEqual([table('two')])
    const again = openSqlite(path, 'default')
    expect((await again.loadTable(table('two'))).metadata['format-version']).toBe(2)
    for (const catalog of [ours, theirs, again]) catalog.close()
  })

  it('opens a database of schema V0 and leaves it so; views of V1 are not tables', async () => {
    const path = `${directory}/v0.db`
    const database = new Database(path)
    database.exec(`CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL,
      table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000),
      PRIMARY KEY (catalog_name, table_namespace, table_name))`)
    const catalog = await withTables(() => openSqlite(path), 'one')
    expect(await catalog.listTables('space')).toEqual([table('one')])
    const columns = database.pragma('table_info(iceberg_tables)') as readonly { name: string }[]
    expect(columns.map((column) => column.name)).not.toContain('iceberg_type')
    catalog.close()
    database.exec('ALTER TABLE iceberg_tables ADD COLUMN iceberg_type VARCHAR(5)')
    database.exec(`INSERT INTO iceberg_tables VALUES ('firn', 'space', 'a_view', 'x', NULL, 'VIEW')`)
    database.close()
    const later = openSqlite(path)
    expect(await later.listTables('space')).toEqual([table('one')])
    await expect(later.createTable({ identifier: table('a_view'), schema: SCHEMA })).rejects.toMatchObject({
      kind: 'already-exists',
    })
    later.close()
  })

  it('waits for a lock of another connection without blocking, and gives up in the end', async () => {
    const path = `${directory}/locked.db`
    const catalog = await withTables(() => openSqlite(path), 'one')
    const commit = (to: Catalog) =>
      to.commit([
        { identifier: table('one'), requirements: [], updates: [properties({ a: String(databases++) })] },
      ])
    const other = new Database(path)
    other.exec('BEGIN IMMEDIATE')
    setTimeout(() => other.exec('COMMIT'), 400)
    await commit(catalog)
    other.exec('BEGIN IMMEDIATE')
    const hasty = openSqliteCatalog({
      path,
      name: 'firn',
      warehouse: directory,
      io: new LocalFileIO(),
      now: Date.now,
      newUuid: () => crypto.randomUUID(),
      lockTimeoutMs: 300,
    })
    await expect(commit(hasty)).rejects.toMatchObject({ kind: 'io', retryable: true })
    expect((await hasty.loadTable(table('one'))).metadata['metadata-log']).toHaveLength(1)
    other.exec('ROLLBACK')
    other.close()
    hasty.close()
    catalog.close()
  })
})
