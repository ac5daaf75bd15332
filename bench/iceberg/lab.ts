import { randomBytes, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { createDuckDBEngine } from '../../engine/duckdb/duckdb-engine.js'
import type { Engine } from '../../engine/engine.js'
import { openTable } from '../../engine/table/open-table.js'
import type { Table } from '../../engine/table/table.js'
import type { Catalog } from '../../iceberg/catalog/catalog.js'
import { openSqliteCatalog } from '../../iceberg/catalog/sqlite.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import { toSnapshotId, type SnapshotId } from '../../iceberg/spec/snapshot.js'

/** The catalog that all measurements share, as one process has it open. */
export interface Lab {
  readonly folder: string
  readonly catalog: Catalog
  readonly engine: Engine
  readonly now: () => number
  readonly newUuid: () => string
  readonly newSnapshotId: () => SnapshotId
  table(name: string): Table
}

/** `none` flushes nothing: for tables that are only set up. */
export function openLab(folder: string, durability: 'fsync' | 'none' = 'fsync'): Lab {
  const now = Date.now
  const io = new LocalFileIO({ durability })
  const catalog = openSqliteCatalog({
    name: 'lab',
    path: join(folder, 'catalog.db'),
    warehouse: join(folder, 'warehouse'),
    io,
    now,
    newUuid: randomUUID,
  })
  const engine = createDuckDBEngine({ tempDirectory: join(folder, 'spill') })
  return {
    folder,
    catalog,
    engine,
    now,
    newUuid: randomUUID,
    newSnapshotId: () => toSnapshotId((randomBytes(8).readBigUInt64BE() >> 1n) | 1n),
    table: (name) => openTable({ catalog, engine, identifier: name }),
  }
}
