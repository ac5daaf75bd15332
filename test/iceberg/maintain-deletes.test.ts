import { beforeEach, describe, expect, it } from 'vitest'
import type { TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { compactTable } from '../../iceberg/maintain/compact.js'
import { rewriteDeleteFiles } from '../../iceberg/maintain/rewrite-deletes.js'
import type { DeleteRewriter, Rewriter } from '../../iceberg/maintain/rewriter.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import { RowLake } from '../support/row-lake.js'

const T: TableIdentifier = { namespace: 'm', name: 't' }

let lake: RowLake
beforeEach(async () => {
  lake = new RowLake()
  await lake.create(T)
})

function common() {
  const { catalog, now, newUuid, newSnapshotId, rewriter } = lake
  const retry = { sleep: () => Promise.resolve() }
  return { catalog, now, newUuid, newSnapshotId, rewriter, identifier: T, minInputFiles: 2, retry }
}

const compact = (more: Partial<Parameters<typeof compactTable>[0]> = {}) =>
  compactTable({ ...common(), ...more })
const mergeDeletes = (more: Partial<Parameters<typeof rewriteDeleteFiles>[0]> = {}) =>
  rewriteDeleteFiles({ ...common(), ...more })

/** Does something after the first files are rewritten and before they are committed. */
function interposed(meanwhile: () => Promise<unknown>): Rewriter & DeleteRewriter {
  let isFirst = true
  const once = async <T>(files: T): Promise<T> => {
    if (isFirst) await meanwhile()
    isFirst = false
    return files
  }
  return {
    rewrite: async (request) => once(await lake.rewriter.rewrite(request)),
    rewriteDeletes: async (request) => once(await lake.rewriter.rewriteDeletes(request)),
  }
}

async function deleteFiles(): Promise<number> {
  const { metadata } = await lake.catalog.loadTable(T)
  return Number(metadata.snapshots.at(-1)?.summary?.['total-delete-files'])
}

describe('compaction of files with deletes', () => {
  it('applies them and takes delete files away that nothing else needs', async () => {
    await lake.append(T, ['a', 'b', 'c'])
    await lake.append(T, ['d'])
    await lake.deleteRows(T, ['b', 'd'])
    await lake.upsertBlindly(T, { deletes: ['a'], adds: ['A'] })
    const result = await compact()
    expect(result).toMatchObject({ removedFiles: 3, removedDeleteFiles: 2, addedFiles: 1, commits: 1 })
    expect(await lake.rows(T)).toEqual(['A', 'c'])
    expect(await deleteFiles()).toBe(0)
  })

  it('leaves a delete file that still applies to a file which is not rewritten', async () => {
    await lake.append(T, ['a', 'x'])
    await lake.append(T, ['b', 'x'])
    await lake.deleteRows(T, ['x'])
    lake.nowMs += 1000
    await lake.append(T, ['c', 'y'])
    await lake.append(T, ['d', 'y'])
    await lake.deleteRows(T, ['y'])
    await lake.upsertBlindly(T, { deletes: ['a', 'c'], adds: [] })
    const result = await compact({ addedSinceMs: lake.nowMs })
    // Position deletes of the new files went; the equality delete goes on for the old ones.
    expect(result).toMatchObject({ removedFiles: 2 })
    expect(await lake.rows(T)).toEqual(['b', 'd'])
    expect(await deleteFiles()).toBeGreaterThan(0)
    await compact()
    expect(await lake.rows(T)).toEqual(['b', 'd'])
    expect(await deleteFiles()).toBe(0)
  })

  it('goes on letting equality deletes apply that came while it ran, and never brings a row back', async () => {
    await lake.append(T, ['1a', '2b', '3c'])
    await lake.append(T, ['9z'])
    const rewriter = interposed(async () => {
      await lake.upsertBlindly(T, { deletes: ['2b'], adds: [] })
      await lake.append(T, ['4d'])
    })
    expect(await compact({ rewriter })).toMatchObject({ conflict: false, removedFiles: 2 })
    expect(await lake.rows(T)).toEqual(['1a', '3c', '4d', '9z'])
  })

  it('survives a streaming writer that upserts between any two of its steps', async () => {
    for (const row of ['a', 'b', 'c']) await lake.append(T, [row])
    for (let round = 0; round < 5; round += 1) {
      const rewriter = interposed(() =>
        lake.upsertBlindly(T, {
          deletes: [round === 0 ? 'a' : `a${round - 1}`],
          adds: [`a${round}`],
        }),
      )
      expect(await compact({ rewriter })).toMatchObject({ conflict: false })
      expect(await lake.rows(T)).toEqual([`a${round}`, 'b', 'c'])
    }
  })

  it('gives up the group alone whose rows another deleted by position meanwhile', async () => {
    for (const partition of [0, 1, 2]) {
      await lake.append(T, [`${partition}a`], partition)
      await lake.append(T, [`${partition}b`, `${partition}c`], partition)
    }
    const rewriter = interposed(() => lake.deleteRows(T, ['1b'], 1))
    const result = await compact({ rewriter })
    expect(result).toMatchObject({ groups: 3, givenUpGroups: 1, conflict: true, removedFiles: 4 })
    expect(await lake.rows(T)).toEqual(['0a', '0b', '0c', '1a', '1c', '2a', '2b', '2c'])
    expect(await compact()).toMatchObject({ groups: 1, conflict: false })
    expect(await lake.rows(T)).toEqual(['0a', '0b', '0c', '1a', '1c', '2a', '2b', '2c'])
  })

  it('commits step by step, and what is done stays when a later step fails', async () => {
    for (const partition of [0, 1, 2, 3]) {
      await lake.append(T, [`${partition}a`], partition)
      await lake.append(T, [`${partition}b`], partition)
    }
    let left = 2
    const failing: Rewriter = {
      rewrite: (request) =>
        left-- > 0 ? lake.rewriter.rewrite(request) : Promise.reject(new Error('the engine is gone')),
    }
    const steps = { maxCommits: 4, minCommitBytes: 0 }
    await expect(compact({ ...steps, rewriter: failing })).rejects.toThrow('the engine is gone')
    expect(await compact({ ...steps, dryRun: true })).toMatchObject({ groups: 2, commits: 2 })
    expect(await compact(steps)).toMatchObject({ groups: 2, commits: 2 })
    expect(await lake.rows(T)).toHaveLength(8)
  })

  it('takes a hundred equality deletes at once and leaves none', async () => {
    for (let at = 0; at < 100; at += 1) {
      await lake.upsertBlindly(T, { deletes: [`r${at - 1}`], adds: [`r${at}`, `keep ${at}`] })
    }
    expect(await compact()).toMatchObject({ removedDeleteFiles: 99 })
    await mergeDeletes()
    expect(await lake.rows(T)).toHaveLength(101)
    expect(await deleteFiles()).toBe(0)
  })
})

describe('a rewrite of delete files', () => {
  beforeEach(async () => {
    await lake.append(T, ['a', 'b', 'c', 'd'])
    await lake.append(T, ['e', 'f', 'g'])
  })

  it('merges small files of a partition, each position once; a dry run changes nothing', async () => {
    for (const row of ['a', 'c', 'e', 'f']) await lake.deleteRows(T, [row])
    const expected = await mergeDeletes({ dryRun: true })
    expect(await deleteFiles()).toBe(4)
    expect(await mergeDeletes()).toEqual({ ...expected, addedBytes: 104 })
    expect(expected).toMatchObject({ mergedFiles: 4, addedFiles: 1, danglingFiles: 0 })
    expect(await deleteFiles()).toBe(1)
    expect(await lake.rows(T)).toEqual(['b', 'd', 'g'])
    expect(await mergeDeletes()).toMatchObject({ mergedFiles: 0, danglingFiles: 0 })
  })

  it('drops what applies to no live file any more', async () => {
    await lake.deleteRows(T, ['a'])
    await lake.upsertBlindly(T, { deletes: ['e'], adds: [] })
    // A peer that replaces data and leaves the deletes where they are.
    const { metadata } = await lake.catalog.loadTable(T)
    const { tasks, snapshot } = await planScan({ metadata, io: lake.io })
    const added = await lake.rewriter.rewrite({
      tasks,
      schema: metadata.schemas[0]!,
      spec: metadata['partition-specs'][0]!,
      dataLocation: `${metadata.location}/data`,
      targetFileSizeBytes: 1,
    })
    const basis = snapshot!['snapshot-id']
    const dataSequenceNumber = snapshot!['sequence-number']
    await lake.commit(T, {
      ...{ kind: 'rewrite', removed: tasks.map((task) => task.file), added, basis, dataSequenceNumber },
    })
    expect(await deleteFiles()).toBeGreaterThan(0)
    const left = await deleteFiles()
    expect(await mergeDeletes()).toMatchObject({ danglingFiles: left, mergedFiles: 0, conflict: false })
    expect(await deleteFiles()).toBe(0)
    expect(await lake.rows(T)).toEqual(['b', 'c', 'd', 'f', 'g'])
  })

  it('keeps what others delete meanwhile, and gives way to a compaction', async () => {
    for (const row of ['a', 'c']) await lake.deleteRows(T, [row])
    expect(await mergeDeletes({ rewriter: interposed(() => lake.deleteRows(T, ['f'])) })).toMatchObject({
      conflict: false,
    })
    expect(await lake.rows(T)).toEqual(['b', 'd', 'e', 'g'])
    const late = await mergeDeletes({ rewriter: interposed(() => compact()) })
    expect(late).toMatchObject({ conflict: true, mergedFiles: 0 })
    expect(await lake.rows(T)).toEqual(['b', 'd', 'e', 'g'])
  })
})
