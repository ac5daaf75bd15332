import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { createDuckDBEngine } from '../../engine/duckdb/duckdb-engine.js'
import { createRewriter } from '../../engine/duckdb/rewriter.js'
import type { Table } from '../../engine/table/table.js'
import { eq, gtEq } from '../../iceberg/expr/expression.js'
import { compactTable } from '../../iceberg/maintain/compact.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { catalog, createTable, engine, folder } from './table-support.js'

afterAll(() => rmSync(folder, { recursive: true, force: true }))

let ids = 2n ** 59n
const lowMemory = createDuckDBEngine({ tempDirectory: `${folder}/spill`, threads: 2 })

function compact(
  { identifier }: Table,
  more: Partial<Parameters<typeof compactTable>[0]> = {},
): ReturnType<typeof compactTable> {
  return compactTable({
    ...{ catalog, identifier, rewriter: createRewriter(engine), now: Date.now, newUuid: randomUUID },
    newSnapshotId: () => toSnapshotId(++ids),
    minInputFiles: 2,
    ...more,
  })
}

async function tasksOf({ identifier }: Table) {
  const { metadata } = await catalog.loadTable(identifier)
  return (await planScan({ metadata, io: catalog.io })).tasks
}

async function rowsOf(table: Table): Promise<readonly string[]> {
  const { metadata } = await catalog.loadTable(table.identifier)
  const { schema, tasks } = await planScan({ metadata, io: catalog.io })
  const session = await engine.openSession()
  try {
    await session.addRelation({ kind: 'scan', name: 'r', schema, tasks, metadata })
    const { rows } = await session.query(`SELECT concat_ws(' ', id, kind, "at") AS row FROM r ORDER BY id`)
    return rows.map((row) => row['row'] as string)
  } finally {
    await session.close()
  }
}

const sql = (from: number, to: number) =>
  `SELECT range AS id, CASE range % 3 WHEN 0 THEN 'a' WHEN 1 THEN '' END AS kind,
     epoch_ms(range * 40000000 - 86400000)::TIMESTAMP AS "at", range / 3 AS x, NULL::VARCHAR AS "Odd ""name"", it's"
   FROM range(${from}, ${to})`

describe('a compaction of a table whose partitioning changed', () => {
  test('moves every old file to the new spec, rows and deletes unharmed', async () => {
    const table = await createTable('evolved', { 'write.delete.mode': 'merge-on-read' })
    await table.append({ sql: sql(0, 30) })
    await table.append({ sql: sql(30, 60) })
    await table.evolve()
    await table.append({ sql: sql(60, 70) })
    await table.delete(eq('id', 7n))
    const before = await rowsOf(table)
    const kept = await compact(table, { keepOldSpecs: true, minInputFiles: 100, deleteFileThreshold: 100 })
    expect(kept).toMatchObject({ groups: 0 })
    expect(await compact(table)).toMatchObject({ conflict: false })
    const tasks = await tasksOf(table)
    expect(new Set(tasks.map(({ file }) => file.specId))).toEqual(new Set([1]))
    expect(await rowsOf(table)).toEqual(before)
    // Each file is of one partition: a filter by it finds the very rows.
    for (const { file } of tasks) expect(file.partition).toHaveLength(3)
    expect(await compact(table, { minInputFiles: 5 })).toMatchObject({ groups: 0 })
  })

  test('with a filter rewrites only files that may hold its rows', async () => {
    const table = await createTable('unpartitioned')
    for (const from of [0, 10, 100, 110]) await table.append({ sql: sql(from, from + 10) })
    const untouched = (await tasksOf(table)).map(({ file }) => file.filePath).slice(0, 4)
    expect(await compact(table, { filter: gtEq('id', 100n) })).toMatchObject({ removedFiles: 2 })
    const after = (await tasksOf(table)).map(({ file }) => file.filePath)
    expect(untouched.filter((path) => after.includes(path))).toHaveLength(2)
    expect(await rowsOf(table)).toHaveLength(40)
  })
})

test('hundreds of equality delete files are applied in one rewrite under a small memory limit', async () => {
  const table = await createTable('unpartitioned')
  const rowCount = 24_000
  await table.append({ sql: sql(0, rowCount) })
  const { metadata } = await catalog.loadTable(table.identifier)
  const { tasks } = await planScan({ metadata, io: catalog.io })
  const session = await engine.openSession()
  const small = createRewriter({
    openSession: (options) => lowMemory.openSession({ ...options, memoryLimitBytes: 256 * 1024 * 1024 }),
  })
  try {
    const keys = { type: 'struct', 'schema-id': 0, fields: [metadata.schemas[0]!.fields[0]!] } as const
    const deletes: DataFile[] = []
    for (let at = 0; at < 585; at += 1) {
      const { files: made } = await session.write(
        `SELECT range AS id FROM range(${at * 20}, ${at * 20 + 10})`,
        target(keys),
      )
      deletes.push(
        ...made.map((file) => ({ ...file, content: 'equality-deletes' as const, equalityIds: [1] })),
      )
    }
    const done = await small.rewrite({
      tasks: tasks.map((task) => ({ ...task, deletes })),
      metadata,
      schema: metadata.schemas[0]!,
      spec: metadata['partition-specs'][0]!,
      dataLocation: `${metadata.location}/data`,
      targetFileSizeBytes: 1e9,
    })
    const rows = done.reduce((sum, file) => sum + file.recordCount, 0)
    expect(rows).toBe(rowCount - 585 * 10)
  } finally {
    await session.close()
  }
})

function target(schema: Parameters<typeof createTable>[2] & object) {
  const dataLocation = `file://${folder}/deletes/data`
  return { schema, spec: { 'spec-id': 0, fields: [] }, dataLocation, orderBy: [] }
}
