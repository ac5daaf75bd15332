import { describe, expect, test } from 'vitest'
import { alwaysTrue, eq } from '../../iceberg/expr/expression.js'
import { manifestFileOf, writeManifest } from '../../iceberg/format/manifest.js'
import { writeManifestList } from '../../iceberg/format/manifest-list.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { readManifests } from '../../iceberg/scan/manifests.js'
import { planFiles, planScan } from '../../iceberg/scan/plan-scan.js'
import type { DataFile, ManifestEntry } from '../../iceberg/spec/data-file.js'
import type { PartitionSpec } from '../../iceberg/spec/partition-spec.js'
import type { Snapshot } from '../../iceberg/spec/snapshot.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { Schema, Value } from '../../iceberg/spec/type.js'

const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 1,
  fields: [
    { id: 1, name: 'p', required: false, type: 'long' },
    { id: 2, name: 'added_later', required: false, type: 'string' },
  ],
}
const OLD_SCHEMA: Schema = { ...SCHEMA, 'schema-id': 0, fields: SCHEMA.fields.slice(0, 1) }
const BY_P: PartitionSpec = {
  'spec-id': 0,
  fields: [{ 'source-id': 1, 'field-id': 1000, name: 'p', transform: 'identity' }],
}
const UNPARTITIONED: PartitionSpec = { 'spec-id': 1, fields: [] }
const PATHS = 2147483546

function file(
  filePath: string,
  partition: readonly (Value | null)[],
  more: Partial<DataFile> = {},
): DataFile {
  return {
    content: 'data',
    filePath,
    fileFormat: 'parquet',
    specId: partition.length === 0 ? 1 : 0,
    partition,
    recordCount: 10,
    fileSizeInBytes: 100,
    ...more,
  }
}

/** A table whose commits (sequence numbers from 1) each add the given files. */
async function tableOf(...commits: readonly (readonly DataFile[])[]) {
  const io = new MemoryFileIO()
  const manifests = []
  const snapshots: Snapshot[] = []
  for (const [index, files] of commits.entries()) {
    const sequenceNumber = index + 1
    const snapshotId = toSnapshotId(sequenceNumber * 100)
    const groups = new Map<string, DataFile[]>()
    for (const item of files) {
      const key = `${item.specId} ${item.content === 'data' ? 'data' : 'deletes'}`
      groups.set(key, [...(groups.get(key) ?? []), item])
    }
    for (const [key, group] of groups) {
      const manifestPath = `${snapshotId} ${key}`
      const written = writeManifest({
        schema: SCHEMA,
        spec: group[0]!.specId === 0 ? BY_P : UNPARTITIONED,
        content: group[0]!.content === 'data' ? 'data' : 'deletes',
        entries: group.map((item) => ({ status: 'added', file: item })),
        snapshotId,
        formatVersion: 2,
      })
      await io.write(manifestPath, written.bytes)
      manifests.push(manifestFileOf(written, { manifestPath, sequenceNumber }))
    }
    const list = { snapshotId, parentSnapshotId: undefined, sequenceNumber, formatVersion: 2 }
    await io.write(`list ${sequenceNumber}`, writeManifestList({ ...list, manifests }))
    snapshots.push({
      'snapshot-id': snapshotId,
      'sequence-number': sequenceNumber,
      'timestamp-ms': sequenceNumber * 1000,
      'manifest-list': `list ${sequenceNumber}`,
      'schema-id': index === 0 ? 0 : 1,
    })
  }
  const metadata = {
    schemas: [OLD_SCHEMA, SCHEMA],
    'current-schema-id': 1,
    'partition-specs': [BY_P, UNPARTITIONED],
    snapshots,
    'snapshot-log': snapshots.map((snapshot) => ({
      'snapshot-id': snapshot['snapshot-id'],
      'timestamp-ms': snapshot['timestamp-ms'],
    })),
    refs: {
      ...(snapshots.length > 0
        ? { main: { 'snapshot-id': snapshots.at(-1)!['snapshot-id'], type: 'branch' } }
        : {}),
      ...(snapshots.length > 0 ? { first: { 'snapshot-id': toSnapshotId(100), type: 'tag' } } : {}),
      ...(snapshots.length > 0 ? { dev: { 'snapshot-id': toSnapshotId(100), type: 'branch' } } : {}),
    },
  } as unknown as TableMetadata
  return { io, metadata }
}

