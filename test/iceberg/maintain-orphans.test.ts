import { beforeEach, describe, expect, it } from 'vitest'
import type { TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { LocationSet } from '../../iceberg/maintain/location-set.js'
import { removeOrphans, streamOrphans } from '../../iceberg/maintain/orphans.js'
import { serializeTableMetadata } from '../../iceberg/spec/metadata-json.js'
import { DAY_MS, RowLake } from '../support/row-lake.js'

const T: TableIdentifier = { namespace: 'm', name: 't' }

let lake: RowLake
beforeEach(async () => {
  lake = new RowLake()
  await lake.create(T)
})

async function orphans(identifier = T, more: Partial<Parameters<typeof removeOrphans>[0]> = {}) {
  const { catalog, nowMs } = lake
  const found = await removeOrphans({ catalog, identifier, nowMs, ...more })
  return found.filter((file) => file.result === 'deleted').map((file) => file.location)
}

describe('clean-up of orphans', () => {
  it('removes old files that nothing names, and leaves young ones to writers under way', async () => {
    await lake.append(T, ['a'])
    const old = await lake.write(T, ['never committed'])
    lake.nowMs += 4 * DAY_MS
    const young = await lake.write(T, ['on its way'])
    expect(await orphans(T, { dryRun: true })).toEqual([])
    expect(await orphans()).toEqual([old.filePath])
    expect(await lake.files()).toContain(young.filePath)
    expect(await lake.rows(T)).toEqual(['a'])
    expect(await orphans()).toEqual([])
  })

  it('spares what any snapshot, any ref and the metadata log name', async () => {
    await lake.append(T, ['a'])
    await lake.refs(T, { kind: 'create-tag', name: 'v1' })
    const side = await lake.write(T, ['side'], 1)
    await lake.commit(T, { kind: 'append', files: [side] }, { branch: 'failed_x' })
    await lake.overwrite(T, ['b'])
    lake.nowMs += 30 * DAY_MS
    const before = await lake.files()
    expect(await orphans()).toEqual([])
    expect(await lake.files()).toEqual(before)
  })

  it('spares what a lease names, and asks for leases again before it deletes', async () => {
    const leased = await lake.write(T, ['staged'])
    lake.nowMs += 4 * DAY_MS
    expect(await orphans(T, { spare: () => Promise.resolve([leased.filePath]) })).toEqual([])
    let calls = 0
    const late = () => Promise.resolve(++calls > 1 ? [leased.filePath] : [])
    expect(await orphans(T, { spare: late })).toEqual([])
    expect(await lake.files()).toContain(leased.filePath)
  })

  it('spares what a slow writer commits between listing and deleting', async () => {
    const slow = await lake.write(T, ['slow'])
    lake.nowMs += 4 * DAY_MS
    let calls = 0
    const spare = async () => {
      if (++calls === 2) await lake.commit(T, { kind: 'append', files: [slow] })
      return []
    }
    // The commit comes after the metadata was loaded: it has to be looked at after the leases.
    expect(await orphans(T, { spare })).toEqual([])
    expect(await lake.rows(T)).toEqual(['slow'])
  })

  it('knows a file however its writer spelled the location', async () => {
    const spellings = ['file:/w/m/t', '/w/m/t', 'file:///w//m/t', 'file:///w/m/../m/t', 'file:///link/t']
    const files = await Promise.all(spellings.map((spelled) => lake.write(T, [spelled], 0, spelled)))
    await lake.commit(T, { kind: 'append', files })
    lake.nowMs += 4 * DAY_MS
    expect(await orphans()).toEqual([])
  })

  it('leaves alone the files of tables that lie below, beside or in the same folder', async () => {
    const below: TableIdentifier = { namespace: 'm.t', name: 'u' }
    const beside: TableIdentifier = { namespace: 'm', name: 't2' }
    const same: TableIdentifier = { namespace: 'm', name: 'renamed' }
    await lake.create(below, { location: 'file:/w/m/t/u' })
    await lake.create(beside)
    await lake.create(same, { location: 'file:///w/m/t' })
    const elsewhere: TableIdentifier = { namespace: 'm', name: 'guest' }
    await lake.create(elsewhere, { properties: { 'write.data.path': 'file:///w/m/t/guest' } })
    for (const table of [T, beside, same]) await lake.append(table, [table.name])
    const file = await lake.write(below, ['u'])
    await lake.commit(below, { kind: 'append', files: [file] })
    const guest = await lake.write(T, ['guest'], 0)
    await lake.commit(elsewhere, { kind: 'append', files: [guest] })
    const orphan = await lake.write(T, ['nobody'])
    lake.nowMs += 4 * DAY_MS
    expect(await orphans()).toEqual([orphan.filePath])
    for (const table of [T, beside, same, elsewhere]) expect(await lake.rows(table)).toEqual([table.name])
  })

  it('deletes nothing of a table whose files others may share', async () => {
    const shared: TableIdentifier = { namespace: 'm', name: 'shared' }
    await lake.create(shared, { properties: { 'gc.enabled': 'false' } })
    await lake.write(shared, ['somebody else names it'])
    lake.nowMs += 4 * DAY_MS
    expect(await orphans(shared)).toEqual([])
    const named = await lake.write(shared, ['named here too'])
    await lake.commit(shared, { kind: 'append', files: [named] })
    await lake.catalog.dropTable(shared, { purge: true })
    expect(await lake.files('file:///w/m/shared/data')).toContain(named.filePath)
    expect(await lake.files('file:///w/m/shared/metadata')).toEqual([])
  })

  it('refuses an age that a long write may have', async () => {
    const olderThanMs = lake.nowMs - 3_600_000
    await expect(orphans(T, { olderThanMs })).rejects.toMatchObject({ kind: 'invalid-argument' })
    expect(await orphans(T, { olderThanMs, force: true })).toEqual([])
  })

  it('does with paths under another scheme or bucket as it is told', async () => {
    const file = await lake.write(T, ['a'])
    await lake.commit(T, {
      kind: 'append',
      files: [{ ...file, filePath: file.filePath.replace('file://', 's3a://bucket') }],
    })
    lake.nowMs += 4 * DAY_MS
    await expect(orphans()).rejects.toThrow(/another scheme or authority/)
    expect(await orphans(T, { prefixMismatch: 'ignore' })).toEqual([])
    const same = { equalSchemes: { s3a: 'file' }, equalAuthorities: { bucket: '' } }
    expect(await orphans(T, same)).toEqual([])
    expect(await orphans(T, { prefixMismatch: 'delete' })).toEqual([file.filePath])
  })

  it('leaves hidden files alone but its own temporary ones', async () => {
    const at = 'file:///w/m/t/data'
    const names = ['_SUCCESS', '.hidden/x.parquet', '.a.parquet.12-3.tmp', 'plain.parquet']
    for (const name of names) await lake.io.write(`${at}/${name}`, Buffer.from('x'))
    lake.nowMs += 4 * DAY_MS
    expect([...(await orphans())].sort()).toEqual([`${at}/.a.parquet.12-3.tmp`, `${at}/plain.parquet`])
  })

  it('spares statistics, and tells of every file as it goes', async () => {
    await lake.append(T, ['a'])
    const { metadata, metadataLocation } = await lake.catalog.loadTable(T)
    const at = 'file:///w/m/t/metadata'
    const statistics = [
      { 'snapshot-id': metadata.snapshots[0]!['snapshot-id'], 'statistics-path': `${at}/a.stats` },
    ]
    await lake.io.write(metadataLocation, serializeTableMetadata({ ...metadata, statistics }))
    for (const name of ['a.stats', 'b.stats']) await lake.io.write(`${at}/${name}`, Buffer.from('x'))
    lake.nowMs += 4 * DAY_MS
    const { nowMs } = lake
    const catalog = lake.openCatalog(lake.store, lake.io)
    const report: [string, string][] = []
    for await (const { location, result } of streamOrphans({ catalog, identifier: T, nowMs }))
      report.push([location, result])
    expect(report).toEqual([[`${at}/b.stats`, 'deleted']])
  })
})

describe('a set of locations', () => {
  it('holds what was added, at any size', () => {
    const set = new LocationSet()
    const texts = Array.from({ length: 50_000 }, (_, at) => `s3://bucket/table/data/${at}.parquet`)
    expect(texts.every((text) => set.add(text))).toBe(true)
    expect(set.size).toBe(50_000)
    expect(texts.every((text) => set.has(text) && !set.add(text))).toBe(true)
    expect(texts.some((text) => set.has(`${text}x`))).toBe(false)
  })
})
