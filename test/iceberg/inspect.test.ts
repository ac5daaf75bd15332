import { beforeAll, describe, expect, test } from 'vitest'
import type { TableIdentifier, LoadedTable } from '../../iceberg/catalog/catalog.js'
import { MemoryCatalog } from '../../iceberg/catalog/memory.js'
import { updateSpec } from '../../iceberg/evolve/evolve-table.js'
import { humanPartition } from '../../iceberg/inspect/human-partition.js'
import type { InspectRow } from '../../iceberg/inspect/inspect-row.js'
import { METADATA_TABLES, metadataTable } from '../../iceberg/inspect/metadata-table.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import type { ScanTarget } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { Transform } from '../../iceberg/spec/partition-spec.js'
import { encodeValue } from '../../iceberg/spec/single-value.js'
import { NEVER_EXPIRES_MS, toSnapshotId } from '../../iceberg/spec/snapshot.js'
import type { PrimitiveType, Schema, Value } from '../../iceberg/spec/type.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'

const T: TableIdentifier = { namespace: 'n', name: 't' }
const START = 1_800_000_000_000
const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'day', required: false, type: 'date' },
    { id: 2, name: 'price', required: false, type: 'decimal(9, 2)' },
  ],
}
const FIRST = toSnapshotId(2n ** 62n + 1n)
const SECOND = toSnapshotId(2n ** 62n + 2n)

let loaded: LoadedTable
let io: MemoryFileIO

const file = (name: string, specId: number, partition: (Value | null)[]): DataFile => ({
  content: 'data',
  filePath: `memory://w/${name}`,
  fileFormat: 'parquet',
  specId,
  partition,
  recordCount: 10,
  fileSizeInBytes: 100,
  valueCounts: new Map([[1, 10]]),
  lowerBounds: new Map([[2, encodeValue('decimal(9, 2)', -150n)]]),
  splitOffsets: [4],
})

beforeAll(async () => {
  let counter = 0
  let ms = START
  const newUuid = () => `00000000-0000-4000-8000-${(++counter).toString(16).padStart(12, '0')}`
  const now = () => ++ms
  io = new MemoryFileIO()
  const catalog = new MemoryCatalog({ name: 'c', warehouse: 'memory://w', io, now, newUuid })
  await catalog.createNamespace('n')
  await catalog.createTable({
    identifier: T,
    schema: SCHEMA,
    partitionSpec: {
      'spec-id': 0,
      fields: [{ 'source-id': 1, 'field-id': 1000, name: 'day_month', transform: 'month' }],
    },
  })
  const commit = (snapshotId: typeof FIRST, ...files: DataFile[]) =>
    commitTransaction({
      catalog,
      now,
      newUuid,
      changes: [{ identifier: T, snapshotId, change: { kind: 'append', files } }],
    })
  await commit(FIRST, file('a', 0, [-1]), file('b', 0, [null]))
  await changeRefs({
    catalog,
    now,
    newUuid,
    tables: [{ identifier: T, changes: [{ kind: 'create-tag', name: 'v1' }] }],
  })
  await updateSpec({ catalog, identifier: T, newUuid, changes: [{ kind: 'add', column: 'price' }] })
  await commit(SECOND, file('c', 1, [-1, 250n]))
  loaded = await catalog.loadTable(T)
})

async function rowsOf(name: string, target?: ScanTarget): Promise<readonly InspectRow[]> {
  const rows: InspectRow[] = []
  const request = { ...loaded, io, ...(target && { target }) }
  for await (const row of metadataTable(name, request).rows()) rows.push(row)
  return rows
}

