import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { EngineSession } from '../../engine/engine.js'
import { createDuckDBEngine } from '../../engine/index.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import { toLocalPath } from '../../iceberg/io/location.js'
import { datasetColumns } from '../../ml/datasets/dataset-columns.js'
import { createDatasetDigest } from '../../ml/datasets/dataset-digest.js'
import { openDataset } from '../../ml/datasets/open-dataset.js'
import { writeDataset } from '../../ml/datasets/write-dataset.js'
import { timed } from '../bench-row.js'

export interface StreamResult {
  readonly rows: number
  readonly seconds: number
  /** Of all threads. */
  readonly cpu: number
}

interface Course {
  readonly folder: string
  readonly rows: number
}
type Contestant = (course: Course) => Promise<StreamResult>

const COLUMNS = datasetColumns('double', [
  { name: 'amount', type: 'double' },
  { name: 'score', type: 'double' },
  { name: 'clicks', type: 'long' },
  { name: 'country', type: 'string' },
])

/** What one process does; all read the Parquet file that `make` writes, `load shuffled` the file of `write`. */
export const CONTESTANTS: Readonly<Record<string, Contestant>> = {
  make: ({ folder, rows }) =>
    measured(async () => {
      const connection = await (await DuckDBInstance.create(':memory:')).connect()
      await connection.run(
        `COPY (${rowsSql(rows)}) TO '${parquet(folder, rows)}' (FORMAT parquet, COMPRESSION zstd)`,
      )
      return rows
    }),
  stream: ({ folder, rows }) =>
    inSession(folder, (session) =>
      measured(() => countRows(session.stream(readSql(folder, rows), { reuse: true }))),
    ),
  chunks: async ({ folder, rows }) => {
    const threads = String(availableParallelism())
    const connection = await (await DuckDBInstance.create(':memory:', { threads })).connect()
    return measured(async () => {
      const result = await connection.stream(readSql(folder, rows))
      let seen = 0
      for (
        let chunk = await result.fetchChunk();
        chunk !== null && chunk.rowCount > 0;
        chunk = await result.fetchChunk()
      ) {
        seen += chunk.rowCount
      }
      return seen
    })
  },
  digest: ({ folder, rows }) =>
    inSession(folder, async (session) => {
      const digest = createDatasetDigest(COLUMNS)
      let [seconds, cpu] = [0, 0]
      for await (const batch of session.stream(readSql(folder, rows), { reuse: true })) {
        const [started, used] = [performance.now(), process.cpuUsage()]
        digest.add(batch)
        const { user, system } = process.cpuUsage(used)
        seconds += (performance.now() - started) / 1000
        cpu += (user + system) / 1e6
      }
      return { rows: digest.finish().rows, seconds, cpu }
    }),
  write: ({ folder, rows }) =>
    inSession(folder, (session) =>
      measured(async () => {
        const deps = {
          catalog: { io: new LocalFileIO({ durability: 'none' }) },
          warehouse: `file://${folder}`,
          newUuid: () => 'work',
        }
        const orderBy = ['entity', 'event_timestamp']
        const options = {
          session,
          sql: readSql(folder, rows),
          columns: COLUMNS,
          task: 'regression',
          orderBy,
        } as const
        return (await writeDataset(deps as never, options)).rows
      }),
    ),
  'load shuffled': async ({ folder }) => {
    const io = new LocalFileIO()
    const files: string[] = []
    for await (const { location } of io.list(`file://${folder}/_scratch/datasets/`)) files.push(location)
    const dataset = await openDataset(toLocalPath(files[0] ?? ''))
    // Without two columns, so that it is not the pass that checks the digest.
    const columns = dataset.columns.map(({ name }) => name).filter((name) => name !== 'batch')
    return measured(() => countRows(dataset.batches({ shuffle: { seed: 1, epoch: 0 }, columns })))
  },
}

/** A file for each number of rows: a LIMIT would be computed whole before its first row. */
function parquet(folder: string, rows: number): string {
  return join(folder, `rows-${rows}.parquet`)
}

function readSql(folder: string, rows: number): string {
  const names = COLUMNS.map(({ name }) => `"${name}"`)
  return `SELECT ${names.join(', ')} FROM '${parquet(folder, rows)}'`
}

function rowsSql(rows: number): string {
  return `SELECT '["user-' || lpad((hash(i) % 10_000_019)::VARCHAR, 8, '0') || '"]' AS entity,
      TIMESTAMPTZ '2024-01-01' + INTERVAL (i) SECOND AS event_timestamp, 'g' || (i % 100) AS "group",
      ['train', 'train', 'val', 'test'][1 + i % 4] AS split, '2024-01-01' AS batch, (i % 2)::DOUBLE AS label,
      random() AS "f:amount", CASE WHEN i % 17 > 0 THEN random() END AS "f:score",
      (random() * 1000)::BIGINT AS "f:clicks", 'land ' || (i % 60) AS "f:country"
    FROM range(${rows}) t(i)`
}

async function inSession<T>(folder: string, action: (session: EngineSession) => Promise<T>): Promise<T> {
  const engine = createDuckDBEngine({
    tempDirectory: join(folder, 'temp'),
    memoryLimitBytes: 512 * 1024 ** 2,
  })
  const session = await engine.openSession()
  try {
    return await action(session)
  } finally {
    await session.close()
  }
}

async function measured(work: () => Promise<number>): Promise<StreamResult> {
  const { result, seconds, cpuSeconds } = await timed(work)
  return { rows: result, seconds, cpu: cpuSeconds }
}

async function countRows(batches: AsyncIterable<{ readonly numRows: number }>): Promise<number> {
  let rows = 0
  for await (const batch of batches) rows += batch.numRows
  return rows
}
