import { describe, expect, it } from 'vitest'
import type { TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { IcebergError } from '../../iceberg/error.js'
import { readManifests } from '../../iceberg/scan/manifests.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { PartitionSpec } from '../../iceberg/spec/partition-spec.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { NEVER_EXPIRES_MS, toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { decideRebase } from '../../iceberg/write/decide-rebase.js'
import { othersDid } from '../../iceberg/write/others-did.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import type { Change, TableChange } from '../../iceberg/write/table-change.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { liveFiles, MODEL_SCHEMA } from '../support/lake-model.js'
import { file, memoryLake, newId } from '../support/write-lake.js'

const ONE: TableIdentifier = { namespace: 'm', name: 'one' }
const TWO: TableIdentifier = { namespace: 'm', name: 'two' }
const DAY_MS = 86_400_000

async function lake(properties: Readonly<Record<string, string>> = {}) {
  const { catalog, clock, options } = await memoryLake([ONE, TWO], properties)
  const commit = (...changes: readonly TableChange[]) => commitTransaction({ ...options, changes })
  const change = (
    identifier: TableIdentifier,
    what: Change,
    more: Partial<TableChange> = {},
  ): TableChange => ({
    identifier,
    change: what,
    snapshotId: newId(),
    ...more,
  })
  const append = (identifier: TableIdentifier, ...files: readonly DataFile[]) =>
    commit(change(identifier, { kind: 'append', files }))
  const head = async (identifier: TableIdentifier) => headOf((await catalog.loadTable(identifier)).metadata)
  const paths = async (identifier: TableIdentifier) => {
    const { metadata } = await catalog.loadTable(identifier)
    return (await liveFiles(catalog.io, metadata)).map((live) => live.filePath.slice(14, -8)).sort()
  }
  return { catalog, clock, options, commit, change, append, head, paths }
}

describe('a transaction', () => {
  it('writes the summary that Java writes and carries totals on', async () => {
    const { append, commit, change, head } = await lake()
    await append(ONE, file(1, 'a'), file(2, 'b'))
    expect((await head(ONE))?.summary).toEqual({
      operation: 'append',
      'added-data-files': '2',
      'added-records': '20',
      'added-files-size': '2000',
      'changed-partition-count': '2',
      'total-records': '20',
      'total-files-size': '2000',
      'total-data-files': '2',
      'total-delete-files': '0',
      'total-position-deletes': '0',
      'total-equality-deletes': '0',
    })
    const basis = (await head(ONE))!['snapshot-id']
    const what = { kind: 'overwrite-partitions', files: [file(2, 'c')], basis } as const
    await commit(change(ONE, what, { summary: { 'firn.batch-id': 'x' } }))
    expect((await head(ONE))?.summary).toMatchObject({
      operation: 'overwrite',
      'firn.batch-id': 'x',
      'replace-partitions': 'true',
      'added-data-files': '1',
      'deleted-data-files': '1',
      'deleted-records': '10',
      'removed-files-size': '1000',
      'changed-partition-count': '1',
      'total-records': '20',
      'total-data-files': '2',
    })
  })

  it('tags new snapshots and unchanged tables, with the snapshot’s age added to the retention', async () => {
    const { append, commit, change, catalog, clock } = await lake()
    await append(ONE, file(1, 'a'))
    clock.nowMs += 3 * DAY_MS
    const tags = [{ name: 'v_1', retainMs: 7 * DAY_MS }, { name: 'model' }]
    const result = await commit(
      change(ONE, { kind: 'none' }, { tags }),
      change(TWO, { kind: 'append', files: [file(1, 'b')] }, { tags }),
    )
    const [one, two] = await catalog.loadTables([ONE, TWO])
    expect(one?.metadata.refs['v_1']?.['max-ref-age-ms']).toBe(10 * DAY_MS)
    expect(two?.metadata.refs['v_1']?.['max-ref-age-ms']).toBe(7 * DAY_MS)
    expect(two?.metadata.refs['model']?.['max-ref-age-ms']).toBe(NEVER_EXPIRES_MS)
    expect(result).toMatchObject({
      kind: 'committed',
      attempts: 1,
      tables: [
        { snapshotId: one?.metadata.refs['v_1']?.['snapshot-id'] },
        { snapshotId: two?.metadata.refs['v_1']?.['snapshot-id'] },
      ],
    })
  })

  it('refuses a tag that exists and changes no table then', async () => {
    const { append, commit, change, head, paths } = await lake()
    await append(ONE, file(1, 'a'))
    await commit(change(ONE, { kind: 'none' }, { tags: [{ name: 'v_1' }] }))
    const before = await head(TWO)
    await expect(
      commit(
        change(TWO, { kind: 'append', files: [file(1, 'b')] }),
        change(ONE, { kind: 'append', files: [file(1, 'c')] }, { tags: [{ name: 'v_1' }] }),
      ),
    ).rejects.toMatchObject({ kind: 'commit-rejected', context: { tag: 'v_1' } })
    expect(await head(TWO)).toEqual(before)
    expect(await paths(ONE)).toEqual(['a'])
  })

  it('leaves an empty table untagged and without a snapshot', async () => {
    const { commit, change, catalog } = await lake()
    const result = await commit(change(ONE, { kind: 'append', files: [] }, { tags: [{ name: 'v_1' }] }))
    expect(result).toMatchObject({ kind: 'committed', tables: [{ identifier: ONE }] })
    expect((await catalog.loadTable(ONE)).metadata).toMatchObject({ refs: {}, snapshots: [] })
  })

  it('starts a branch at main’s head and leaves main alone', async () => {
    const { append, commit, change, catalog, paths } = await lake()
    await append(ONE, file(1, 'a'))
    const what = { kind: 'append', files: [file(1, 'b')] } as const
    await commit(change(ONE, what, { branch: 'failed_x' }))
    expect(await paths(ONE)).toEqual(['a'])
    const { metadata } = await catalog.loadTable(ONE)
    const branch = headOf(metadata, 'failed_x')
    expect(branch?.['parent-snapshot-id']).toBe(metadata['current-snapshot-id'])
    expect(branch?.summary?.['total-records']).toBe('20')
    expect(metadata['snapshot-log']).toHaveLength(1)
    await append(ONE, file(1, 'c'))
    expect(await paths(ONE)).toEqual(['a', 'c'])
  })

  it('starts a branch at the main that is there when it commits, not at one rolled back and expired meanwhile', async () => {
    const { append, options, change, catalog, head } = await lake()
    await append(ONE, file(1, 'a'))
    const first = (await head(ONE))!['snapshot-id']
    await append(ONE, file(1, 'gone'))
    const second = (await head(ONE))!['snapshot-id']
    let calls = 0
    await commitTransaction({
      ...options,
      changes: [change(ONE, { kind: 'append', files: [file(1, 'b')] }, { branch: 'failed_x' })],
      beforeAttempt: async () => {
        if (++calls > 1) return undefined
        const changes = [{ kind: 'replace-branch', name: 'main', snapshotId: first }] as const
        await changeRefs({ ...options, tables: [{ identifier: ONE, changes }] })
        const updates = [{ action: 'remove-snapshots', 'snapshot-ids': [second] }] as const
        await catalog.commit([{ identifier: ONE, requirements: [], updates }])
        return undefined
      },
    })
    const { metadata } = await catalog.loadTable(ONE)
    expect(headOf(metadata, 'failed_x')).toMatchObject({ 'parent-snapshot-id': first })
  })

  it('ends with what beforeAttempt finds on the metadata that it would commit onto', async () => {
    const { options, change, append, paths } = await lake()
    const result = await commitTransaction({
      ...options,
      changes: [change(ONE, { kind: 'append', files: [file(1, 'ours')] })],
      beforeAttempt: async ([table]) => {
        if (table!.metadata.snapshots.length > 0) return 'published before'
        await append(ONE, file(1, 'theirs'))
        return undefined
      },
    })
    expect(result).toEqual({ kind: 'ended', value: 'published before' })
    expect(await paths(ONE)).toEqual(['theirs'])
  })

  it('is done at once where its own snapshot is there already', async () => {
    const { commit, change, paths } = await lake()
    const ours = change(ONE, { kind: 'append', files: [file(1, 'a')] })
    await commit(ours)
    expect(await commit(ours)).toMatchObject({ kind: 'committed', tables: [{ snapshotId: ours.snapshotId }] })
    expect(await paths(ONE)).toEqual(['a'])
  })

  it('completes a torn transaction forward', async () => {
    const { options, change, paths, commit } = await lake()
    const changes = [ONE, TWO].map((table) => change(table, { kind: 'append', files: [file(1, 'a')] }))
    await commit(changes[0]!)
    await commitTransaction({
      ...options,
      changes,
      beforeAttempt: () => Promise.reject(new IcebergError('io', 'not asked: this is half done')),
    })
    expect([await paths(ONE), await paths(TWO)]).toEqual([['a'], ['a']])
  })

  it('finds the tags of a lost commit that wrote no snapshot', async () => {
    const { options, catalog, change, append } = await lake()
    await append(ONE, file(1, 'a'))
    const commit = catalog.commit.bind(catalog)
    let calls = 0
    catalog.commit = async (commits) => {
      calls++
      const tables = await commit(commits)
      if (calls === 1) {
        await append(TWO, file(1, 'b'))
        throw new IcebergError('commit-unknown', 'lost')
      }
      return tables
    }
    const tags = [{ name: 'v_1' }]
    const changes = [change(ONE, { kind: 'none' }, { tags }), change(TWO, { kind: 'none' }, { tags })]
    expect(await commitTransaction({ ...options, changes })).toMatchObject({ kind: 'committed' })
    expect(calls).toBe(2)
  })

  it('stays unknown where the tables can’t be loaded after a lost answer', async () => {
    const { options, catalog, change } = await lake()
    catalog.commit = () => {
      catalog.loadTables = () => Promise.reject(new IcebergError('io', 'down'))
      return Promise.reject(new IcebergError('commit-unknown', 'lost'))
    }
    const changes = [change(ONE, { kind: 'append', files: [file(1, 'a')] })]
    await expect(commitTransaction({ ...options, changes })).rejects.toMatchObject({
      kind: 'commit-unknown',
      retryable: true,
    })
  })

  it('gives up as a conflict when its tries are used up', async () => {
    const { options, catalog, change } = await lake()
    catalog.commit = () => Promise.reject(new IcebergError('commit-conflict', 'busy'))
    const changes = [change(ONE, { kind: 'append', files: [file(1, 'a')] })]
    await expect(commitTransaction({ ...options, changes })).rejects.toMatchObject({
      kind: 'commit-conflict',
      context: { attempts: 3 },
    })
  })

  it('asks for a rebuild where the table was dropped and made again', async () => {
    const { options, catalog, change } = await lake()
    const commit = catalog.commit.bind(catalog)
    catalog.commit = async (commits) => {
      catalog.commit = commit
      await catalog.dropTable(ONE)
      await catalog.createTable({ identifier: ONE, schema: MODEL_SCHEMA })
      return commit(commits)
    }
    const changes = [change(ONE, { kind: 'append', files: [file(1, 'a')] })]
    await expect(commitTransaction({ ...options, changes })).rejects.toMatchObject({
      kind: 'rebuild-needed',
      context: { tables: ['m.one'] },
    })
  })

  it.each([
    ['a file twice', [file(1, 'a'), file(1, 'a')]],
    ['a delete file', [file(1, 'a', { content: 'position-deletes' })]],
    ['a partition of another shape', [file(1, 'a', { partition: [] })]],
    ['an unknown spec', [file(1, 'a', { specId: 9 })]],
  ])('refuses %s', async (_name, files) => {
    const { append } = await lake()
    await expect(append(ONE, ...files)).rejects.toMatchObject({ kind: 'invalid-argument' })
  })

  it('merges manifests from commit.manifest.min-count-to-merge on and keeps every file', async () => {
    const { append, catalog, paths } = await lake({ 'commit.manifest.min-count-to-merge': '5' })
    const counts = []
    for (let n = 0; n < 12; n++) {
      await append(ONE, file(n % 3, `f${String(n).padStart(2, '0')}`))
      const { metadata } = await catalog.loadTable(ONE)
      counts.push((await readManifests(catalog.io, metadata, headOf(metadata)!)).length)
    }
    expect(counts).toEqual([1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4])
    expect(await paths(ONE)).toHaveLength(12)
  })

  it('compacts under appends, and keeps out where a delete came after', async () => {
    const { append, commit, change, head, paths } = await lake()
    await append(ONE, file(1, 'a'), file(1, 'b'))
    const basis = (await head(ONE))!['snapshot-id']
    await append(ONE, file(1, 'later'))
    const removed = [file(1, 'a'), file(1, 'b')]
    await commit(change(ONE, { kind: 'rewrite', removed, added: [file(1, 'ab')], basis }))
    expect(await paths(ONE)).toEqual(['ab', 'later'])
    expect((await head(ONE))?.summary).toMatchObject({ operation: 'replace', 'total-data-files': '2' })
    const again = change(ONE, { kind: 'rewrite', removed, added: [file(1, 'again')], basis })
    await expect(commit(again)).rejects.toMatchObject({
      kind: 'rebuild-needed',
      context: { giveUp: ['m.one'] },
    })
  })

  it('replaces files of an older spec where they lie inside, and refuses where they straddle', async () => {
    const { append, commit, change, head, paths, catalog } = await lake()
    await append(ONE, file(1, 'old-1'), file(2, 'old-2'))
    const evolve = (spec: PartitionSpec) =>
      catalog.commit([
        {
          identifier: ONE,
          requirements: [],
          updates: [
            { action: 'add-spec', spec },
            { action: 'set-default-spec', 'spec-id': -1 },
          ],
        },
      ])
    const byPartition = { 'source-id': 1, name: 'partition', transform: 'identity' } as const
    await evolve({ 'spec-id': 1, fields: [{ ...byPartition, 'field-id': 1001, name: 'p' }] })
    const overwrite = async (...files: readonly DataFile[]) => {
      const basis = (await head(ONE))!['snapshot-id']
      await commit(change(ONE, { kind: 'overwrite-partitions', files, basis }))
    }
    await overwrite(file(1, 'new-1', { specId: 1 }))
    expect(await paths(ONE)).toEqual(['new-1', 'old-2'])
    const fields = [
      { ...byPartition, 'field-id': 1001, name: 'p' },
      { 'source-id': 2, 'field-id': 1002, name: 'row', transform: 'bucket[4]' },
    ] as const
    await evolve({ 'spec-id': 2, fields })
    const finer = file(2, 'finer', { specId: 2, partition: [2, 3] })
    await expect(overwrite(finer)).rejects.toMatchObject({ kind: 'commit-rejected' })
    await overwrite(file(7, 'elsewhere', { specId: 2, partition: [7, 3] }))
    expect(await paths(ONE)).toEqual(['elsewhere', 'new-1', 'old-2'])
  })
})

describe('the conflict rules', () => {
  const quiet = {
    refMoved: false,
    addedRows: false,
    changedPartitions: false,
    touchedInputs: false,
    changedFiltered: false,
  }
  it.each([
    ['append', {}, 'rebase'],
    ['append', { refMoved: true, addedRows: true, changedPartitions: true, touchedInputs: true }, 'rebase'],
    ['none', { refMoved: true, addedRows: true }, 'rebase'],
    ['insert-new', {}, 'rebase'],
    ['insert-new', { changedPartitions: true, touchedInputs: true }, 'rebase'],
    ['insert-new', { addedRows: true }, 'recheck'],
    ['insert-new', { refMoved: true, addedRows: true }, 'rebuild'],
    ['overwrite-partitions', { addedRows: true }, 'rebase'],
    ['overwrite-partitions', { changedPartitions: true }, 'rebuild'],
    ['overwrite-partitions', { refMoved: true }, 'rebuild'],
    ['row-delta', { addedRows: true }, 'rebase'],
    ['row-delta', { touchedInputs: true }, 'rebuild'],
    ['row-delta', { changedFiltered: true }, 'rebuild'],
    ['row-delta', { refMoved: true }, 'rebuild'],
    ['rewrite', { addedRows: true, changedPartitions: true }, 'rebase'],
    ['rewrite', { touchedInputs: true }, 'give-up'],
    ['rewrite', { refMoved: true }, 'give-up'],
  ] as const)('%s after %o: %s', (kind, others, decision) => {
    expect(decideRebase(kind, { ...quiet, ...others })).toBe(decision)
  })

  it.each([
    ['a position delete in the partition', file(1, 'd', { content: 'position-deletes' }), true],
    ['one in another partition', file(2, 'd', { content: 'position-deletes' }), false],
    [
      'one that names another file',
      file(1, 'd', { content: 'position-deletes', referencedDataFile: 'memory://data/x.parquet' }),
      false,
    ],
    [
      'an unpartitioned equality delete',
      file(1, 'd', { content: 'equality-deletes', specId: 1, partition: [] }),
      true,
    ],
    ['a data file', file(1, 'd'), false],
  ])('see that %s touches the files that a compaction replaces: %s', async (_name, added, touched) => {
    const { catalog } = await lake()
    const { metadata } = await catalog.loadTable(ONE)
    const specs = [...metadata['partition-specs'], { 'spec-id': 1, fields: [] }]
    const change: Change = {
      kind: 'rewrite',
      removed: [file(1, 'a')],
      added: [],
      basis: toSnapshotId(1),
    }
    const since = [{ operation: 'overwrite', added: [added], removed: [] }] as const
    expect(othersDid({ ...metadata, 'partition-specs': specs }, change, since).touchedInputs).toBe(touched)
  })
})

describe('refs', () => {
  it('are created, moved and dropped on many tables in one commit, and doing it twice is doing it once', async () => {
    const { append, options, catalog } = await lake()
    const [first] = [await append(ONE, file(1, 'a')), await append(TWO, file(1, 'b'))]
    const tables = [ONE, TWO]
    const change = (...changes: Parameters<typeof changeRefs>[0]['tables'][number]['changes']) =>
      changeRefs({ ...options, tables: tables.map((identifier) => ({ identifier, changes })) })
    await change({ kind: 'create-tag', name: 'v_1' }, { kind: 'create-branch', name: 'dev' })
    const once = await catalog.loadTables(tables)
    await change({ kind: 'create-tag', name: 'v_1' }, { kind: 'create-branch', name: 'dev' })
    expect(await catalog.loadTables(tables)).toEqual(once)
    await append(ONE, file(1, 'c'))
    await expect(change({ kind: 'create-tag', name: 'v_1' })).rejects.toMatchObject({
      kind: 'already-exists',
    })
    await change({ kind: 'replace-tag', name: 'v_1' }, { kind: 'drop', name: 'dev' })
    const { metadata } = await catalog.loadTable(ONE)
    expect(metadata.refs['v_1']?.['snapshot-id']).toBe(metadata['current-snapshot-id'])
    expect(metadata.refs['dev']).toBeUndefined()
    const snapshotId = first.kind === 'committed' ? first.tables[0]!.snapshotId! : toSnapshotId(0)
    await changeRefs({
      ...options,
      tables: [{ identifier: ONE, changes: [{ kind: 'replace-branch', name: 'main', snapshotId }] }],
    })
    expect((await catalog.loadTable(ONE)).metadata['current-snapshot-id']).toBe(snapshotId)
    await expect(change({ kind: 'drop', name: 'main' })).rejects.toMatchObject({ kind: 'invalid-argument' })
  })
})
