import { gzipSync } from 'node:zlib'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Catalog } from '../../iceberg/catalog/catalog.js'
import { openCatalog } from '../../iceberg/catalog/open-catalog.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { serializeTableMetadata } from '../../iceberg/spec/metadata-json.js'
import { newTableMetadata } from '../../iceberg/update/new-metadata.js'

const folder = mkdtempSync(join(tmpdir(), 'firn-hadoop-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const metadata = (version: number): Uint8Array =>
  serializeTableMetadata(
    newTableMetadata({
      uuid: '00000000-0000-4000-8000-000000000001',
      location: 'x',
      schema: {
        type: 'struct',
        'schema-id': 0,
        fields: [{ id: 1, name: 'id', required: true, type: 'long' }],
      },
      properties: { version: String(version) },
      now: version,
    }),
  )

describe.each<[string, FileIO, string]>([
  ['memory', new MemoryFileIO(), 'memory://w'],
  ['local disk', new LocalFileIO(), `file://${folder}`],
])('Hadoop layout (%s)', (_, io, warehouse) => {
  const put = (path: string, bytes: Uint8Array | string) =>
    io.write(`${warehouse}/${path}`, typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes)
  const open = (): Promise<Catalog> =>
    openCatalog({ kind: 'hadoop', name: 'h', warehouse: `${warehouse}/`, io })

  it('finds the newest version, whatever the hint says and however it is compressed', async () => {
    for (const version of [1, 2, 9, 10])
      await put(`a/b/plain/metadata/v${version}.metadata.json`, metadata(version))
    await put('a/b/plain/metadata/version-hint.text', '9')
    await put('a/b/plain/metadata/snap-1.avro', '')
    await put('a/gz/metadata/v1.metadata.json', metadata(1))
    await put('a/gz/metadata/v2.gz.metadata.json', gzipSync(metadata(2)))
    await put('a/old/metadata/v3.metadata.json.gz', gzipSync(metadata(3)))
    await put('a/named/metadata/00004-uuid.metadata.json', metadata(4))
    await put('a/named/metadata/version-hint.text', '00004-uuid\n')
    await put('a/no-table/data/v1.metadata.json', metadata(1))
    const catalog = await open()
    const loaded = await catalog.loadTables([
      { namespace: 'a.b', name: 'plain' },
      { namespace: 'a', name: 'gz' },
      { namespace: 'a', name: 'old' },
      { namespace: 'a', name: 'named' },
    ])
    expect(loaded.map((table) => table.metadata.properties['version'])).toEqual(['10', '2', '3', '4'])
    expect(loaded[0]?.metadataLocation).toBe(`${warehouse}/a/b/plain/metadata/v10.metadata.json`)
  })

  it('lists what has metadata', async () => {
    const catalog = await open()
    expect(await catalog.listNamespaces()).toEqual(['a', 'a.b'])
    expect(await catalog.listNamespaces('')).toEqual(['a'])
    expect(await catalog.listNamespaces('a')).toEqual(['a.b'])
    expect((await catalog.listTables('a')).map((table) => table.name)).toEqual(['gz', 'named', 'old'])
    expect(await catalog.listTables('a.b')).toEqual([{ namespace: 'a.b', name: 'plain' }])
    await expect(catalog.listTables('b')).rejects.toMatchObject({ kind: 'not-found' })
    await expect(catalog.loadTable({ namespace: 'a', name: 'no-table' })).rejects.toMatchObject({
      kind: 'not-found',
    })
    await expect(catalog.loadTable({ namespace: 'a', name: '..' })).rejects.toMatchObject({
      kind: 'invalid-argument',
    })
  })

  it('changes nothing and names the way to take a lake over', async () => {
    const catalog = await open()
    const identifier = { namespace: 'a', name: 'gz' }
    const changes = [
      catalog.createNamespace('n'),
      catalog.updateNamespace('a', {}),
      catalog.dropNamespace('a'),
      catalog.createTable({ identifier, schema: { type: 'struct', 'schema-id': 0, fields: [] } }),
      catalog.registerTable(identifier, 'x'),
      catalog.commit([{ identifier, requirements: [], updates: [] }]),
      catalog.renameTable(identifier, identifier),
      catalog.dropTable(identifier),
    ]
    for (const change of changes) {
      await expect(change).rejects.toMatchObject({ kind: 'unsupported', message: /registerTable/ })
    }
  })

  it('a table is taken over by another catalog', async () => {
    const { metadataLocation } = await (await open()).loadTable({ namespace: 'a', name: 'gz' })
    const other = await openCatalog({ kind: 'memory', name: 'm', warehouse, io })
    await other.createNamespace('mine')
    const taken = await other.registerTable({ namespace: 'mine', name: 'gz' }, metadataLocation)
    expect(taken.metadata.properties['version']).toBe('2')
  })
})