describe('metadata tables', () => {
  test('every row of every one has the columns that its schema says, in their order', async () => {
    for (const name of METADATA_TABLES) {
      const { schema } = metadataTable(name, { ...loaded, io })
      const rows = await rowsOf(name)
      if (name !== 'delete_files' && name !== 'all_delete_files') expect(rows.length, name).toBeGreaterThan(0)
      for (const row of rows) expect(Object.keys(row), name).toEqual(schema.fields.map((f) => f.name))
    }
  })

  test('history of a table: ids whole, times in µs', async () => {
    const [first, second] = await rowsOf('snapshots')
    expect(first).toMatchObject({ snapshot_id: FIRST, parent_id: null, operation: 'append' })
    expect(second).toMatchObject({ snapshot_id: SECOND, parent_id: FIRST })
    expect(first!['summary']).toContainEqual({ key: 'added-records', value: '20' })
    expect(first!['summary']).not.toContainEqual(expect.objectContaining({ key: 'operation' }))
    expect(first!['committed_at'] as bigint).toBeGreaterThan(BigInt(START) * 1000n)
    expect((await rowsOf('history')).map((row) => [row['snapshot_id'], row['is_current_ancestor']])).toEqual([
      [FIRST, true],
      [SECOND, true],
    ])
    expect(await rowsOf('refs')).toEqual([
      expect.objectContaining({
        name: 'main',
        type: 'BRANCH',
        snapshot_id: SECOND,
        max_reference_age_in_ms: null,
      }),
      expect.objectContaining({
        name: 'v1',
        type: 'TAG',
        snapshot_id: FIRST,
        max_reference_age_in_ms: NEVER_EXPIRES_MS,
      }),
    ])
    const log = await rowsOf('metadata_log_entries')
    expect(log.at(-1)).toMatchObject({
      file: loaded.metadataLocation,
      latest_snapshot_id: SECOND,
      latest_sequence_number: 2n,
    })
    expect(log[0]).toMatchObject({ latest_snapshot_id: null, latest_schema_id: null })
  })

  test('manifests tell their partitions as people read them', async () => {
    const manifests = await rowsOf('manifests')
    expect(
      manifests
        .map((row) => [row['content'], row['added_data_files_count'], row['partition_spec_id']])
        .sort(),
    ).toEqual([
      [0, 1, 1],
      [0, 2, 0],
    ])
    expect(manifests.find((row) => row['partition_spec_id'] === 1)!['partition_summaries']).toEqual([
      { contains_null: false, contains_nan: false, lower_bound: '1969-12', upper_bound: '1969-12' },
      { contains_null: false, contains_nan: false, lower_bound: '2.50', upper_bound: '2.50' },
    ])
    const all = await rowsOf('all_manifests')
    expect(all.map((row) => row['reference_snapshot_id'])).toEqual([FIRST, SECOND, SECOND])
  })

  test('files are those of a snapshot, with partitions of all specs and readable metrics', async () => {
    const files = await rowsOf('files')
    expect(files.map((row) => (row['file_path'] as string).at(-1)).sort()).toEqual(['a', 'b', 'c'])
    const byName = (name: string) => files.find((row) => (row['file_path'] as string).endsWith(name))!
    expect(byName('/a')['partition']).toEqual({ day_month: -1, price: null })
    expect(byName('/c')).toMatchObject({
      partition: { day_month: -1, price: '2.50' },
      record_count: 10n,
      split_offsets: [4n],
      value_counts: [{ key: 1, value: 10n }],
      readable_metrics: {
        day: { value_count: 10n, lower_bound: null },
        price: { value_count: null, lower_bound: '-1.50' },
      },
    })
    expect(await rowsOf('data_files')).toEqual(files)
    expect(await rowsOf('delete_files')).toEqual([])
    expect(await rowsOf('files', { kind: 'ref', ref: 'v1' })).toHaveLength(2)
    expect(await rowsOf('all_files')).toHaveLength(3)
    expect((await rowsOf('entries')).map((row) => [row['status'], row['sequence_number']]).sort()).toEqual([
      [1, 1n],
      [1, 1n],
      [1, 2n],
    ])
  })

  test('partitions count files and rows', async () => {
    const partitions = await rowsOf('partitions')
    expect(partitions).toHaveLength(3)
    expect(partitions.find((row) => row['spec_id'] === 1)).toMatchObject({
      partition: { day_month: -1, price: '2.50' },
      record_count: 10n,
      file_count: 1,
      total_data_file_size_in_bytes: 100n,
      position_delete_record_count: 0n,
      last_updated_snapshot_id: SECOND,
    })
  })

  test('an unknown one is named with those that there are', () => {
    expect(() => metadataTable('nope', { ...loaded, io })).toThrow(
      /no metadata table 'nope'; there are snapshots, history/,
    )
  })

  test.each<readonly [Transform, PrimitiveType, Value, string]>([
    ['year', 'int', -1, '1969'],
    ['month', 'int', 0, '1970-01'],
    ['day', 'date', -1, '1969-12-31'],
    ['hour', 'int', -1, '1969-12-31-23'],
    ['identity', 'date', 20_000, '2024-10-04'],
    ['identity', 'timestamp', -1n, '1969-12-31T23:59:59.999999'],
    ['identity', 'timestamptz', 0n, '1970-01-01T00:00:00.000000+00:00'],
    ['identity', 'time', 3_600_000_001n, '01:00:00.000001'],
    ['identity', 'decimal(9, 2)', -5n, '-0.05'],
    ['identity', 'long', 2n ** 62n, '4611686018427387904'],
    ['identity', 'binary', Buffer.from('ab'), 'YWI='],
    ['bucket[4]', 'int', 3, '3'],
  ])('%s of %s %s reads %s', (transform, type, value, text) => {
    expect(humanPartition(transform, type, value)).toBe(text)
  })
})
