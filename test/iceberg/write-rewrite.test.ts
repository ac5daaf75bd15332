import { describe, expect, it } from 'vitest'
import { IcebergError } from '../../iceberg/error.js'
import { readManifests } from '../../iceberg/scan/manifests.js'
import { equalityDeletes, file, positionDeletes, TABLE, writeLake } from '../support/write-lake.js'

const GIVE_UP = { kind: 'rebuild-needed', context: { giveUp: ['m.t'] } }

describe('a rewrite of data files', () => {
  it('under an old sequence number stays in reach of equality deletes that came since', async () => {
    const { append, commit, delta, rewrite, head, numbers } = await writeLake()
    await append(file(1, 'a'), file(1, 'b'))
    const dataSequenceNumber = (await head())!['sequence-number']
    const ours = await rewrite({
      removed: [file(1, 'a'), file(1, 'b')],
      added: [file(1, 'ab')],
      dataSequenceNumber,
    })
    await commit(await delta({ deletes: [equalityDeletes(1, 'e')] }))
    await append(file(1, 'new'))
    await commit(ours)
    // The delete is above the rewritten file's number, and kept: it is not older than all data.
    expect(await numbers()).toEqual({ ab: 1, e: 2, new: 3 })
    await commit(await delta({ removed: [file(1, 'ab')] }))
    expect(await numbers()).toEqual({ new: 3 })
  })

  it('without one gives up where an equality delete came, and with one where position deletes did', async () => {
    for (const [deletes, isOld] of [
      [equalityDeletes(1, 'e'), false],
      [positionDeletes(1, 'p', 'a'), true],
      [positionDeletes(1, 'p'), true],
    ] as const) {
      const { append, commit, delta, rewrite, paths } = await writeLake()
      await append(file(1, 'a'), file(1, 'b'))
      const what = { removed: [file(1, 'a'), file(1, 'b')], added: [file(1, 'ab')] }
      const ours = await rewrite({ ...what, ...(isOld && { dataSequenceNumber: 1 }) })
      await commit(await delta({ deletes: [deletes] }))
      await expect(commit(ours)).rejects.toMatchObject(GIVE_UP)
      expect(await paths()).toContain('a')
    }
  })

  it('believes nobody who calls it an append where delete files came', async () => {
    const { append, catalog, commit, delta, rewrite } = await writeLake()
    await append(file(1, 'a'), file(1, 'b'))
    const what = { removed: [file(1, 'a'), file(1, 'b')], added: [file(1, 'ab')] }
    const ours = await rewrite({ ...what, dataSequenceNumber: 1 })
    const real = catalog.commit.bind(catalog)
    catalog.commit = (commits) =>
      real(
        commits.map((one) => ({
          ...one,
          updates: one.updates.map((update) =>
            update.action === 'add-snapshot'
              ? { ...update, snapshot: { ...update.snapshot, summary: { operation: 'append' } } }
              : update,
          ),
        })),
      )
    await commit(await delta({ deletes: [positionDeletes(1, 'p', 'a')] }))
    await append(file(1, 'new'))
    await expect(commit(ours)).rejects.toMatchObject(GIVE_UP)
  })

  it.each([0, 2])('refuses a sequence number other than its basis has: %s', async (dataSequenceNumber) => {
    const { append, commit, rewrite } = await writeLake()
    await append(file(1, 'a'))
    const ours = await rewrite({ removed: [file(1, 'a')], added: [file(1, 'b')], dataSequenceNumber })
    await expect(commit(ours)).rejects.toMatchObject({ kind: 'invalid-argument' })
  })

  it('gives up where a row delta removed one of its files', async () => {
    const { append, commit, delta, rewrite } = await writeLake()
    await append(file(1, 'a'), file(1, 'b'))
    const ours = await rewrite({ removed: [file(1, 'a'), file(1, 'b')], added: [file(1, 'ab')] })
    await commit(await delta({ removed: [file(1, 'a')], added: [file(1, 'a2')] }))
    await expect(commit(ours)).rejects.toMatchObject(GIVE_UP)
  })
})

describe('a rewrite of delete files', () => {
  it('joins position deletes beside new ones of the same file', async () => {
    const { append, commit, delta, rewrite, paths, head } = await writeLake()
    await append(file(1, 'a'))
    const from = [file(1, 'a')]
    await commit(await delta({ deletes: [positionDeletes(1, 'p1', 'a')], deletedFrom: from }))
    await commit(await delta({ deletes: [positionDeletes(1, 'p2', 'a')], deletedFrom: from }))
    const removed = [positionDeletes(1, 'p1', 'a'), positionDeletes(1, 'p2', 'a')]
    const joined = { ...positionDeletes(1, 'p12', 'a'), recordCount: 2 }
    const ours = await rewrite({ removed, added: [joined] })
    await commit(await delta({ deletes: [positionDeletes(1, 'p3', 'a')], deletedFrom: from }))
    await commit(ours)
    expect(await paths()).toEqual(['a', 'p12', 'p3'])
    expect((await head())?.summary).toMatchObject({
      operation: 'replace',
      'removed-delete-files': '2',
      'added-delete-files': '1',
      'total-position-deletes': '3',
    })
  })

  it('of equality deletes gives up where another compaction wrote files that they still apply to', async () => {
    const { append, commit, delta, rewrite } = await writeLake()
    await append(file(1, 'a'))
    const compaction = await rewrite({
      removed: [file(1, 'a')],
      added: [file(1, 'a2')],
      dataSequenceNumber: 1,
    })
    await commit(await delta({ deletes: [equalityDeletes(1, 'e')] }))
    const ours = await rewrite({
      removed: [equalityDeletes(1, 'e')],
      added: [positionDeletes(1, 'p', 'a')],
    })
    await commit(compaction)
    await expect(commit(ours)).rejects.toMatchObject(GIVE_UP)
  })
})

