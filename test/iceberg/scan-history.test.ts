import { beforeAll, describe, expect, test } from 'vitest'
import type { TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { MemoryCatalog } from '../../iceberg/catalog/memory.js'
import { updateProperties, updateSchema } from '../../iceberg/evolve/evolve-table.js'
import { eq, gtEq } from '../../iceberg/expr/expression.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { diffSnapshots } from '../../iceberg/scan/diff-snapshots.js'
import { planAppends } from '../../iceberg/scan/plan-appends.js'
import { planFiles, planScan } from '../../iceberg/scan/plan-scan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { headOf, resolveTarget } from '../../iceberg/spec/refs.js'
import type { Snapshot } from '../../iceberg/spec/snapshot.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import type { Change } from '../../iceberg/write/table-change.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'

const T: TableIdentifier = { namespace: 'n', name: 't' }
const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'p', required: false, type: 'int' },
    { id: 2, name: 'v', required: false, type: 'string' },
  ],
}

/** Counts what is read. */
class CountingIO extends MemoryFileIO {
  reads: string[] = []

  override read(location: string, ...rest: never[]): Promise<Uint8Array> {
    this.reads.push(location)
    return super.read(location, ...rest)
  }
}

let counter = 0
const newUuid = () => `00000000-0000-4000-8000-${(++counter).toString(16).padStart(12, '0')}`
const file = (name: string, p: number | null, rows = 10): DataFile => ({
  content: 'data',
  filePath: `memory://w/${name}`,
  fileFormat: 'parquet',
  specId: 0,
  partition: [p],
  recordCount: rows,
  fileSizeInBytes: 100,
})

async function newTable() {
  const io = new CountingIO()
  const clock = { ms: 1_800_000_000_000 }
  const now = () => ++clock.ms
  const catalog = new MemoryCatalog({ name: 'c', warehouse: 'memory://w', io, now, newUuid })
  await catalog.createNamespace('n')
  await catalog.createTable({
    identifier: T,
    schema: SCHEMA,
    partitionSpec: {
      'spec-id': 0,
      fields: [{ 'source-id': 1, 'field-id': 1000, name: 'p', transform: 'identity' }],
    },
  })
  const commit = async (change: Change, branch = 'main'): Promise<Snapshot> => {
    const snapshotId = toSnapshotId(2n ** 62n + BigInt(++counter))
    await commitTransaction({
      catalog,
      now,
      newUuid,
      changes: [{ identifier: T, branch, snapshotId, change }],
    })
    const { metadata } = await catalog.loadTable(T)
    return resolveTarget(metadata, { kind: 'snapshot', snapshotId })!
  }
  const append = (...files: readonly DataFile[]) => commit({ kind: 'append', files })
  const branch = (name: string) =>
    changeRefs({
      catalog,
      now,
      newUuid,
      tables: [{ identifier: T, changes: [{ kind: 'create-branch', name }] }],
    })
  const metadata = async () => (await catalog.loadTable(T)).metadata
  return { catalog, io, now, commit, append, branch, metadata }
}
type Table = Awaited<ReturnType<typeof newTable>>

const basisOf = async (table: Table) => headOf(await table.metadata())!['snapshot-id']
const paths = (tasks: readonly { readonly file: DataFile }[]) =>
  tasks.map(({ file: one }) => one.filePath.slice(11)).sort()

describe('the appends between two snapshots', () => {
  let table: Table
  let history: Snapshot[]
  const planned = async (from?: bigint, to?: bigint, filter = gtEq('p', 0)) =>
    paths(
      (
        await planAppends({
          metadata: await table.metadata(),
          io: table.io,
          filter,
          ...(from !== undefined && { from }),
          ...(to !== undefined && { to: { kind: 'snapshot', snapshotId: to } }),
        })
      ).tasks,
    )

  beforeAll(async () => {
    table = await newTable()
    const first = await table.append(file('a', 1), file('b', 2))
    const second = await table.append(file('c', 1))
    const basis = await basisOf(table)
    const rewritten = await table.commit({
      kind: 'rewrite',
      removed: [file('a', 1), file('c', 1)],
      added: [file('ac', 1, 20)],
      basis,
    })
    const overwritten = await table.commit({
      kind: 'overwrite-partitions',
      files: [file('d', 2)],
      basis: await basisOf(table),
    })
    const last = await table.append(file('e', 3))
    history = [first, second, rewritten, overwritten, last]
  })

  test('exclude the first, include the last, and know nothing of compactions and overwrites', async () => {
    const [first, second, rewritten, overwritten, last] = history.map((s) => s['snapshot-id'])
    expect(history.map((s) => s.summary?.operation)).toEqual([
      'append',
      'append',
      'replace',
      'overwrite',
      'append',
    ])
    expect(await planned()).toEqual(['a', 'b', 'c', 'e'])
    expect(await planned(first)).toEqual(['c', 'e'])
    expect(await planned(first, second)).toEqual(['c'])
    expect(await planned(second, overwritten)).toEqual([])
    expect(await planned(rewritten, last)).toEqual(['e'])
    expect(await planned(last)).toEqual([])
    expect(await planned(undefined, undefined, eq('p', 1))).toEqual(['a', 'c'])
  })

  test('are refused where the first is not in the past of the last', async () => {
    const [first, second] = history.map((s) => s['snapshot-id'])
    await expect(planned(second, first)).rejects.toMatchObject({
      kind: 'invalid-argument',
      message: expect.stringContaining(`${second} is no ancestor of ${first}`),
    })
    await expect(planned(42n)).rejects.toMatchObject({ kind: 'invalid-argument' })
  })
})

