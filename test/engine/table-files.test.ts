import { rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { describe, expect, test } from 'vitest'
import { eq, gtEq } from '../../iceberg/expr/expression.js'
import { toLocalPath } from '../../iceberg/io/location.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { decodeValue } from '../../iceberg/spec/single-value.js'
import type { Row } from '../../engine/engine.js'
import type { Table } from '../../engine/table/table.js'
import {
  catalog,
  createTable,
  folder,
  ODD,
  range,
  read,
  reopen,
  rowOf,
  rowsOf,
  SCHEMA,
} from './table-support.js'

async function liveFiles(table: Table) {
  const { metadata } = await catalog.loadTable(table.identifier)
  return (await planScan({ metadata, io: catalog.io })).tasks
}

describe('files that changes write', () => {
  test('position deletes are of one data file each, in its partition, by reserved field ids', async () => {
    const table = await createTable('partitioned')
    await table.append(rowsOf(range(0, 40)).map((row) => ({ ...row, at: null })))
    const { deleteFiles, addedFiles } = await table.delete(
      { sql: 'id BETWEEN 10 AND 25' },
      { mode: 'merge-on-read' },
    )
    expect(addedFiles).toEqual([])
    const byPath = new Map((await liveFiles(table)).map(({ file }) => [file.filePath, file]))
    expect(deleteFiles.length).toBeGreaterThan(1)
    for (const file of deleteFiles) {
      const data = byPath.get(file.referencedDataFile ?? '')
      expect(file).toMatchObject({
        content: 'position-deletes',
        specId: data?.specId,
        partition: data?.partition,
      })
      expect(dirname(file.filePath)).toBe(dirname(data?.filePath ?? ''))
      const bounds = [file.lowerBounds, file.upperBounds].map((map) =>
        decodeValue('string', map!.get(2147483546)!),
      )
      expect(bounds).toEqual([data?.filePath, data?.filePath])
      const query = `SELECT name, field_id FROM parquet_schema('${toLocalPath(file.filePath)}') WHERE field_id IS NOT NULL`
      expect(await duckdb(query)).toEqual([
        ['file_path', 2147483546n],
        ['pos', 2147483545n],
      ])
      const rows = await duckdb(`SELECT file_path, pos FROM '${toLocalPath(file.filePath)}'`)
      const positions = rows.map((row) => Number(row[1]))
      expect(positions).toEqual([...positions].sort((a, b) => a - b))
      expect(new Set(rows.map((row) => row[0]))).toEqual(new Set([data?.filePath]))
      expect(file.recordCount).toBe(rows.length)
    }
  })

  test('files that lose all their rows go whole, without a read where metrics or partitions say so', async () => {
    const table = await createTable('partitioned')
    const { addedFiles } = await table.append(rowsOf(range(0, 40)))
    for (const file of addedFiles) rmSync(toLocalPath(file.filePath))
    const result = await table.delete(eq('kind', 'ö'), { mode: 'merge-on-read' })
    expect([result.deletedRows, result.deleteFiles, result.addedFiles]).toEqual([10, [], []])
    expect(result.removedFiles.length).toBe(addedFiles.filter((file) => file.partition[0] === 'ö').length)
    expect((await table.delete(gtEq('id', 0n))).deletedRows).toBe(30)
    expect(await liveFiles(table)).toEqual([])
  })

  test('in merge-on-read a file is dropped once its last rows are deleted', async () => {
    const table = await createTable('unpartitioned')
    await table.append(rowsOf(range(0, 10)))
    for (const id of range(0, 9)) await table.delete({ sql: `id = ${id}` }, { mode: 'merge-on-read' })
    const last = await table.delete({ sql: 'id >= 9' }, { mode: 'merge-on-read' })
    expect([last.removedFiles.length, last.deleteFiles.length, last.deletedRows]).toEqual([1, 0, 1])
    expect(await liveFiles(table)).toEqual([])
  })

  test('only files with rows that change are written anew', async () => {
    const table = await createTable('unpartitioned')
    for (const from of [0, 100, 200, 300]) await table.append(rowsOf(range(from, from + 50)))
    const result = await table.upsert([rowOf(110, 1), rowOf(120), rowOf(500)], { mode: 'copy-on-write' })
    expect(result.removedFiles).toHaveLength(1)
    expect(result.removedFiles[0]?.recordCount).toBe(50)
  })

  test('a key that moved to another partition is found there', async () => {
    const table = await createTable('partitioned')
    await table.append(rowsOf(range(0, 8)))
    for (const mode of ['copy-on-write', 'merge-on-read'] as const) {
      const moved = { ...rowOf(3), kind: mode, at: 1n }
      await table.upsert([moved], { mode })
      expect((await read(table))[3]).toEqual(moved)
    }
    expect(await read(table)).toHaveLength(8)
  })

  test('target size, sort order and metrics are the table’s', async () => {
    const identifier = (
      await createTable('unpartitioned', {
        'write.target-file-size-bytes': '40000',
        'write.metadata.metrics.default': 'counts',
        'write.metadata.metrics.column.id': 'full',
        'write.metadata.metrics.column.kind': 'none',
      })
    ).identifier
    const field = {
      'source-id': 4,
      transform: 'identity',
      direction: 'desc',
      'null-order': 'nulls-first',
    } as const
    await catalog.commit([
      {
        identifier,
        requirements: [],
        updates: [
          { action: 'add-sort-order', 'sort-order': { 'order-id': 1, fields: [field] } },
          { action: 'set-default-sort-order', 'sort-order-id': -1 },
        ],
      },
    ])
    const table = reopen(identifier)
    const { addedFiles } = await table.append({
      sql: `SELECT i AS id, md5(i::VARCHAR) AS kind, NULL AS "at", hash(i) % 1000 / 7 AS x, NULL AS "Odd ""name"", it's" FROM range(20000) r(i)`,
    })
    expect(addedFiles.length).toBeGreaterThan(3)
    for (const file of addedFiles) {
      expect(file.sortOrderId).toBe(1)
      expect(file.fileSizeInBytes).toBeLessThan(80_000)
      expect([...(file.lowerBounds?.keys() ?? [])]).toEqual([1])
      expect(file.valueCounts?.has(2)).toBe(false)
      const rows = await duckdb(`SELECT x FROM '${toLocalPath(file.filePath)}'`)
      const values = rows.map((row) => Number(row[0]))
      expect(values).toEqual([...values].sort((a, b) => b - a))
    }
  })
})

describe('dynamic partition overwrite', () => {
  test('replaces what the source has rows of, on an empty table too', async () => {
    const table = await createTable('partitioned')
    const first = rowsOf(range(0, 12)).map((row): Row => ({ ...row, at: null }))
    await table.overwritePartitions(first)
    expect(await read(table)).toEqual(first)
    const again = { ...rowOf(100), kind: first[1]?.['kind'] ?? null, at: null }
    const bucket = (await liveFiles(table)).find(({ file }) => file.partition[0] === again.kind)
    expect(bucket).toBeDefined()
    await table.overwritePartitions([again])
    const left = await read(table)
    expect(left).toContainEqual(again)
    expect(left.length).toBeLessThan(13)
  })

  test('after a change of the spec, rows of older files that lie in other partitions stay', async () => {
    const table = await createTable('evolved')
    const old = rowsOf(range(0, 20)).map((row): Row => ({ ...row, at: null }))
    await table.append(old)
    await table.evolve()
    const fresh = old.filter((row) => row['kind'] === 'a/b').map((row) => ({ ...row, x: 77 }))
    await table.overwritePartitions(fresh)
    expect(await read(table)).toEqual(old.map((row) => (row['kind'] === 'a/b' ? { ...row, x: 77 } : row)))
    await table.overwritePartitions([])
    expect(await read(table)).toHaveLength(20)
  })
})

describe('add files', () => {
  const COLUMNS = `i AS id, 'k' AS kind, TIMESTAMP '1969-12-31' AS "at", i / 2 AS x, NULL::VARCHAR AS "Odd ""name"", it's"`
  let files = 0
  const parquet = async (sql: string, more = ''): Promise<string> => {
    const path = `${folder}/added-${files++}${more}.parquet`
    await duckdb(`COPY (${sql}) TO '${path}' (FORMAT parquet)`)
    return `file://${path}`
  }

  test('of another table, with field ids, as they are', async () => {
    const from = await createTable('unpartitioned')
    const { addedFiles } = await from.append(rowsOf(range(0, 20)))
    const table = await createTable('unpartitioned')
    const result = await table.addFiles(addedFiles.map((file) => file.filePath))
    expect(result.addedRows).toBe(20)
    expect(await read(table)).toEqual(rowsOf(range(0, 20)))
    for (const name of ['valueCounts', 'nullValueCounts', 'nanValueCounts'] as const) {
      expect(result.addedFiles[0]?.[name]).toEqual(addedFiles[0]?.[name])
    }
  })

  test('without field ids, by a name mapping that stays when columns are added; then they are rows as all others', async () => {
    const table = await createTable('unpartitioned')
    const location = await parquet(`SELECT ${COLUMNS} FROM range(10) r(i)`)
    const [file] = (await table.addFiles([location])).addedFiles as readonly [DataFile]
    expect(file.filePath).toBe(location)
    expect(decodeValue('long', file.upperBounds!.get(1)!)).toBe(9n)
    expect(await table.rows({ filter: gtEq('id', 8n), select: ['id', 'kind'] })).toEqual([
      { id: 8n, kind: 'k' },
      { id: 9n, kind: 'k' },
    ])
    await table.delete({ sql: 'id < 5' }, { mode: 'merge-on-read' })
    await table.upsert([{ id: 9n, kind: 'new' }], { mode: 'merge-on-read' })
    expect((await read(table)).map((row) => row['kind'])).toEqual(['k', 'k', 'k', 'k', 'new'])
  })

  test('in the one partition that their rows lie in', async () => {
    const table = await createTable('partitioned')
    const location = await parquet(`SELECT ${COLUMNS} FROM (VALUES (6)) r(i)`)
    const { addedFiles } = await table.addFiles([location])
    expect(addedFiles[0]?.partition.slice(0, 2)).toEqual(['k', -1])
    expect(await table.rows({ filter: eq('kind', 'k') })).toHaveLength(1)
    expect(await table.rows({ filter: eq('id', 6n) })).toHaveLength(1)
    const two = await parquet(`SELECT ${COLUMNS} FROM range(2) r(i)`)
    await expect(table.addFiles([two])).rejects.toThrow(/several partitions of id_bucket/)
    const nulls = await parquet(
      `SELECT * REPLACE (nullif(kind, 'k') AS kind) FROM (SELECT ${COLUMNS} FROM (VALUES (6)) r(i))`,
    )
    expect((await table.addFiles([nulls])).addedFiles[0]?.partition[0]).toBeNull()
  })

  test('with partition values from their folders', async () => {
    const table = await createTable('partitioned')
    await duckdb(
      `COPY (SELECT * REPLACE ('a b' AS kind) FROM (SELECT ${COLUMNS} FROM (VALUES (6)) r(i))) TO '${folder}/hive' (FORMAT parquet, PARTITION_BY (kind))`,
    )
    const location = `file://${folder}/hive/kind=a%20b/data_0.parquet`
    await expect(table.addFiles([location], { hivePaths: false })).rejects.toThrow(/no column 'kind'/)
    expect((await table.addFiles([location])).addedFiles[0]?.partition[0]).toBe('a b')
    expect((await table.rows()).map((row) => row['kind'])).toEqual(['a b'])
  })

  test.each([
    [`SELECT ${COLUMNS}, 1 AS more FROM range(3) r(i)`, /column 'more', which the table lacks/],
    [
      `SELECT * REPLACE ('1' AS id) FROM (SELECT ${COLUMNS} FROM range(3) r(i))`,
      /VARCHAR as column 'id' of type long/,
    ],
    [`SELECT * EXCLUDE (id) FROM (SELECT ${COLUMNS} FROM range(3) r(i))`, /required column 'id' is absent/],
    [`SELECT * REPLACE (nullif(id, 1) AS id) FROM (SELECT ${COLUMNS} FROM range(3) r(i))`, /null in 1 rows/],
    [`SELECT ${COLUMNS} FROM range(0) r(i)`, /has no rows/],
  ])('refuses %s', async (sql, message) => {
    const table = await createTable('unpartitioned')
    await expect(table.addFiles([await parquet(sql)])).rejects.toThrow(message)
    expect(await liveFiles(table)).toEqual([])
  })

  test('refuses files that are there already, also if another adds them meanwhile', async () => {
    const table = await createTable('unpartitioned')
    const location = await parquet(`SELECT ${COLUMNS} FROM range(3) r(i)`)
    await expect(table.addFiles([location, location])).rejects.toMatchObject({ kind: 'already-exists' })
    const both = await Promise.allSettled([
      table.addFiles([location]),
      reopen(table.identifier).addFiles([location]),
    ])
    expect(both.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected'])
    await expect(table.addFiles([location])).rejects.toMatchObject({ kind: 'already-exists' })
    expect(await table.rows()).toHaveLength(3)
  })
})

describe('refusals say what to do', () => {
  test('upsert: duplicate keys, null keys, no key', async () => {
    const table = await createTable('unpartitioned')
    await expect(table.upsert(rowsOf([1, 2, 1, 2, 3]))).rejects.toThrow(
      /\(id\) more than once: \([12]\) 2 times/,
    )
    await expect(table.upsert([{ kind: 'x', id: null }])).rejects.toThrow(/1 rows of the source have null/)
    await expect(table.upsert(rowsOf([1]), { key: ['nope'] })).rejects.toThrow(/'nope' cannot be a key/)
    const keyless = await createTable(
      'unpartitioned',
      {},
      { type: 'struct', 'schema-id': 0, fields: SCHEMA.fields },
    )
    await expect(keyless.upsert(rowsOf([1]))).rejects.toThrow(/no identifier fields/)
    await keyless.upsert(rowsOf([1, 2]), { key: ['id', ODD] })
    expect((await keyless.upsert(rowsOf([1, 2], 1), { key: ['id', ODD] })).addedRows).toBe(2)
  })

  test('merge: two source rows for one target row, unless only one of them changes it', async () => {
    const table = await createTable('unpartitioned')
    await table.append(rowsOf([1, 2]))
    const merge = {
      source: { sql: `SELECT 1 AS id, unnest(['a', 'b']) AS v` },
      on: 'target.id = source.id',
    }
    await expect(table.merge({ ...merge, whenMatched: [{ update: { kind: 'source.v' } }] })).rejects.toThrow(
      /2 rows of the source want to change one row/,
    )
    await table.merge({ ...merge, whenMatched: [{ when: `source.v = 'b'`, update: { kind: 'source.v' } }] })
    expect(await read(table)).toEqual([{ ...rowOf(1), kind: 'b' }, rowOf(2)])
    await expect(table.merge({ ...merge, on: [] })).rejects.toThrow(/columns to merge on/)
    const all = [{ update: 'all' }] as const
    await expect(table.merge({ ...merge, whenNotMatchedBySource: all })).rejects.toThrow(/name the columns/)
  })

  test('misspelt columns, null in required ones, unknown settings', async () => {
    const table = await createTable('unpartitioned', { 'write.delete.mode': 'fast' })
    await expect(table.append([{ id: 1n, knid: 'x' }])).rejects.toThrow(
      /column 'knid', which the table lacks/,
    )
    await expect(table.append([{ kind: 'x' }])).rejects.toThrow(/'id' is required/)
    await table.append(rowsOf([1]))
    await expect(table.update({ where: { sql: 'true' }, set: { id: 'NULL' } })).rejects.toThrow(
      /'id' is required/,
    )
    await expect(table.update({ where: { sql: 'true' }, set: { nope: '1' } })).rejects.toThrow(
      /no column nope/,
    )
    await expect(table.delete({ sql: 'id = 1' })).rejects.toThrow(/write.delete.mode is 'fast'/)
    expect(await read(table)).toEqual(rowsOf([1]))
  })
})

async function duckdb(sql: string): Promise<readonly (readonly unknown[])[]> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    return (await connection.runAndReadAll(sql)).getRows()
  } finally {
    connection.disconnectSync()
  }
}