describe.each([
  ['no field', []],
  [
    'void fields alone',
    [{ 'source-id': 1, 'field-id': 1000, name: 'partition', transform: 'void' as const }],
  ],
])('equality deletes of a spec with %s', (_, fields) => {
  it('reach files of every spec, so they stay where another compaction keeps such files old', async () => {
    const { catalog, append, commit, delta, rewrite } = await writeLake()
    await catalog.commit([
      {
        identifier: TABLE,
        requirements: [],
        updates: [{ action: 'add-spec', spec: { 'spec-id': 1, fields } }],
      },
    ])
    await append(file(1, 'a'))
    const compaction = await rewrite({
      ...{ removed: [file(1, 'a')], added: [file(1, 'a2')] },
      dataSequenceNumber: 1,
    })
    const global = { ...equalityDeletes(1, 'e'), specId: 1, partition: fields.map(() => null) }
    await commit(await delta({ deletes: [global] }))
    const ours = await rewrite({ removed: [global], added: [positionDeletes(1, 'p', 'a')] })
    await commit(compaction)
    await expect(commit(ours)).rejects.toMatchObject(GIVE_UP)
  })
})

describe('a rewrite of manifests', () => {
  const many = async (count: number) => {
    const lake = await writeLake({ 'commit.manifest-merge.enabled': 'false' })
    for (let n = 0; n < count; n++) await lake.append(file(n % 4, `f${String(n).padStart(3, '0')}`))
    return lake
  }

  it('puts the same files, with their own numbers, in manifests sorted by partition', async () => {
    const { commit, delta, head, metadata, catalog, numbers } = await many(20)
    await commit(await delta({ deletes: [positionDeletes(1, 'd', 'f001')], deletedFrom: [file(1, 'f001')] }))
    const before = await numbers()
    await commit({ kind: 'rewrite-manifests', targetSizeBytes: 40_000 })
    expect(await numbers()).toEqual(before)
    const summary = (await head())!.summary
    expect(summary).toMatchObject({
      operation: 'replace',
      'manifests-replaced': '20',
      'manifests-kept': '1',
      'entries-processed': '20',
      'total-data-files': '20',
      'total-records': '200',
    })
    const manifests = await readManifests(catalog.io, await metadata(), (await head())!)
    expect(manifests).toHaveLength(Number(summary?.['manifests-created']) + 1)
    const ranges = manifests
      .filter((manifest) => manifest.content === 'data')
      .map(({ partitions }) => [partitions![0]!.lowerBound![0]!, partitions![0]!.upperBound![0]!] as const)
    expect(ranges.length).toBeGreaterThan(1)
    ranges.forEach(([lower], at) => expect(lower).toBeGreaterThanOrEqual(ranges[at - 1]?.[1] ?? 0))
    const once = (await head())!['snapshot-id']
    // As they lie now, a manifest of ten files is below that size.
    await commit({ kind: 'rewrite-manifests', targetSizeBytes: 4_000 })
    expect((await head())!['snapshot-id']).toBe(once)
  })

  it('keeps what others commit in the meantime', async () => {
    const { commit, append, rewrite, delta, catalog, paths } = await many(8)
    const first = catalog.commit.bind(catalog)
    let others = 0
    catalog.commit = async (commits) => {
      if (commits[0]?.identifier !== TABLE || others++ > 0) return first(commits)
      catalog.commit = first
      await append(file(9, 'appended'))
      await commit(await delta({ removed: [file(1, 'f001')] }))
      await commit(await rewrite({ removed: [file(2, 'f002')], added: [file(2, 'g002')] }))
      return first(commits)
    }
    await commit({ kind: 'rewrite-manifests' })
    expect(await paths()).toEqual(['appended', ...['f000', 'f003', 'f004', 'f005', 'f006', 'f007', 'g002']])
  })

  it('knows itself by its tag after a lost answer, where there was nothing to rewrite', async () => {
    const { commit, metadata, catalog, head } = await many(1)
    const before = (await head())!['snapshot-id']
    const first = catalog.commit.bind(catalog)
    catalog.commit = async (commits) => {
      catalog.commit = first
      await first(commits)
      throw new IcebergError('commit-unknown', 'lost')
    }
    await commit({ kind: 'rewrite-manifests' }, { tags: [{ name: 'v_1' }] })
    expect((await metadata()).refs['v_1']?.['snapshot-id']).toBe(before)
  })
})
