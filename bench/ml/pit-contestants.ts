import { DuckDBInstance } from '@duckdb/node-api'
import { mkdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { getHistoricalFeatures } from '../../ml/pit/get-historical-features.js'
import { openLab } from '../iceberg/lab.js'
import { featureNames, pitPipeline, TTL_DAYS, viewNames, type PitLoad } from './pit-lab.js'

/** What a contestant is handed: the tables, and their files by name. */
export interface PitCourse {
  readonly folder: string
  readonly load: PitLoad
  readonly files: Readonly<Record<string, string>>
}

export interface PitResult {
  readonly seconds: number
  readonly cpu: number
  readonly rows: number
  /** Of all rows and columns, in no order; equal between those that are right. */
  readonly checksum: string
}

type Contestant = (course: PitCourse) => Promise<PitResult>

export const CONTESTANTS: Readonly<Record<string, Contestant>> = {
  firn: async ({ folder, load }) => {
    const { catalog, engine } = openLab(folder)
    const pipeline = pitPipeline(load)
    const started = start()
    const features = await getHistoricalFeatures(
      { catalog, engine, pipelines: new Map([[pipeline.name, pipeline]]) },
      {
        ...{ pipeline: pipeline.name, entityRows: { sql: 'SELECT * FROM asked' } },
        features: viewNames(load).map((name) => `${name}:*`),
      },
    )
    let rows = 0
    let sum = 0
    for await (const batch of features.toBatches()) {
      rows += batch.numRows
      for (let column = 3; column < batch.numCols; column++) {
        for (const value of batch.getChildAt(column) ?? []) sum += Number(value ?? 0)
      }
    }
    await features.close()
    return { ...started(), rows, checksum: sum.toFixed(3) }
  },
  'plain SQL': plainSql,
}

/**
 * What one would write by hand: an ASOF join for each view, one after the other, the results joined by row number. It
 * knows nothing of ties, of when rows became known, or of null keys.
 */
async function plainSql({ folder, load, files }: PitCourse): Promise<PitResult> {
  const temp = join(folder, 'plain')
  mkdirSync(temp, { recursive: true })
  const threads = String(availableParallelism())
  const instance = await DuckDBInstance.create(':memory:', { temp_directory: temp, threads })
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  const started = start()
  await connection.run(
    `CREATE TABLE asked AS SELECT row_number() OVER () AS r, * FROM '${files['asked'] ?? ''}'`,
  )
  for (const [view, name] of viewNames(load).entries()) {
    const valid = `v.event_timestamp >= e.event_timestamp - INTERVAL ${TTL_DAYS} DAY`
    const columns = featureNames(load, view).map((f) => `CASE WHEN ${valid} THEN v.${f} END AS ${f}`)
    await connection.run(`CREATE TABLE ${name} AS SELECT e.r, ${columns.join(', ')} FROM asked e
      ASOF LEFT JOIN '${files[name] ?? ''}' v ON e.user_id = v.user_id AND e.event_timestamp >= v.event_timestamp`)
  }
  const names = viewNames(load)
  const all = names.flatMap((_, view) => featureNames(load, view))
  await connection.run(`CREATE TABLE joined AS SELECT asked.* EXCLUDE (r), ${all.join(', ')} FROM asked
    ${names.map((name) => `JOIN ${name} USING (r)`).join(' ')} ORDER BY r`)
  const result = await connection.stream('SELECT * FROM joined')
  let rows = 0
  let sum = 0
  for (;;) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) break
    rows += chunk.rowCount
    for (let column = 3; column < chunk.columnCount; column++) {
      for (const value of chunk.getColumnValues(column)) sum += Number(value ?? 0)
    }
  }
  return { ...started(), rows, checksum: sum.toFixed(3) }
}

function start(): () => Pick<PitResult, 'seconds' | 'cpu'> {
  const [at, before] = [performance.now(), process.cpuUsage()]
  return () => {
    const { user, system } = process.cpuUsage(before)
    return { seconds: (performance.now() - at) / 1000, cpu: (user + system) / 1e6 }
  }
}
