import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Catalog, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { openCatalog } from '../../iceberg/catalog/open-catalog.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { toSnapshotId, type SnapshotId } from '../../iceberg/spec/snapshot.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { liveFiles, MODEL_SCHEMA } from '../support/lake-model.js'
import { startLosingProxy, type LosingProxy } from './losing-proxy.js'
import { restServerClassPath, startRestServer, type RestServer } from './rest-server.js'

const found = restServerClassPath()
const folder = mkdtempSync(join(tmpdir(), 'firn-rest-'))
let server: RestServer
let proxy: LosingProxy
let catalog: Catalog
let tables = 0

beforeAll(async () => {
  if ('reason' in found) return
  server = await startRestServer(found.classPath, folder)
  proxy = await startLosingProxy(server.port)
  catalog = await open(`http://127.0.0.1:${server.port}`)
  await catalog.createNamespace('space')
})
afterAll(async () => {
  if (!('reason' in found)) {
    await proxy.stop()
    await server.stop()
  }
  rmSync(folder, { recursive: true, force: true })
})

/** Apache's server commits table by table: the user's word stands in for the missing promise. */
function open(uri: string): Promise<Catalog> {
  return openCatalog({
    kind: 'rest',
    name: 'apache',
    uri,
    publish: 'transactional',
    sleep: () => Promise.resolve(),
  })
}

async function newTable(): Promise<TableIdentifier> {
  const identifier = { namespace: 'space', name: `table-${++tables}` }
  await catalog.createTable({ identifier, schema: MODEL_SCHEMA })
  return identifier
}

function file(name: string): DataFile {
  const filePath = `${server.warehouse}/data/${name}.parquet`
  return {
    content: 'data',
    filePath,
    fileFormat: 'parquet',
    specId: 0,
    partition: [],
    recordCount: 1,
    fileSizeInBytes: 10,
  }
}

const newSnapshotId = (): SnapshotId => toSnapshotId(2n ** 62n + BigInt(Math.floor(Math.random() * 2 ** 50)))

async function append(
  to: Catalog,
  names: readonly string[],
  identifiers: readonly TableIdentifier[],
): Promise<void> {
  await commitTransaction({
    catalog: to,
    changes: identifiers.map((identifier) => ({
      identifier,
      change: { kind: 'append', files: names.map(file) },
      snapshotId: newSnapshotId(),
    })),
    now: Date.now,
    newUuid: () => crypto.randomUUID(),
    retry: { tries: 50, sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) },
  })
}

async function filesOf(identifier: TableIdentifier): Promise<readonly string[]> {
  const { metadata } = await catalog.loadTable(identifier)
  const live = await liveFiles(catalog.io, metadata)
  return live.map((one) => one.filePath.slice(`${server.warehouse}/data/`.length, -'.parquet'.length)).sort()
}