async function deletesByFile(...commits: readonly (readonly DataFile[])[]) {
  const { tasks } = await planScan(await tableOf(...commits))
  return Object.fromEntries(tasks.map((task) => [task.file.filePath, task.deletes.map((d) => d.filePath)]))
}

describe('delete files apply', () => {
  const position = { content: 'position-deletes' } as const
  const equality = { content: 'equality-deletes', equalityIds: [1] } as const

  test('by position to files of their partition, up to their own commit', async () => {
    expect(
      await deletesByFile(
        [file('old', [1n]), file('other partition', [2n]), file('null', [null])],
        [file('same commit', [1n]), file('pos', [1n], position)],
        [file('new', [1n])],
      ),
    ).toEqual({ old: ['pos'], 'other partition': [], null: [], 'same commit': ['pos'], new: [] })
  })

  test('by equality to older files of their partition only', async () => {
    expect(
      await deletesByFile(
        [file('old', [1n]), file('other', [2n]), file('unpartitioned', [])],
        [file('same commit', [1n]), file('eq', [1n], equality)],
        [file('new', [1n])],
      ),
    ).toEqual({ old: ['eq'], other: [], unpartitioned: [], 'same commit': [], new: [] })
  })

  test('by equality to older files of every partition and spec where they are unpartitioned', async () => {
    expect(
      await deletesByFile(
        [file('a', [1n]), file('b', [null]), file('c', [])],
        [file('d', [1n]), file('global', [], equality), file('pos', [], position)],
      ),
    ).toEqual({ a: ['global'], b: ['global'], c: ['global', 'pos'], d: [] })
  })

  test('only to the file that they name, or whose path their bounds reach', async () => {
    const named = (path: string) => ({
      ...position,
      lowerBounds: new Map([[PATHS, Buffer.from(path)]]),
      upperBounds: new Map([[PATHS, Buffer.from(path)]]),
    })
    expect(
      await deletesByFile(
        [file('a', [1n]), file('b', [1n])],
        [file('ref', [1n], { ...position, referencedDataFile: 'a' }), file('bounds', [1n], named('b'))],
      ),
    ).toEqual({ a: ['ref'], b: ['bounds'] })
  })

  test('as a deletion vector in place of older position deletes', async () => {
    expect(
      await deletesByFile(
        [file('a', [1n]), file('b', [1n])],
        [file('pos', [1n], position), file('eq', [1n], equality)],
        [file('dv', [1n], { ...position, fileFormat: 'puffin', referencedDataFile: 'a' })],
      ),
    ).toEqual({ a: ['eq', 'dv'], b: ['pos', 'eq'] })
  })
})

