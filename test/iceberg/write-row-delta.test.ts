import { describe, expect, it } from 'vitest'
import { eq } from '../../iceberg/expr/expression.js'
import { encodeValue } from '../../iceberg/spec/single-value.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import { readManifests } from '../../iceberg/scan/manifests.js'
import { equalityDeletes, file, newId, positionDeletes, TABLE, writeLake } from '../support/write-lake.js'

const REBUILD = { kind: 'rebuild-needed', context: { tables: ['m.t'], giveUp: [] } }
const rowsFrom = (lower: string, upper: string) => ({
  lowerBounds: new Map([[2, encodeValue('string', lower)]]),
  upperBounds: new Map([[2, encodeValue('string', upper)]]),
  valueCounts: new Map([[2, 10]]),
  nullValueCounts: new Map([[2, 0]]),
})

describe('a row delta', () => {
  it('replaces files and adds position deletes in one snapshot, with Java’s operation and counts', async () => {
    const { append, commit, delta, head, paths } = await writeLake()
    await append(file(1, 'a'), file(1, 'b'))
    await commit(
      await delta({
        removed: [file(1, 'a')],
        added: [file(1, 'a2', { recordCount: 9 })],
        deletes: [positionDeletes(1, 'd', 'b')],
        deletedFrom: [file(1, 'b')],
      }),
    )
    expect(await paths()).toEqual(['a2', 'b', 'd'])
    expect((await head())?.summary).toMatchObject({
      operation: 'overwrite',
      'added-data-files': '1',
      'added-delete-files': '1',
      'added-position-deletes': '1',
      'deleted-data-files': '1',
      'total-delete-files': '1',
      'total-position-deletes': '1',
      'total-records': '19',
    })
  })

  it.each([
    ['append', { added: [file(1, 'n')] }],
    ['delete', { removed: [file(1, 'a')] }],
    ['delete', { deletes: [positionDeletes(1, 'd', 'a')], deletedFrom: [file(1, 'a')] }],
    ['overwrite', { removed: [file(1, 'a')], added: [file(1, 'n')] }],
  ])('is an %s where it does no more than that', async (operation, what) => {
    const { append, commit, delta, head } = await writeLake()
    await append(file(1, 'a'))
    await commit(await delta(what))
    expect((await head())?.summary?.operation).toBe(operation)
  })

  it('takes position deletes of a removed file with it, and leaves those of others', async () => {
    const { append, commit, delta, paths } = await writeLake()
    await append(file(1, 'a'), file(1, 'b'))
    const deletes = [
      positionDeletes(1, 'of-a', 'a'),
      positionDeletes(1, 'of-b', 'b'),
      positionDeletes(1, 'any'),
    ]
    await commit(await delta({ deletes, deletedFrom: [file(1, 'a'), file(1, 'b')] }))
    await commit(await delta({ removed: [file(1, 'a')], added: [file(1, 'a2')] }))
    expect(await paths()).toEqual(['a2', 'any', 'b', 'of-b'])
  })

  it('drops delete files that are older than all data', async () => {
    const { append, commit, delta, paths } = await writeLake()
    await append(file(1, 'a'))
    await commit(await delta({ deletes: [equalityDeletes(1, 'e')] }))
    await append(file(1, 'b'))
    await commit(await delta({ removed: [file(1, 'a')] }))
    expect(await paths()).toEqual(['b'])
  })

  it('keeps position deletes that are as old as the oldest data', async () => {
    const { append, commit, delta, numbers } = await writeLake()
    await append(file(1, 'a'))
    await commit(await delta({ added: [file(1, 'b')], deletes: [positionDeletes(1, 'p')] }))
    await commit(await delta({ removed: [file(1, 'a')] }))
    expect(await numbers()).toEqual({ b: 2, p: 2 })
  })

  it('merges delete manifests as it merges data manifests', async () => {
    const { append, commit, delta, catalog, metadata, head, paths } = await writeLake({
      'commit.manifest.min-count-to-merge': '3',
    })
    await append(file(1, 'a'))
    for (let n = 0; n < 3; n++) {
      await commit(await delta({ deletes: [positionDeletes(1, `d${n}`)], deletedFrom: [file(1, 'a')] }))
    }
    const manifests = await readManifests(catalog.io, await metadata(), (await head())!)
    expect(manifests.map((manifest) => manifest.content)).toEqual(['data', 'deletes'])
    expect(await paths()).toEqual(['a', 'd0', 'd1', 'd2'])
  })

  it.each([
    ['data among its deletes', { deletes: [file(1, 'x')] }],
    ['deletes among its data', { added: [positionDeletes(1, 'x')] }],
    ['a deletion vector', { deletes: [{ ...positionDeletes(1, 'x', 'a'), fileFormat: 'puffin' as const }] }],
  ])('refuses %s', async (_name, what) => {
    const { append, commit, delta } = await writeLake()
    await append(file(1, 'a'))
    await expect(commit(await delta(what))).rejects.toMatchObject({ kind: 'invalid-argument' })
  })
})