describe.skipIf('reason' in found)(
  `Apache's REST server (${'reason' in found ? found.reason : '1.10.0'})`,
  () => {
    it('namespaces: nested ones, properties, refusals', async () => {
      await catalog.createNamespace('outer', { owner: 'me' })
      await catalog.createNamespace('outer.größe')
      await expect(catalog.createNamespace('outer')).rejects.toMatchObject({ kind: 'already-exists' })
      expect(await catalog.listNamespaces('outer')).toEqual(['outer.größe'])
      expect(await catalog.listNamespaces()).toEqual(
        expect.arrayContaining(['outer', 'outer.größe', 'space']),
      )
      const change = { set: { team: 'x' }, remove: ['owner', 'absent'] }
      expect(await catalog.updateNamespace('outer', change)).toEqual({
        updated: ['team'],
        removed: ['owner'],
        missing: ['absent'],
      })
      expect(await catalog.loadNamespace('outer')).toMatchObject({ team: 'x' })
      await catalog.dropNamespace('outer.größe')
      await expect(catalog.loadNamespace('outer.größe')).rejects.toMatchObject({ kind: 'not-found' })
      await newTable()
      await expect(catalog.dropNamespace('space')).rejects.toMatchObject({ kind: 'not-empty' })
    })

    it('tables: create, load unchanged, rename, register, drop', async () => {
      const identifier = await newTable()
      const loaded = await catalog.loadTable(identifier)
      expect(await catalog.loadTable(identifier)).toBe(loaded)
      await expect(catalog.createTable({ identifier, schema: MODEL_SCHEMA })).rejects.toMatchObject({
        kind: 'already-exists',
      })
      const renamed = { ...identifier, name: 'name with space' }
      await catalog.renameTable(identifier, renamed)
      await expect(catalog.loadTable(identifier)).rejects.toMatchObject({ kind: 'not-found' })
      await catalog.dropTable(renamed)
      expect(await catalog.registerTable(identifier, loaded.metadataLocation)).toMatchObject({
        metadataLocation: loaded.metadataLocation,
      })
      expect(await catalog.listTables('space')).toContainEqual(identifier)
      await expect(catalog.listTables('nowhere')).rejects.toMatchObject({ kind: 'not-found' })
    })

    it('commits with ids above 2^53, tags and requirements that do not hold', async () => {
      const identifier = await newTable()
      const stale = await catalog.loadTable(identifier)
      await append(catalog, ['a'], [identifier])
      const { metadata } = await catalog.loadTable(identifier)
      const head = headOf(metadata)!['snapshot-id']
      expect(head > 2n ** 53n).toBe(true)
      await changeRefs({
        catalog,
        tables: [{ identifier, changes: [{ kind: 'create-tag', name: 'v_1', snapshotId: head }] }],
        now: Date.now,
        newUuid: () => crypto.randomUUID(),
      })
      expect((await catalog.loadTable(identifier)).metadata.refs['v_1']?.['snapshot-id']).toBe(head)
      const requirements = [{ type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': null }] as const
      const updates = [{ action: 'set-properties', updates: { a: '1' } }] as const
      await expect(catalog.commit([{ identifier, requirements, updates }])).rejects.toMatchObject({
        kind: 'commit-conflict',
      })
      const wrong = [{ type: 'assert-table-uuid', uuid: crypto.randomUUID() }] as const
      await expect(catalog.commit([{ identifier, requirements: wrong, updates }])).rejects.toMatchObject({
        kind: 'commit-conflict',
      })
      const invalid = [{ action: 'set-current-schema', 'schema-id': 77 }] as const
      await expect(
        catalog.commit([{ identifier, requirements: [], updates: invalid }]),
      ).rejects.toMatchObject({ kind: 'commit-rejected' })
      expect(stale.metadata['current-snapshot-id']).toBeUndefined()
    })

    it('loses nothing of writers at the same time', async () => {
      const identifier = await newTable()
      const uri = `http://127.0.0.1:${server.port}`
      const writers = await Promise.all([1, 2, 3, 4].map(() => open(uri)))
      await Promise.all(
        writers.map(async (writer, nth) => {
          for (let round = 0; round < 4; round++) await append(writer, [`${nth}-${round}`], [identifier])
        }),
      )
      const expected = writers.flatMap((_, nth) => [0, 1, 2, 3].map((round) => `${nth}-${round}`))
      expect(await filesOf(identifier)).toEqual(expected.sort())
    })

    it.each(['answer', 'half the body'] as const)(
      'a commit whose %s is lost is found again, never doubled',
      async (loss) => {
        const identifier = await newTable()
        const through = await open(proxy.endpoint)
        await append(through, ['first'], [identifier])
        proxy.lose((line) => line.startsWith('POST') && line.includes(identifier.name), 1, loss)
        await append(through, ['second'], [identifier])
        expect(await filesOf(identifier)).toEqual(['first', 'second'])
        const { metadata } = await catalog.loadTable(identifier)
        expect(metadata.snapshots).toHaveLength(2)
      },
    )

    it('a transaction of two tables whose answer is lost is found again', async () => {
      const both = [await newTable(), await newTable()]
      const through = await open(proxy.endpoint)
      proxy.lose((line) => line.includes('transactions/commit'), 1)
      await append(through, ['x'], both)
      for (const identifier of both) {
        expect(await filesOf(identifier)).toEqual(['x'])
        expect((await catalog.loadTable(identifier)).metadata.snapshots).toHaveLength(1)
      }
    })

    it('a table made while its answer is lost is told as unknown, and is there', async () => {
      const through = await open(proxy.endpoint)
      const identifier = { namespace: 'space', name: 'made-unseen' }
      proxy.lose((line) => line.startsWith('POST'), 1)
      await expect(through.createTable({ identifier, schema: MODEL_SCHEMA })).rejects.toMatchObject({
        kind: 'commit-unknown',
      })
      await catalog.loadTable(identifier)
    })

    it('views: create, load, list, replace, rename, drop', async () => {
      const identifier = { namespace: 'space', name: 'a-view' }
      const version = {
        'timestamp-ms': Date.now(),
        summary: { 'engine-name': 'firn' },
        representations: [{ type: 'sql', sql: 'SELECT 1 AS id', dialect: 'spark' }],
        'default-namespace': ['space'],
      } as const
      const created = await catalog.views!.createView({ identifier, schema: MODEL_SCHEMA, version })
      expect((await catalog.views!.loadView(identifier)).metadata).toEqual(created.metadata)
      expect(await catalog.views!.listViews('space')).toEqual([identifier])
      const representations = [{ type: 'sql', sql: 'SELECT 2 AS id', dialect: 'spark' }] as const
      const next = { ...version, 'version-id': 2, 'schema-id': 0, representations }
      const replaced = await catalog.views!.commitView({
        identifier,
        requirements: [{ type: 'assert-view-uuid', uuid: created.metadata['view-uuid'] }],
        updates: [
          { action: 'add-view-version', 'view-version': next },
          { action: 'set-current-view-version', 'view-version-id': -1 },
        ],
      })
      expect(replaced.metadata['current-version-id']).toBe(2)
      const renamed = { ...identifier, name: 'b-view' }
      await catalog.views!.renameView(identifier, renamed)
      await catalog.views!.dropView(renamed)
      await expect(catalog.views!.loadView(renamed)).rejects.toMatchObject({ kind: 'not-found' })
    })
  },
)