describe('a scan', () => {
  const commits = [[file('a', [1n])], [file('b', [2n]), file('c', [])]]

  test('of an empty table has no tasks', async () => {
    expect(await planScan(await tableOf())).toEqual({ schema: SCHEMA, tasks: [] })
  })

  test('reads a branch with the schema of the table, a tag or a snapshot with its own', async () => {
    const table = await tableOf(...commits)
    const at = async (target: Parameters<typeof planScan>[0]['target']) => {
      const { schema, tasks } = await planScan({ ...table, ...(target && { target }) })
      return [schema['schema-id'], tasks.map((task) => task.file.filePath).join('')]
    }
    expect(await at(undefined)).toEqual([1, 'abc'])
    expect(await at({ kind: 'ref', ref: 'main' })).toEqual([1, 'abc'])
    expect(await at({ kind: 'ref', ref: 'dev' })).toEqual([1, 'a'])
    expect(await at({ kind: 'ref', ref: 'first' })).toEqual([0, 'a'])
    expect(await at({ kind: 'snapshot', snapshotId: 100n })).toEqual([0, 'a'])
    expect(await at({ kind: 'timestamp', timestampMs: 1999 })).toEqual([0, 'a'])
    await expect(at({ kind: 'ref', ref: 'nope' })).rejects.toMatchObject({ kind: 'not-found' })
  })

  test('reads only the manifests whose partitions can match, each once where they are cached', async () => {
    const { io, metadata } = await tableOf(...commits, [file('d', [2n])])
    const reads: string[] = []
    const counting = Object.assign(Object.create(io) as MemoryFileIO, {
      read: (location: string) => {
        reads.push(location)
        return io.read(location)
      },
    })
    const manifestCache = new Map<string, readonly ManifestEntry[]>()
    const request = { io: counting, metadata, filter: eq('p', 2), manifestCache }
    const { tasks } = await planScan(request)
    expect(tasks.map((task) => [task.file.filePath, task.residual])).toEqual([
      ['b', alwaysTrue],
      ['c', eq('p', 2n)],
      ['d', alwaysTrue],
    ])
    expect(reads).toEqual(['list 3', '200 0 data', '200 1 data', '300 0 data'])
    await planScan(request)
    expect(reads.slice(4)).toEqual(['list 3'])
  })

  test('gives out metrics of all columns, or of those of the filter alone; equal ones of neighbours are the own of each', async () => {
    const counts = (p: number, other: number) => ({
      columnSizes: new Map([
        [1, 2 ** 40],
        [2, 7],
      ]),
      valueCounts: new Map([
        [1, p],
        [2, other],
      ]),
      nanValueCounts: new Map<number, number>(),
      upperBounds: new Map([
        [1, new Uint8Array([9, 0, 0, 0, 0, 0, 0, 0])],
        [2, new Uint8Array([200])],
      ]),
    })
    const files = [counts(10, 10), counts(10, 10), counts(10, 11), counts(300, 11), counts(10, 10)].map(
      (more, at) => file(`f${at}`, [1n], more),
    )
    const table = await tableOf(files)
    const all = await planScan(table)
    expect(all.tasks.map((task) => task.file)).toEqual(files)
    const ofNone = await planScan({ ...table, metrics: 'filter' })
    expect(ofNone.tasks.map((task) => task.file)).toEqual(files.map((one) => file(one.filePath, [1n])))
    const ofP = await planScan({ ...table, metrics: 'filter', filter: eq('p', 1n) })
    expect(ofP.tasks.map((task) => task.file.valueCounts)).toEqual(
      files.map((one) => new Map([[1, one.valueCounts!.get(1)]])),
    )
    expect(ofP.tasks[0]!.file.upperBounds).toEqual(new Map([[1, files[0]!.upperBounds!.get(1)]]))
    const manifestCache = new Map<string, readonly ManifestEntry[]>()
    await planScan({ ...table, metrics: 'filter', manifestCache })
    expect((await planScan({ ...table, manifestCache })).tasks).toEqual(all.tasks)
  })

  test('fails with the path of a manifest that is missing or damaged, also when streamed', async () => {
    const { io, metadata } = await tableOf(...commits)
    await io.write('200 0 data', Uint8Array.of(1, 2, 3))
    await expect(planScan({ io, metadata })).rejects.toMatchObject({
      kind: 'data-invalid',
      message: expect.stringContaining('200 0 data') as string,
    })
    await io.delete('200 0 data')
    const stream = async () => {
      const paths: string[] = []
      for await (const task of planFiles({ io, metadata })) paths.push(task.file.filePath)
      return paths
    }
    await expect(stream()).rejects.toMatchObject({ kind: 'not-found' })
  })

  test('reads the manifests that a v1 snapshot names itself', async () => {
    const { io, metadata } = await tableOf(...commits)
    const snapshot: Snapshot = {
      'snapshot-id': toSnapshotId(100),
      'sequence-number': 0,
      'timestamp-ms': 0,
      manifests: ['100 0 data', '200 1 data'],
    }
    const manifests = await readManifests(io, metadata, snapshot)
    expect(manifests).toMatchObject([
      { partitionSpecId: 0, addedFilesCount: 1, addedRowsCount: 10 },
      { partitionSpecId: 1, addedFilesCount: 1, addedSnapshotId: 100n },
    ])
    const v1 = { ...metadata, snapshots: [snapshot, ...metadata.snapshots.slice(1)] }
    const { tasks } = await planScan({ io, metadata: v1, target: { kind: 'snapshot', snapshotId: 100n } })
    expect(tasks.map((task) => [task.file.filePath, task.sequenceNumber])).toEqual([
      ['a', 0],
      ['c', 0],
    ])
  })
})
