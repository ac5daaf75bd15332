import { describe, expect, it } from 'vitest'
import { IcebergError } from '../../iceberg/error.js'
import { cherryPick } from '../../iceberg/write/cherry-pick.js'
import type { RefChange } from '../../iceberg/write/ref-change.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import { file, newId, TABLE, writeLake } from '../support/write-lake.js'

async function refLake() {
  const lake = await writeLake()
  const { options, commit, head } = lake
  const refs = (...changes: readonly RefChange[]) =>
    changeRefs({ ...options, tables: [{ identifier: TABLE, changes }] })
  const stage = (name: string, wapId?: string) =>
    commit(
      { kind: 'append', files: [file(1, name)] },
      { stageOnly: true, ...(wapId !== undefined && { summary: { 'wap.id': wapId } }) },
    )
  const pick = (sourceId: Awaited<ReturnType<typeof commit>>, snapshotId = newId()) =>
    cherryPick({ ...options, identifier: TABLE, sourceId, snapshotId })
  const headId = async (branch?: string) => (await head(branch))?.['snapshot-id']
  return { ...lake, refs, stage, pick, headId }
}

describe('a tag that is there already', () => {
  it('is told before a rebuild is asked for, which would not help', async () => {
    const { append, commit, delta } = await refLake()
    await append(file(1, 'a'))
    const change = await delta({ removed: [file(1, 'a')] })
    await commit({ kind: 'append', files: [file(1, 'b')] }, { tags: [{ name: 'v_1' }] })
    await expect(commit(change)).rejects.toMatchObject({ kind: 'rebuild-needed' })
    await expect(commit(change, { tags: [{ name: 'v_1' }] })).rejects.toMatchObject({
      kind: 'commit-rejected',
      context: { tag: 'v_1' },
    })
  })
})

describe('a staged snapshot', () => {
  it('is part of the table but of no branch, until it is picked: then it is the head itself', async () => {
    const { append, stage, pick, metadata, paths, headId } = await refLake()
    await append(file(1, 'a'))
    const staged = await stage('staged', 'w1')
    expect(await paths()).toEqual(['a'])
    expect((await metadata()).snapshots.map((one) => one['snapshot-id'])).toContain(staged)
    expect(await pick(staged)).toMatchObject({ snapshotId: staged })
    expect(await headId()).toBe(staged)
    expect(await paths()).toEqual(['a', 'staged'])
  })

  it('is done again where the branch has moved on, and says where it comes from', async () => {
    const { append, stage, pick, head, paths } = await refLake()
    await append(file(1, 'a'))
    const staged = await stage('staged', 'w1')
    await append(file(1, 'b'))
    const snapshotId = newId()
    expect(await pick(staged, snapshotId)).toMatchObject({ snapshotId })
    expect((await head())?.summary).toMatchObject({
      operation: 'append',
      'source-snapshot-id': String(staged),
      'published-wap-id': 'w1',
    })
    expect(await paths()).toEqual(['a', 'b', 'staged'])
    // The same call again, after a crash, finds its own snapshot.
    expect(await pick(staged, snapshotId)).toMatchObject({ snapshotId })
    expect(await paths()).toEqual(['a', 'b', 'staged'])
  })

  it.each([['moved on'], ['not moved']])('is published once, also by wap.id (branch %s)', async (moved) => {
    const { append, stage, pick, paths } = await refLake()
    await append(file(1, 'a'))
    const [one, two] = [await stage('one', 'w1'), await stage('two', 'w1')]
    if (moved === 'moved on') await append(file(1, 'b'))
    await pick(one)
    await expect(pick(one)).rejects.toMatchObject({ kind: 'already-exists' })
    await expect(pick(two)).rejects.toMatchObject({ kind: 'already-exists', context: { wapId: 'w1' } })
    expect(await paths()).not.toContain('two')
  })

  it('can be the first of a table, and survives a lost answer', async () => {
    const { stage, pick, catalog, paths, metadata } = await refLake()
    const loseNext = () => {
      const commit = catalog.commit.bind(catalog)
      catalog.commit = async (commits) => {
        catalog.commit = commit
        await commit(commits)
        throw new IcebergError('commit-unknown', 'lost')
      }
    }
    loseNext()
    const staged = await stage('staged')
    expect((await metadata()).snapshots).toHaveLength(1)
    loseNext()
    expect(await pick(staged)).toMatchObject({ snapshotId: staged })
    expect(await paths()).toEqual(['staged'])
  })

  it('of a dynamic overwrite is done again unless its partitions changed', async () => {
    const { append, commit, pick, head, paths } = await refLake()
    await append(file(1, 'a'), file(2, 'b'))
    const basis = (await head())!['snapshot-id']
    const overwrite = (name: string) =>
      commit({ kind: 'overwrite-partitions', files: [file(1, name)], basis }, { stageOnly: true })
    const [first, second] = [await overwrite('a2'), await overwrite('a3')]
    await append(file(2, 'c'))
    await pick(first)
    expect(await paths()).toEqual(['a2', 'b', 'c'])
    await expect(pick(second)).rejects.toMatchObject({ kind: 'rebuild-needed' })
  })

  it('of any other kind can only be moved to', async () => {
    const { append, commit, rewrite, pick } = await refLake()
    await append(file(1, 'a'))
    const what = await rewrite({ removed: [file(1, 'a')], added: [file(1, 'a2')] })
    const staged = await commit(what, { stageOnly: true })
    await append(file(1, 'b'))
    await expect(pick(staged)).rejects.toMatchObject({ kind: 'commit-rejected' })
    await expect(pick(newId())).rejects.toMatchObject({ kind: 'not-found' })
  })
})

