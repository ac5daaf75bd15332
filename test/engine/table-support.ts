import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDuckDBEngine } from '../../engine/duckdb/duckdb-engine.js'
import type { Engine, Row } from '../../engine/engine.js'
import { openTable } from '../../engine/table/open-table.js'
import type { Table } from '../../engine/table/table.js'
import { MemoryCatalog } from '../../iceberg/catalog/memory.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import type { Transform } from '../../iceberg/spec/partition-spec.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { randomUUID } from 'node:crypto'

export const folder = mkdtempSync(join(tmpdir(), 'firn-table-'))
export const engine = createDuckDBEngine({ tempDirectory: join(folder, 'temp'), threads: 2 })
export const catalog = new MemoryCatalog({
  name: 'm',
  warehouse: `file://${folder}/warehouse`,
  io: new LocalFileIO({ durability: 'none' }),
  now: Date.now,
  newUuid: randomUUID,
})

/** Columns of many kinds, one with a name that needs quoting. */
export const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  'identifier-field-ids': [1],
  fields: [
    { id: 1, name: 'id', required: true, type: 'long' },
    { id: 2, name: 'kind', required: false, type: 'string' },
    { id: 3, name: 'at', required: false, type: 'timestamp' },
    { id: 4, name: 'x', required: false, type: 'double' },
    { id: 5, name: 'Odd "name", it\'s', required: false, type: 'string' },
  ],
}
export const ODD = 'Odd "name", it\'s'

/** How a table of the tests is laid out. `evolved` begins unpartitioned and is partitioned later. */
export type Layout = 'unpartitioned' | 'partitioned' | 'evolved'
export const LAYOUTS: readonly Layout[] = ['unpartitioned', 'partitioned', 'evolved']
export const MODES = ['copy-on-write', 'merge-on-read'] as const

const FIELDS: readonly (readonly [number, string, Transform])[] = [
  [2, 'kind', 'identity'],
  [3, 'at_day', 'day'],
  [1, 'id_bucket', 'bucket[4]'],
]

let tables = 0
let ids = 2n ** 60n

export interface TestTable extends Table {
  /** Partitions the table from now on as the layout `partitioned` is. */
  evolve(): Promise<void>
}

export async function createTable(
  layout: Layout,
  properties: Readonly<Record<string, string>> = {},
  schema: Schema = SCHEMA,
): Promise<TestTable> {
  if (tables === 0) await catalog.createNamespace('t')
  const identifier = { namespace: 't', name: `table_${tables++}` }
  await catalog.createTable({
    identifier,
    schema,
    properties,
    ...(layout === 'partitioned' && { partitionSpec: specOf(0) }),
  })
  return {
    ...reopen(identifier),
    evolve: async () => {
      await catalog.commit([
        {
          identifier,
          requirements: [],
          updates: [
            { action: 'add-spec', spec: specOf(1) },
            { action: 'set-default-spec', 'spec-id': -1 },
          ],
        },
      ])
    },
  }
}

/** A table as another process opens it. */
export function reopen(identifier: Table['identifier']): Table {
  return openTable({ catalog, engine, identifier, newSnapshotId: () => toSnapshotId(++ids) })
}

/** A table whose head `disturb` moves between each computation and its commit. */
export function disturbing(identifier: Table['identifier'], disturb: () => Promise<void>): Table {
  const watched: Engine = {
    openSession: async (options) => {
      const session = await engine.openSession(options)
      const close = session.close.bind(session)
      session.close = async () => {
        await close()
        await disturb()
      }
      return session
    },
  }
  return openTable({ catalog, engine: watched, identifier, newSnapshotId: () => toSnapshotId(++ids) })
}

function specOf(id: number) {
  return {
    'spec-id': id,
    fields: FIELDS.map(([source, name, transform], at) => ({
      'source-id': source,
      'field-id': 1000 + at,
      name,
      transform,
    })),
  }
}

/** A row by its id alone: nulls, NaN, empty text and days before 1970 come round. */
export function rowOf(id: number, change = 0): Row {
  return {
    id: BigInt(id),
    kind: [null, '', 'a/b', 'ö'][id % 4] ?? null,
    at: id % 5 === 0 ? null : BigInt(id - 3) * 43_200_000_000n,
    x: id % 7 === 0 ? NaN : id % 6 === 0 ? null : id / 2 + change,
    [ODD]: id % 3 === 0 ? null : `o${id}-${change}`,
  }
}

export function rowsOf(ids: Iterable<number>, change = 0): readonly Row[] {
  return [...ids].map((id) => rowOf(id, change))
}

export function range(from: number, end: number): readonly number[] {
  return Array.from({ length: end - from }, (_, at) => from + at)
}

/** The table's rows, by id. */
export async function read(table: Table): Promise<readonly Row[]> {
  return sorted(await table.rows({ limit: 1_000_000 }))
}

export function sorted(rows: readonly Row[]): readonly Row[] {
  return [...rows].sort((a, b) => Number(a['id']) - Number(b['id']))
}
