import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Pipeline } from '../schemas/pipeline.js'

/**
 * The peer: the pipeline's own SELECTs on plain DuckDB over the JSON files, each result written to one Parquet file. No
 * landing, no identity, no partitions, no metrics, no commit: what the rows themselves cost.
 */
export async function runBareDuckDB(
  pipeline: Pipeline,
  options: { readonly files: string; readonly out: string; readonly order: readonly string[] },
): Promise<void> {
  mkdirSync(options.out, { recursive: true })
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  await connection.run("SET TimeZone = 'UTC'")
  await connection.run(`CREATE TEMP TABLE experiments AS SELECT *, md5(filename) AS _record_id, filename AS _path
    FROM read_json('${options.files}', filename = true, maximum_object_size = 67108864, union_by_name = true, sample_size = -1)`)
  await connection.run(`CREATE TEMP TABLE batch AS SELECT '20260701T020000Z' AS batch_id, '${pipeline.name}' AS pipeline,
    TIMESTAMPTZ '2026-07-01 02:00:00+00' AS processing_timestamp, DATE '2026-07-01' AS processing_date`)
  for (const table of options.order) {
    const { sql, key } = pipeline.tables[table] ?? {}
    if (sql === undefined || key === undefined) continue
    await connection.run(`CREATE TEMP TABLE ${table} AS ${pipeline.sqlTexts[sql] ?? ''}`)
    await connection.run(
      `COPY (SELECT * FROM ${table} ORDER BY ${key.join(', ')}) TO '${join(options.out, `${table}.parquet`)}' (FORMAT parquet, COMPRESSION zstd)`,
    )
  }
  connection.closeSync()
}