describe('a branch', () => {
  it('is fast-forwarded to what came after its head, and to nothing else', async () => {
    const { append, commit, refs, headId } = await refLake()
    await append(file(1, 'a'))
    await refs({ kind: 'create-branch', name: 'audit' })
    const onAudit = await commit({ kind: 'append', files: [file(1, 'b')] }, { branch: 'audit' })
    const forward: RefChange = { kind: 'fast-forward', name: 'main', to: { ref: 'audit' } }
    await refs(forward)
    await refs(forward)
    expect(await headId()).toBe(onAudit)
    await append(file(1, 'c'))
    await commit({ kind: 'append', files: [file(1, 'd')] }, { branch: 'audit' })
    await expect(refs(forward)).rejects.toMatchObject({ kind: 'commit-rejected' })
  })

  it('is rolled back to an ancestor by id or time, and set to any snapshot', async () => {
    const { append, refs, headId, clock } = await refLake()
    const first = await append(file(1, 'a'))
    const firstMs = clock.nowMs
    clock.nowMs += 1000
    const second = await append(file(1, 'b'))
    clock.nowMs += 1000
    await refs({ kind: 'rollback', to: { snapshotId: first } })
    expect(await headId()).toBe(first)
    await expect(refs({ kind: 'rollback', to: { snapshotId: second } })).rejects.toMatchObject({
      kind: 'commit-rejected',
    })
    await refs({ kind: 'set-current', snapshotId: second })
    expect(await headId()).toBe(second)
    await refs({ kind: 'rollback', to: { timestampMs: firstMs + 500 } })
    expect(await headId()).toBe(first)
  })

  it.each([
    ['did not happen', false],
    ['had happened', true],
  ])('never loses a commit to a rollback that is tried again (the first %s)', async (_name, happened) => {
    const { append, refs, catalog, paths } = await refLake()
    const first = await append(file(1, 'a'))
    await append(file(1, 'b'))
    const commit = catalog.commit.bind(catalog)
    catalog.commit = async (commits) => {
      catalog.commit = commit
      if (happened) await commit(commits)
      await append(file(1, 'later'))
      throw new IcebergError('commit-unknown', 'lost')
    }
    const rollback = refs({ kind: 'rollback', to: { snapshotId: first } })
    if (happened) await rollback
    else await expect(rollback).rejects.toMatchObject({ kind: 'commit-conflict' })
    expect(await paths()).toEqual(happened ? ['a', 'later'] : ['a', 'b', 'later'])
  })

  it('gets, keeps and loses its retention', async () => {
    const { append, refs, metadata, commit } = await refLake()
    await append(file(1, 'a'))
    await refs({ kind: 'create-branch', name: 'dev', maxRefAgeMs: 1000, minSnapshotsToKeep: 2 })
    await commit({ kind: 'append', files: [file(1, 'b')] }, { branch: 'dev' })
    await refs({ kind: 'set-retention', name: 'dev', maxSnapshotAgeMs: 500, maxRefAgeMs: null })
    const { dev } = (await metadata()).refs
    expect(dev).toMatchObject({ 'min-snapshots-to-keep': 2, 'max-snapshot-age-ms': 500 })
    expect(dev).not.toHaveProperty('max-ref-age-ms')
    await refs({ kind: 'set-retention', name: 'main', minSnapshotsToKeep: 5 })
    await expect(refs({ kind: 'set-retention', name: 'main', maxRefAgeMs: 5 })).rejects.toMatchObject({
      kind: 'invalid-argument',
    })
    await expect(refs({ kind: 'set-retention', name: 'dev', minSnapshotsToKeep: 0 })).rejects.toMatchObject({
      kind: 'invalid-argument',
    })
    await expect(refs({ kind: 'set-retention', name: 'gone' })).rejects.toMatchObject({ kind: 'not-found' })
  })
})