describe('a row delta that others came before', () => {
  const update = {
    deletes: [positionDeletes(1, 'ours', 'a')],
    deletedFrom: [file(1, 'a')],
    added: [file(1, 'new')],
  }
  const rewriteA = { removed: [file(1, 'a')], added: [file(1, 'a2')] }

  it.each([
    ['removed a file that it replaces', rewriteA, 'snapshot'],
    ['removed a file that it deletes rows of', update, 'snapshot'],
  ] as const)('is computed again where they %s', async (_name, what, isolation) => {
    const { append, commit, delta, rewrite } = await writeLake()
    await append(file(1, 'a'))
    const ours = await delta({ ...what, isolation })
    await commit(await rewrite({ removed: [file(1, 'a')], added: [file(1, 'compacted')] }))
    await expect(commit(ours)).rejects.toMatchObject(REBUILD)
  })

  it.each([
    ['position deletes of', positionDeletes(1, 'theirs', 'a')],
    ['position deletes that may be of', positionDeletes(1, 'theirs')],
    ['equality deletes that reach', equalityDeletes(1, 'theirs')],
  ])('is computed again where they added %s a file of its own', async (_name, deletes) => {
    for (const what of [rewriteA, update]) {
      const { append, commit, delta } = await writeLake()
      await append(file(1, 'a'))
      const ours = await delta({ ...what, isolation: 'snapshot' })
      await commit(await delta({ deletes: [deletes] }))
      await expect(commit(ours)).rejects.toMatchObject(REBUILD)
    }
  })

  it('of equality deletes is computed again where rows of their partition moved to a spec that they do not reach', async () => {
    const { catalog, append, commit, delta, rewrite } = await writeLake()
    const updates = [{ action: 'add-spec', spec: { 'spec-id': 1, fields: [] } }] as const
    await catalog.commit([{ identifier: TABLE, requirements: [], updates }])
    await append(file(1, 'a'))
    const scoped = await delta({ deletes: [equalityDeletes(1, 'e')], isolation: 'snapshot' })
    const global = { ...equalityDeletes(1, 'g'), specId: 1, partition: [] }
    const everywhere = await delta({ deletes: [global], isolation: 'snapshot' })
    const moved = file(1, 'a2', { specId: 1, partition: [] })
    await commit(await rewrite({ removed: [file(1, 'a')], added: [moved] }))
    await expect(commit(scoped)).rejects.toMatchObject(REBUILD)
    await commit(everywhere)
  })

  it('stands beside deletes of other files and partitions', async () => {
    const { append, commit, delta, paths } = await writeLake()
    await append(file(1, 'a'), file(1, 'b'), file(2, 'c'))
    const ours = await delta({ ...update, filter: eq('partition', 1), isolation: 'snapshot' })
    await commit(await delta({ deletes: [positionDeletes(1, 'of-b', 'b'), equalityDeletes(2, 'of-c')] }))
    await commit(ours)
    expect(await paths()).toEqual(['a', 'b', 'c', 'new', 'of-b', 'of-c', 'ours'])
  })

  it.each([
    ['in its partition', file(1, 'theirs'), true],
    ['in another partition', file(2, 'theirs'), false],
    ['with rows that it looks at', file(1, 'theirs', rowsFrom('a', 'z')), true],
    ['with no rows that it looks at', file(1, 'theirs', rowsFrom('n', 'z')), false],
  ])('is serializable against files added %s', async (_name, theirs, isConflict) => {
    for (const isolation of ['serializable', 'snapshot'] as const) {
      const { append, commit, delta, paths } = await writeLake()
      await append(file(1, 'a'))
      const filter = { kind: 'and', left: eq('partition', 1), right: eq('row', 'k') } as const
      const ours = await delta({ ...rewriteA, filter, isolation })
      await append(theirs)
      if (isConflict && isolation === 'serializable')
        await expect(commit(ours)).rejects.toMatchObject(REBUILD)
      else {
        await commit(ours)
        expect(await paths()).toEqual(['a2', 'theirs'])
      }
    }
  })

  it('sees an append also where it was compacted since (a serializable delete beside compaction)', async () => {
    const { append, commit, delta, rewrite } = await writeLake()
    await append(file(1, 'a'), file(1, 'b'))
    const ours = await delta({ ...rewriteA, filter: eq('partition', 1) })
    await append(file(1, 'theirs'))
    await commit(await rewrite({ removed: [file(1, 'theirs'), file(1, 'b')], added: [file(1, 'both')] }))
    await expect(commit(ours)).rejects.toMatchObject(REBUILD)
  })

  it('rests on an empty table too, and is computed again after a rollback or an expiry of the history', async () => {
    const { append, commit, delta, options, catalog, head } = await writeLake()
    const onEmpty = await delta({ added: [file(1, 'x')] })
    const first = await append(file(2, 'a'))
    await expect(commit(onEmpty)).rejects.toMatchObject(REBUILD)
    await append(file(2, 'b'))
    const ours = await delta({ added: [file(1, 'x')], filter: eq('partition', 1) })
    const changes = [{ kind: 'rollback', to: { snapshotId: first } }] as const
    await changeRefs({ ...options, tables: [{ identifier: TABLE, changes }] })
    await expect(commit(ours)).rejects.toMatchObject(REBUILD)
    const again = await delta({ added: [file(1, 'x')], filter: eq('partition', 1) })
    await append(file(2, 'c'))
    const expired = (await head())!['snapshot-id']
    await append(file(2, 'd'))
    const updates = [{ action: 'remove-snapshots', 'snapshot-ids': [first, expired] }] as const
    await catalog.commit([{ identifier: TABLE, requirements: [], updates }])
    await expect(commit(again)).rejects.toMatchObject(REBUILD)
  })

  it('refuses position deletes of files that are not there, whatever the history says', async () => {
    const { append, commit, delta } = await writeLake()
    await append(file(1, 'a'))
    const ours = await delta({
      deletes: [positionDeletes(1, 'd', 'gone')],
      deletedFrom: [file(1, 'gone')],
      filter: eq('partition', 1),
    })
    await append(file(2, 'b'))
    await expect(commit(ours, { snapshotId: newId() })).rejects.toMatchObject(REBUILD)
  })
})
