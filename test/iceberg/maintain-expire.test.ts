import { beforeEach, describe, expect, it } from 'vitest'
import type { Catalog, TableCommit, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { IcebergError } from '../../iceberg/error.js'
import { expireSnapshots } from '../../iceberg/maintain/expire.js'
import { planExpire } from '../../iceberg/maintain/plan-expire.js'
import { serializeTableMetadata } from '../../iceberg/spec/metadata-json.js'
import type { Snapshot, SnapshotRef } from '../../iceberg/spec/snapshot.js'
import { NEVER_EXPIRES_MS, toSnapshotId } from '../../iceberg/spec/snapshot.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import { newTableMetadata } from '../../iceberg/update/new-metadata.js'
import { MODEL_SCHEMA } from '../support/lake-model.js'
import { DAY_MS, RowLake } from '../support/row-lake.js'

const T: TableIdentifier = { namespace: 'm', name: 't' }
const NOW = 1_800_000_000_000

/** Snapshots by number, each so many days old. */
function history(
  snapshots: readonly { readonly id: number; readonly parent?: number; readonly daysOld: number }[],
  refs: Readonly<Record<string, Omit<SnapshotRef, 'snapshot-id'> & { readonly at: number }>>,
  properties: Readonly<Record<string, string>> = {},
): TableMetadata {
  const uuid = '00000000-0000-4000-8000-000000000000'
  const empty = newTableMetadata({ uuid, location: 'file:///w/t', schema: MODEL_SCHEMA, now: 0, properties })
  return {
    ...empty,
    snapshots: snapshots.map(({ id, parent, daysOld }): Snapshot => ({
      'snapshot-id': toSnapshotId(id),
      ...(parent === undefined ? {} : { 'parent-snapshot-id': toSnapshotId(parent) }),
      'sequence-number': id,
      'timestamp-ms': NOW - daysOld * DAY_MS,
      'manifest-list': `file:///w/t/metadata/snap-${id}.avro`,
    })),
    refs: Object.fromEntries(
      Object.entries(refs).map(([name, { at, ...ref }]) => [
        name,
        { ...ref, 'snapshot-id': toSnapshotId(at) },
      ]),
    ),
  }
}

const LINE = [
  { id: 1, daysOld: 40 },
  { id: 2, parent: 1, daysOld: 30 },
  { id: 3, parent: 2, daysOld: 20 },
  { id: 4, parent: 3, daysOld: 4 },
  { id: 5, parent: 4, daysOld: 1 },
]

function plan(metadata: TableMetadata, more: Partial<Parameters<typeof planExpire>[1]> = {}) {
  const { dropRefs, removeSnapshots } = planExpire(metadata, { nowMs: NOW, ...more })
  return { dropRefs: [...dropRefs].sort(), removed: removeSnapshots.map(Number) }
}

describe('the plan of an expiry', () => {
  it('keeps what is young on main, and at least the head, however old', () => {
    expect(plan(history(LINE, { main: { type: 'branch', at: 5 } })).removed).toEqual([1, 2, 3])
    expect(plan(history(LINE.slice(0, 2), { main: { type: 'branch', at: 2 } })).removed).toEqual([1])
  })

  it('keeps as many snapshots of a branch as the branch says, else the caller, else the table', () => {
    const properties = { 'history.expire.min-snapshots-to-keep': '3' }
    const main = { type: 'branch', at: 5 } as const
    expect(plan(history(LINE, { main }, properties)).removed).toEqual([1, 2])
    expect(plan(history(LINE, { main }, properties), { minSnapshotsToKeep: 4 }).removed).toEqual([1])
    const own = { ...main, 'min-snapshots-to-keep': 5 }
    expect(plan(history(LINE, { main: own }, properties), { minSnapshotsToKeep: 1 }).removed).toEqual([])
  })

  it('takes the age from the branch, else the caller, else the table; Long.MAX keeps all', () => {
    const properties = { 'history.expire.max-snapshot-age-ms': String(25 * DAY_MS) }
    const main = { type: 'branch', at: 5 } as const
    expect(plan(history(LINE, { main }, properties)).removed).toEqual([1, 2])
    expect(plan(history(LINE, { main }, properties), { maxSnapshotAgeMs: 35 * DAY_MS }).removed).toEqual([1])
    const forever = { ...main, 'max-snapshot-age-ms': NEVER_EXPIRES_MS }
    expect(plan(history(LINE, { main: forever }), { maxSnapshotAgeMs: 0 }).removed).toEqual([])
  })

  it('takes an empty or senseless property for none', () => {
    for (const text of ['', ' ', 'soon', '-1']) {
      const properties = { 'history.expire.max-snapshot-age-ms': text, 'history.expire.max-ref-age-ms': text }
      const refs = { main: { type: 'branch', at: 5 }, paper: { type: 'tag', at: 2 } } as const
      expect(plan(history(LINE, refs, properties)), JSON.stringify(text)).toEqual({
        dropRefs: [],
        removed: [1, 3],
      })
    }
  })

  it('keeps a tagged snapshot alone, not its ancestors, while the tag is not past its age', () => {
    const tag = (days: number) => ({ type: 'tag', at: 2, 'max-ref-age-ms': days * DAY_MS }) as const
    const main = { type: 'branch', at: 5 } as const
    expect(plan(history(LINE, { main, v: tag(30) }))).toEqual({ dropRefs: [], removed: [1, 3] })
    expect(plan(history(LINE, { main, v: tag(29) }))).toEqual({ dropRefs: ['v'], removed: [1, 2, 3] })
    const never = { type: 'tag', at: 2, 'max-ref-age-ms': NEVER_EXPIRES_MS } as const
    const table = { 'history.expire.max-ref-age-ms': '1' }
    expect(plan(history(LINE, { main, never }, table))).toEqual({ dropRefs: [], removed: [1, 3] })
    expect(plan(history(LINE, { main, unset: { type: 'tag', at: 2 } }, table)).dropRefs).toEqual(['unset'])
  })

  it('never drops main, not even by name or by its own age', () => {
    const main = { type: 'branch', at: 2, 'max-ref-age-ms': 1 } as const
    const result = plan(history(LINE.slice(0, 2), { main }), { dropRefs: ['main'] })
    expect(result).toEqual({ dropRefs: [], removed: [1] })
  })

  it('keeps snapshots that no branch leads to while they are young', () => {
    const staged = [...LINE, { id: 6, parent: 5, daysOld: 1 }, { id: 7, parent: 3, daysOld: 6 }]
    expect(plan(history(staged, { main: { type: 'branch', at: 5 } })).removed).toEqual([1, 2, 3, 7])
  })

  it('keeps what any of two branches needs', () => {
    const forked = [...LINE, { id: 6, parent: 2, daysOld: 19 }]
    const side = { type: 'branch', at: 6, 'min-snapshots-to-keep': 2 } as const
    expect(plan(history(forked, { main: { type: 'branch', at: 5 }, side })).removed).toEqual([1, 3])
  })
})

/** Does something right before the first commit of an expiry, and answers as told. */
function interposed(
  catalog: Catalog,
  before: () => Promise<unknown>,
  answer: 'given' | 'lost' = 'given',
): Catalog {
  let isFirst = true
  return new Proxy(catalog, {
    get(target, name) {
      if (name !== 'commit') {
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      }
      return async (commits: readonly TableCommit[]) => {
        const wasFirst = isFirst
        isFirst = false
        if (wasFirst) await before()
        const result = await target.commit(commits)
        if (wasFirst && answer === 'lost') throw new IcebergError('commit-unknown', 'injected: answer lost')
        return result
      }
    },
  })
}

describe('an expiry', () => {
  let lake: RowLake
  beforeEach(async () => {
    lake = new RowLake()
    await lake.create(T)
  })
  const expire = (more: Partial<Parameters<typeof expireSnapshots>[0]> = {}) =>
    expireSnapshots({ catalog: lake.catalog, identifier: T, nowMs: lake.nowMs, ...more })

  it('deletes the files that only expired snapshots named, and none that another one shares', async () => {
    await lake.append(T, ['a'], 0)
    await lake.append(T, ['b'], 1)
    await lake.refs(T, { kind: 'create-tag', name: 'kept' })
    lake.nowMs += DAY_MS
    await lake.overwrite(T, ['a2'], 0)
    await lake.overwrite(T, ['a3'], 0)
    lake.nowMs += 10 * DAY_MS
    const expected = await expire({ dryRun: true })
    const before = await lake.files()
    const result = await expire()
    expect(result).toEqual(expected)
    expect(result.removedSnapshots).toHaveLength(2)
    const gone = before.filter((file) => !result.deletedFiles.some(({ location }) => location === file))
    expect((await lake.files()).filter((file) => !file.includes('.metadata.json'))).toEqual(
      gone.filter((file) => !file.includes('.metadata.json')),
    )
    // a2 is gone; a is the tag's.
    expect(result.deletedFiles.filter(({ location }) => location.endsWith('.parquet'))).toHaveLength(1)
    expect(await lake.rows(T)).toEqual(['a3', 'b'])
    expect(await lake.rows(T, 'kept')).toEqual(['a', 'b'])
    expect((await expire()).removedSnapshots).toEqual([])
  })

  it('spares a snapshot that gets a tag or becomes the head at the last moment', async () => {
    for (const kind of ['create-tag', 'create-branch', 'replace-branch'] as const) {
      lake = new RowLake()
      await lake.create(T)
      const first = await lake.append(T, ['a'])
      await lake.overwrite(T, ['b'])
      lake.nowMs += 10 * DAY_MS
      const name = kind === 'replace-branch' ? 'main' : 'late'
      const catalog = interposed(lake.catalog, () => lake.refs(T, { kind, name, snapshotId: first }))
      await expire({ catalog })
      expect(await lake.rows(T, name), kind).toEqual(['a'])
    }
  })

  it('spares what a writer commits between plan and commit', async () => {
    await lake.append(T, ['a'], 0)
    await lake.append(T, ['b'], 1)
    lake.nowMs += 10 * DAY_MS
    const catalog = interposed(lake.catalog, () => lake.overwrite(T, ['a2'], 0))
    await expire({ catalog })
    expect(await lake.rows(T)).toEqual(['a2', 'b'])
  })

  it('settles a lost answer without deleting anything that is needed', async () => {
    await lake.append(T, ['a'])
    await lake.overwrite(T, ['b'])
    lake.nowMs += 10 * DAY_MS
    const catalog = interposed(lake.catalog, () => Promise.resolve(), 'lost')
    expect((await expire({ catalog })).deletedFiles).toEqual([])
    expect((await lake.catalog.loadTable(T)).metadata.snapshots).toHaveLength(1)
    expect(await lake.rows(T)).toEqual(['b'])
  })

  it('leaves to the other of two expiries what it is deleting', async () => {
    await lake.append(T, ['a'])
    await lake.overwrite(T, ['b'])
    lake.nowMs += 10 * DAY_MS
    const catalog = interposed(lake.catalog, () => expire())
    expect((await expire({ catalog })).deletedFiles).toEqual([])
    expect(await lake.rows(T)).toEqual(['b'])
  })

  it('keeps a file that a kept snapshot spells otherwise', async () => {
    const file = await lake.write(T, ['a'])
    await lake.commit(T, { kind: 'append', files: [file] })
    lake.nowMs += DAY_MS
    const respelled = { ...file, filePath: file.filePath.replace('file:///w/', 'file:/w//') }
    await lake.commit(T, { kind: 'overwrite-partitions', files: [respelled], basis: await headId() })
    lake.nowMs += 10 * DAY_MS
    const { removedSnapshots, deletedFiles } = await expire()
    expect(removedSnapshots).toHaveLength(1)
    expect(deletedFiles.filter(({ location }) => location.endsWith('.parquet'))).toEqual([])
    expect(await lake.files()).toContain(file.filePath)
  })

  it('deletes nothing of a table whose files others may share', async () => {
    await lake.create({ namespace: 'm', name: 'shared' }, { properties: { 'gc.enabled': 'false' } })
    const shared = { namespace: 'm', name: 'shared' }
    await lake.append(shared, ['a'])
    await lake.overwrite(shared, ['b'])
    lake.nowMs += 10 * DAY_MS
    const before = await lake.files('file:///w/m/shared')
    expect(await expire({ identifier: shared })).toEqual({
      droppedRefs: [],
      removedSnapshots: [],
      deletedFiles: [],
    })
    expect(await lake.files('file:///w/m/shared')).toEqual(before)
  })

  it('keeps what an older snapshot needs when one in the middle goes by its id, and refuses what a ref holds', async () => {
    const first = await lake.append(T, ['a'], 0)
    await lake.refs(T, { kind: 'create-tag', name: 'first', snapshotId: first })
    const middle = await lake.overwrite(T, ['b'], 0)
    const last = await lake.overwrite(T, ['c'], 0)
    const result = await expire({ snapshotIds: [middle] })
    expect(result.removedSnapshots).toEqual([middle])
    expect(result.deletedFiles.filter(({ location }) => location.endsWith('.parquet'))).toHaveLength(1)
    expect(await lake.rows(T, 'first')).toEqual(['a'])
    expect(await lake.rows(T)).toEqual(['c'])
    await expect(expire({ snapshotIds: [last] })).rejects.toMatchObject({ kind: 'invalid-argument' })
    expect((await expire({ snapshotIds: [middle] })).removedSnapshots).toEqual([])
  })

  it('spares the files of a staged snapshot that were published, and deletes those that never were', async () => {
    await lake.append(T, ['a'], 0)
    const published = await lake.write(T, ['published'], 0)
    const dropped = await lake.write(T, ['dropped'], 0)
    for (const file of [published, dropped])
      await lake.commit(T, { kind: 'append', files: [file] }, { stageOnly: true })
    // As a cherry-pick does, the same file in a snapshot of main.
    await lake.commit(T, { kind: 'append', files: [published] })
    lake.nowMs += 10 * DAY_MS
    const { deletedFiles } = await expire()
    expect(deletedFiles.map(({ location }) => location)).toContain(dropped.filePath)
    expect(await lake.rows(T)).toEqual(['a', 'published'])
  })

  it('deletes the statistics of expired snapshots, but no file that another one shares', async () => {
    const first = await lake.append(T, ['a'])
    const second = await lake.append(T, ['b'])
    const folder = 'file:///w/m/t/metadata'
    const own = { 'snapshot-id': first, 'statistics-path': `${folder}/own.stats` }
    const shared = { 'snapshot-id': first, 'statistics-path': `${folder}/shared.stats` }
    const kept = { 'snapshot-id': second, 'statistics-path': `${folder}/shared.stats` }
    const parts = { 'snapshot-id': first, 'statistics-path': `${folder}/partitions.stats` }
    await rewriteMetadata({ statistics: [own, shared, kept], 'partition-statistics': [parts] })
    for (const { 'statistics-path': path } of [own, shared, parts])
      await lake.io.write(path, Buffer.from('x'))
    lake.nowMs += 10 * DAY_MS
    await expire()
    expect((await lake.files()).filter((file) => file.endsWith('.stats'))).toEqual([
      shared['statistics-path'],
    ])
    expect((await lake.catalog.loadTable(T)).metadata.statistics).toEqual([kept])
  })

  it('deletes metadata that the log lets go where the table says so', async () => {
    const properties = {
      'write.metadata.delete-after-commit.enabled': 'true',
      'write.metadata.previous-versions-max': '1',
    }
    const tidy: TableIdentifier = { namespace: 'm', name: 'tidy' }
    await lake.create(tidy, { properties })
    await lake.append(tidy, ['a'])
    await lake.overwrite(tidy, ['b'])
    lake.nowMs += 10 * DAY_MS
    const { deletedFiles } = await expire({ identifier: tidy })
    expect(deletedFiles.filter(({ location }) => location.endsWith('.metadata.json'))).toHaveLength(1)
    expect(await lake.rows(tidy)).toEqual(['b'])
  })

  it('tells of files that it cannot delete, and deletes the others', async () => {
    await lake.append(T, ['a'])
    await lake.overwrite(T, ['b'])
    lake.nowMs += 10 * DAY_MS
    const expected = await expire({ dryRun: true })
    const stuck = expected.deletedFiles.find(({ location }) => location.endsWith('.parquet'))?.location
    const remove = lake.io.delete.bind(lake.io)
    lake.io.delete = (location) =>
      location === stuck ? Promise.reject(new IcebergError('io', 'denied')) : remove(location)
    const result = await expire()
    expect(result.failedFiles).toEqual([{ location: stuck, error: 'denied' }])
    expect(result.deletedFiles).toHaveLength(expected.deletedFiles.length - 1)
  })

  it('reads each manifest once at most, and those that expired and kept snapshots share not at all', async () => {
    for (let at = 0; at < 6; at += 1) await lake.append(T, [`r${at}`], at % 2)
    lake.nowMs += 10 * DAY_MS
    const reads: string[] = []
    const read = lake.io.read.bind(lake.io)
    lake.io.read = (location, range) => {
      reads.push(location)
      return read(location, range)
    }
    const { removedSnapshots } = await expire()
    expect(removedSnapshots).toHaveLength(5)
    // Appends alone: every manifest of an expired snapshot is one of the head too.
    expect(reads.filter((location) => location.endsWith('-m0.avro'))).toEqual([])
    const lists = reads.filter((location) => location.includes('/snap-'))
    expect(lists).toHaveLength(new Set(lists).size)
  })

  async function rewriteMetadata(changes: Partial<TableMetadata>): Promise<void> {
    const { metadata, metadataLocation } = await lake.catalog.loadTable(T)
    const location = metadataLocation.replace('.metadata.json', '-s.metadata.json')
    await lake.io.write(location, serializeTableMetadata({ ...metadata, ...changes }))
    await lake.store.swap([{ identifier: T, from: metadataLocation, to: location }])
  }

  async function headId() {
    return (await lake.catalog.loadTable(T)).metadata['current-snapshot-id'] ?? null
  }
})
