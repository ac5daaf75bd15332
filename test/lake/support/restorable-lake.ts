import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDuckDBEngine } from '../../../engine/duckdb/duckdb-engine.js'
import { createRewriter } from '../../../engine/duckdb/rewriter.js'
import { openSqliteCatalog } from '../../../iceberg/catalog/sqlite.js'
import { LocalFileIO } from '../../../iceberg/io/local.js'
import { runSql } from '../../../lake/query/sql.js'
import type { LakeDeps } from '../../../schemas/lake-deps.js'
import type { Pipeline } from '../../../schemas/pipeline.js'
import { CrashPoint, crashingCatalog, crashingIO } from './crashing.js'
import { testLake, type TestLake } from './lake.js'

/** A lake that can be put back to where it was saved, at the same place, with everything opened anew. */
export interface RestorableLake {
  readonly lake: TestLake
  save(): void
  restore(): void
}

/** As `testLake`, with the catalog in SQLite. */
export function restorableLake(pipelines: readonly Pipeline[]): RestorableLake {
  const folder = mkdtempSync(join(tmpdir(), 'firn-restorable-'))
  const [root, saved] = [join(folder, 'lake'), join(folder, 'saved')]
  const template = testLake(pipelines)
  const crash = new CrashPoint()
  const engine = createDuckDBEngine({ tempDirectory: join(folder, 'tmp'), threads: 1 })
  mkdirSync(root)
  const open = () => {
    const { now, newUuid } = template.deps
    const io = crashingIO(new LocalFileIO({ durability: 'none' }), crash)
    const warehouse = `file://${root}/warehouse`
    return openSqliteCatalog({ path: join(root, 'catalog.db'), name: 'firn', warehouse, io, now, newUuid })
  }
  let catalog = open()
  const lake: TestLake = {
    ...template,
    crash,
    get catalog() {
      return catalog
    },
    get deps(): LakeDeps {
      return {
        ...template.deps,
        engine,
        rewriter: createRewriter(engine),
        warehouse: `file://${root}/warehouse`,
        catalog: crashingCatalog(catalog, crash),
      }
    },
    rows: async (table, orderBy) => {
      const order = orderBy === undefined ? '' : ` ORDER BY ${orderBy}`
      return (await runSql(lake.deps, { sql: `SELECT * FROM ${table}${order}` })).rows
    },
    close() {
      catalog.close()
      template.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return {
    lake,
    save() {
      catalog.close()
      cpSync(root, saved, { recursive: true })
      catalog = open()
    },
    restore() {
      crash.revive()
      catalog.close()
      rmSync(root, { recursive: true, force: true })
      cpSync(saved, root, { recursive: true })
      catalog = open()
    },
  }
}
