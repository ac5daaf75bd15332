import { beforeEach, describe, expect, it } from 'vitest'
import type { TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { alwaysTrue } from '../../iceberg/expr/expression.js'
import { compactTable } from '../../iceberg/maintain/compact.js'
import { planCompaction } from '../../iceberg/maintain/plan-compaction.js'
import type { Rewriter } from '../../iceberg/maintain/rewriter.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { serializeTableMetadata } from '../../iceberg/spec/metadata-json.js'
import { RowLake } from '../support/row-lake.js'

const T: TableIdentifier = { namespace: 'm', name: 't' }

function task(
  name: string,
  size: number,
  more: Partial<DataFile> & { readonly deletes?: number } = {},
): FileScanTask {
  const { deletes = 0, ...file } = more
  const data: DataFile = {
    ...{ content: 'data', filePath: name, fileFormat: 'parquet', specId: 0, partition: [0] },
    ...{ recordCount: 1, fileSizeInBytes: size, ...file },
  }
  const deletion: DataFile = { ...data, content: 'position-deletes', filePath: `${name}-deletes` }
  return {
    file: data,
    sequenceNumber: 1,
    deletes: Array.from({ length: deletes }, () => deletion),
    residual: alwaysTrue,
  }
}

function groups(tasks: readonly FileScanTask[], options: Parameters<typeof planCompaction>[1] = {}) {
  return planCompaction(tasks, { targetFileSizeBytes: 100, minInputFiles: 2, ...options }).map((group) =>
    group.tasks.map(({ file }) => file.filePath),
  )
}

describe('the plan of a compaction', () => {
  it('fills bins up to the target size and leaves big files as they are', () => {
    const sizes = [40, 40, 40, 75, 10, 500]
    expect(groups(sizes.map((size, at) => task(`f${at}`, size)))).toEqual([
      ['f0', 'f1'],
      ['f2', 'f4'],
    ])
  })

  it('never puts files of two partitions or specs together', () => {
    const partitions = [0, 1, null, 'null', '0'].flatMap((value) => [
      task(`${typeof value} ${value} a`, 10, { partition: [value] }),
      task(`${typeof value} ${value} b`, 10, { partition: [value] }),
    ])
    const planned = groups([...partitions, task('other spec', 10, { specId: 1 })])
    expect(planned).toHaveLength(5)
    for (const [a = '', b = ''] of planned) expect(b).toBe(a.replace(/a$/, 'b'))
  })

  it('rewrites a file with deletes also alone and at full size; few small ones wait', () => {
    expect(groups([task('big', 500, { deletes: 1 }), task('small', 10)])).toEqual([['big']])
    expect(groups([task('a', 10), task('b', 10)], { minInputFiles: 3 })).toEqual([])
    expect(groups([task('done', 90)])).toEqual([])
  })

  it('splits files over the largest size, takes none between the two ratios, and all of them when told to', () => {
    const tasks = [task('small', 10), task('right', 90), task('huge', 190)]
    expect(groups(tasks)).toEqual([])
    expect(groups(tasks, { maxFileSizeRatio: 1.8 })).toEqual([['huge']])
    expect(groups(tasks, { minFileSizeRatio: 0.95 })).toEqual([['small', 'right']])
    expect(groups(tasks, { rewriteAll: true })).toEqual([['small', 'right'], ['huge']])
  })

  it('rewrites a file once enough of it is deleted, by files or by rows', () => {
    const deleted = (rows: number): FileScanTask => {
      const one = task('f', 500, { deletes: 1, recordCount: 10 })
      return {
        ...one,
        deletes: one.deletes.map((file) => ({ ...file, referencedDataFile: 'f', recordCount: rows })),
      }
    }
    const patient = { deleteFileThreshold: 2 }
    expect(groups([deleted(2)], patient)).toEqual([])
    expect(groups([deleted(3)], patient)).toEqual([['f']])
    expect(groups([deleted(3)], { ...patient, deletedRowRatio: 0.5 })).toEqual([])
    expect(groups([task('f', 500, { deletes: 2 })], patient)).toEqual([['f']])
  })

  it('moves files of older specs to the current one together, whatever their size, or leaves them there', () => {
    const tasks = [
      task('old a', 500),
      task('old b', 10, { partition: [1] }),
      task('new a', 10, { specId: 1 }),
      task('new b', 10, { specId: 1 }),
    ]
    const plan = (options: Parameters<typeof planCompaction>[1]) =>
      planCompaction(
        tasks,
        { targetFileSizeBytes: 100, minInputFiles: 2, ...options },
        { currentSpecId: 1 },
      ).map(({ specId, tasks: of }) => [specId, ...of.map(({ file }) => file.filePath)])
    expect(plan({})).toEqual([
      [1, 'new a', 'new b'],
      [1, 'old a', 'old b'],
    ])
    expect(plan({ keepOldSpecs: true })).toEqual([[1, 'new a', 'new b']])
    expect(plan({ maxGroupBytes: 505 })).toEqual([
      [1, 'new a', 'new b'],
      [1, 'old a'],
      [1, 'old b'],
    ])
  })

  it('passes over partitions that are not closed', () => {
    const tasks = [0, 0, 1, 1].map((value, at) => task(`f${at}`, 10, { partition: [value] }))
    expect(groups(tasks, { isClosed: ({ partition }) => partition[0] === 1 })).toEqual([['f2', 'f3']])
  })
})

describe('a compaction', () => {
  let lake: RowLake
  beforeEach(async () => {
    lake = new RowLake()
    await lake.create(T)
    for (const row of ['a', 'b', 'c']) await lake.append(T, [row], 0)
    await lake.append(T, ['d'], 1)
  })

  const compact = (
    rewriter: Rewriter = lake.rewriter,
    more: Partial<Parameters<typeof compactTable>[0]> = {},
  ) =>
    compactTable({
      catalog: lake.catalog,
      now: lake.now,
      newUuid: lake.newUuid,
      newSnapshotId: lake.newSnapshotId,
      rewriter,
      identifier: T,
      minInputFiles: 2,
      ...more,
    })

  /** Does something after the files are rewritten and before they are committed. */
  const interposed = (meanwhile: () => Promise<unknown>): Rewriter => ({
    async rewrite(request) {
      const files = await lake.rewriter.rewrite(request)
      await meanwhile()
      return files
    },
  })

  async function dataFiles(): Promise<number> {
    const { metadata } = await lake.catalog.loadTable(T)
    return Number(metadata.snapshots.at(-1)?.summary?.['total-data-files'])
  }

  it('changes files and no row; a dry run changes nothing', async () => {
    const expected = await compact(lake.rewriter, { dryRun: true })
    expect(await dataFiles()).toBe(4)
    expect(await compact()).toEqual({ ...expected, addedBytes: 103 })
    expect(await dataFiles()).toBe(2)
    expect(await lake.rows(T)).toEqual(['a', 'b', 'c', 'd'])
    expect(await compact()).toMatchObject({ groups: 0, conflict: false })
  })

  it('goes on top of an append and of an overwrite elsewhere', async () => {
    const result = await compact(
      interposed(async () => {
        await lake.append(T, ['e'], 0)
        await lake.overwrite(T, ['d2'], 1)
      }),
    )
    expect(result.conflict).toBe(false)
    expect(await lake.rows(T)).toEqual(['a', 'b', 'c', 'd2', 'e'])
  })

  it('gives way where its inputs were replaced, rolled back or compacted meanwhile', async () => {
    const first = (await lake.catalog.loadTable(T)).metadata.snapshots[0]?.['snapshot-id']
    const cases = [
      [() => lake.overwrite(T, ['x'], 0), ['d', 'x']],
      [() => compact(), ['d', 'x']],
      [() => lake.refs(T, { kind: 'replace-branch', name: 'main', snapshotId: first! }), ['a']],
    ] as const
    for (const [meanwhile, rows] of cases) {
      await lake.append(T, [], 0)
      const result = await compact(interposed(meanwhile))
      expect(result).toMatchObject({ removedFiles: 0, addedFiles: 0, conflict: true })
      expect(await lake.rows(T)).toEqual(rows)
    }
  })

  /** Appends before each of the first `times` swaps; how many manifests each try read is written down. */
  function appendingFirst(times: number) {
    const read = lake.io.read.bind(lake.io)
    const tries: number[] = []
    let manifests = 0
    lake.io.read = (location) => {
      if (location.endsWith('-m0.avro')) manifests += 1
      return read(location)
    }
    const catalog = lake.openCatalog(lake.store, lake.io)
    const commit = catalog.commit.bind(catalog)
    catalog.commit = async (commits) => {
      tries.push(manifests)
      if (tries.length <= times) await lake.append(T, [`e${tries.length}`], 0)
      manifests = 0
      return commit(commits)
    }
    const retry = { tries: 40, sleep: () => Promise.resolve() }
    return { tries, run: () => compact(lake.rewriter, { catalog, retry }) }
  }

  it('reads nothing of what is appended meanwhile: each further try is as short as an append, and none waits', async () => {
    const { tries, run } = appendingFirst(30)
    expect(await run()).toMatchObject({ removedFiles: 3, addedFiles: 1, conflict: false })
    expect(tries[0]).toBeGreaterThan(0)
    expect(tries.slice(1)).toEqual(Array.from({ length: 30 }, () => 0))
    const appended = Array.from({ length: 30 }, (_, n) => `e${n + 1}`)
    expect(await lake.rows(T)).toEqual(['a', 'b', 'c', 'd', ...appended].sort())
    const { snapshots } = (await lake.catalog.loadTable(T)).metadata
    const appends = snapshots.filter(({ summary }) => summary?.operation === 'append')
    expect(appends).toHaveLength(34)
    for (const { 'manifest-list': list } of appends) expect(list).toMatch(/snap-\d+-1-/)
  })

  it('gives way to a writer that is always first, after so many tries', async () => {
    const { tries, run } = appendingFirst(Infinity)
    expect(await run()).toMatchObject({ removedFiles: 0, conflict: true, givenUpGroups: 1 })
    expect(tries).toHaveLength(40)
    expect(await lake.rows(T)).toHaveLength(44)
  })

  it('commits nothing where the new files have other than the old rows', async () => {
    for (const drop of [1, -1]) {
      const wrong: Rewriter = {
        async rewrite(request) {
          const files = await lake.rewriter.rewrite(request)
          return files.map((file) => ({ ...file, recordCount: file.recordCount - drop }))
        },
      }
      await expect(compact(wrong)).rejects.toMatchObject({ kind: 'data-invalid' })
      expect(await dataFiles()).toBe(4)
    }
  })

  it('leaves tables of other format versions alone instead of writing files for nothing', async () => {
    const { metadata, metadataLocation } = await lake.catalog.loadTable(T)
    for (const version of [1, 3] as const) {
      const other = { ...metadata, 'format-version': version }
      await lake.io.write(metadataLocation, serializeTableMetadata(other))
      const catalog = Object.assign(Object.create(lake.catalog) as typeof lake.catalog, {
        loadTable: () => Promise.resolve({ identifier: T, metadataLocation, metadata: other }),
      })
      const before = await lake.files()
      expect(await compact(lake.rewriter, { catalog })).toMatchObject({ groups: 0 })
      expect(await lake.files()).toEqual(before)
    }
  })
})