describe('a scan with a limit', () => {
  test('reads no more manifests than it takes to be sure of the rows', async () => {
    const table = await newTable()
    for (let n = 0; n < 40; n++) await table.append(file(`f${n}`, n % 4))
    const metadata = await table.metadata()
    const manifests = async (limit: number, filter = gtEq('p', 0)) => {
      table.io.reads = []
      const { tasks } = await planScan({ metadata, io: table.io, limit, filter })
      return { tasks: tasks.length, reads: table.io.reads.filter((path) => /-m\d+\.avro$/.test(path)).length }
    }
    const whole = await manifests(1_000_000)
    expect(whole.tasks).toBe(40)
    const few = await manifests(10)
    expect(few.tasks).toBe(1)
    expect(few.reads).toBeLessThanOrEqual(1)
    const more = await manifests(45)
    expect(more.tasks).toBe(5)
    expect(more.reads).toBeLessThan(Math.max(whole.reads, 2))
    expect((await manifests(0)).tasks).toBe(0)
    const streamed: string[] = []
    for await (const task of planFiles({ metadata, io: table.io, limit: 15 }))
      streamed.push(task.file.filePath)
    expect(streamed).toHaveLength(2)
  })

  test('counts no row that a filter or a delete may take away', async () => {
    const table = await newTable()
    for (let n = 0; n < 6; n++) await table.append(file(`f${n}`, n % 2))
    const metadata = await table.metadata()
    const tasksOf = async (filter: ReturnType<typeof eq>) =>
      (await planScan({ metadata, io: table.io, limit: 10, filter })).tasks.length
    expect(await tasksOf(eq('v', 'x'))).toBe(6)
    expect(await tasksOf(eq('p', 1))).toBe(1)
  })
})

test('many tables are loaded in one read of the catalog', async () => {
  const { catalog, now } = await newTable()
  await catalog.createTable({ identifier: { namespace: 'n', name: 'u' }, schema: SCHEMA })
  const both = await catalog.loadTables([T, { namespace: 'n', name: 'u' }])
  expect(both.map((table) => table.identifier.name)).toEqual(['t', 'u'])
  expect(now()).toBeGreaterThan(0)
})

describe('the difference of two snapshots', () => {
  test('is their files and rows by partition, their columns and the properties then', async () => {
    const table = await newTable()
    const first = await table.append(file('a', 1, 5), file('b', 2, 7))
    await updateSchema({
      ...table,
      identifier: T,
      newUuid,
      changes: [
        { kind: 'add', name: 'w', type: 'int' },
        { kind: 'rename', column: 'v', to: 'value' },
        { kind: 'drop', column: 'w' },
        { kind: 'add', name: 'x', type: 'date' },
      ],
    })
    await updateProperties({ ...table, identifier: T, newUuid, set: { k: '1' } })
    const second = await table.commit({
      kind: 'overwrite-partitions',
      files: [file('c', 2, 9), file('d', null, 1)],
      basis: first['snapshot-id'],
    })
    const metadata = await table.metadata()
    const diff = await diffSnapshots({ metadata, io: table.io, from: first, to: second })
    expect([
      paths(diff.added.map((one) => ({ file: one }))),
      paths(diff.removed.map((one) => ({ file: one }))),
    ]).toEqual([['c', 'd'], ['b']])
    expect([diff.addedRows, diff.removedRows]).toEqual([10, 7])
    expect(diff.partitions).toEqual([
      { specId: 0, partition: [2], addedFiles: 1, removedFiles: 1, addedRows: 9, removedRows: 7 },
      { specId: 0, partition: [null], addedFiles: 1, removedFiles: 0, addedRows: 1, removedRows: 0 },
    ])
    expect(diff.columns).toEqual([
      {
        id: 2,
        before: { name: 'v', type: 'string', required: false },
        after: { name: 'value', type: 'string', required: false },
      },
      { id: 4, after: { name: 'x', type: 'date', required: false } },
    ])
    expect(diff.properties).toEqual([{ name: 'k', after: '1' }])
    expect(diff.commonAncestor).toBe(first['snapshot-id'])
    const back = await diffSnapshots({ metadata, io: table.io, from: second, to: first })
    expect([back.addedRows, back.removedRows, back.columns.length]).toEqual([7, 10, 2])
    const none = await diffSnapshots({ metadata, io: table.io, from: second, to: second })
    expect([none.added, none.removed, none.columns, none.properties]).toEqual([[], [], [], []])
  })

  test('reaches across branches, from where they parted', async () => {
    const table = await newTable()
    const fork = await table.append(file('a', 1))
    await table.branch('dev')
    const onMain = await table.append(file('m', 1))
    const onDev = await table.commit({ kind: 'append', files: [file('d', 2, 3)] }, 'dev')
    const diff = await diffSnapshots({
      metadata: await table.metadata(),
      io: table.io,
      from: onMain,
      to: onDev,
    })
    expect([diff.addedRows, diff.removedRows, diff.commonAncestor]).toEqual([3, 10, fork['snapshot-id']])
  })
})
