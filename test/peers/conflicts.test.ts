import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runSql } from '../../lake/query/sql.js'
import type { BackfillStatus } from '../../schemas/backfill-messages.js'
import type { MaintenanceReport, NightlyResult } from '../../schemas/messages.js'
import { TASK_QUEUES } from '../../schemas/workflow-names.js'
import { startDevServer, type DevServer } from '../../workers/temporal-server.js'
import { FULL } from '../support/full.js'
import { lakeConfig, spawnWorker, withLakeAt, type WorkerProcess } from '../support/lake-process.js'
import { peers, PeerProcess, why } from './peer-process.js'

/**
 * Goal: whatever writes at once, nothing is lost and nobody starves. Method: a backfill, nights, maintenance of the whole
 * lake that compacts, expires and removes orphans as soon as it may, and PyIceberg, all on the tables of one pipeline until
 * each has done its part; then every row of each is counted, by Firn and by PyIceberg.
 */
const DATES = FULL ? 12 : 8
const FOREIGN = DATES * 5
const [RECORDS, PIPELINE, NOTES] = [20, 'clash', 'clash_features.notes']
const root = mkdtempSync(join(tmpdir(), 'firn-conflicts-'))
const home = join(root, 'lake')
const env = {
  FIRN_PIPELINES: join(root, 'pipeline'),
  FIRN_SNAPSHOT_MAX_AGE_DAYS: '0',
  // A minute: longer than any step here takes.
  FIRN_ORPHAN_MIN_AGE_DAYS: String(1 / 1440),
}
let server: DevServer
let connection: Connection
let client: Client
let peer: PeerProcess
const workers: WorkerProcess[] = []

beforeAll(async () => {
  if (peers.python === null) return
  writePipeline()
  for (const date of [...dates(1), ...dates(2)]) writeDocuments(date)
  server = await startDevServer()
  connection = await Connection.connect({ address: server.address })
  client = new Client({ connection })
  for (let n = 0; n < 2; n += 1)
    workers.push(spawnWorker({ ...env, FIRN_HOME: home, TEMPORAL_ADDRESS: server.address }))
  const config = lakeConfig(home, env)
  peer = new PeerProcess({ catalogPath: config.catalogPath, warehouse: config.warehouse })
}, 120_000)

afterAll(async () => {
  if (peers.python === null) return
  await Promise.all(workers.map((worker) => worker.kill()))
  await peer.close()
  await connection.close()
  await server.stop()
  rmSync(root, { recursive: true, force: true })
})

describe.skipIf(peers.python === null)(
  `A backfill, nights, maintenance and PyIceberg at once${why('python')}`,
  () => {
    it('lose nothing, double nothing, and all come to their end', async () => {
      await night('2026-01-31')
      const state = { isOver: false }
      const writers = Promise.all([
        backfill(),
        nights(),
        peer.call('pyiceberg_appends', { table: NOTES, count: FOREIGN }),
      ]).finally(() => (state.isOver = true))
      const reports: MaintenanceReport[] = []
      while (!state.isOver) reports.push(await maintain(reports.length))
      await writers
      reports.push(await maintain(reports.length))
      expect(reports.flatMap(({ tables }) => tables.flatMap(({ error }) => error ?? []))).toEqual([])
      const compacted = reports.flatMap(({ tables }) => tables).filter((table) => table.compactedFiles > 0)
      expect(compacted.length).toBeGreaterThan(0)
      await withLakeAt(home, async ({ deps }) => {
        const count = async (sql: string) => Number((await runSql(deps, { sql })).rows[0]?.['n'])
        const ours = (2 * DATES + 1) * RECORDS
        expect(await count(`SELECT count(*) AS n FROM clash_features.records`)).toBe(ours)
        expect(await count(`SELECT sum(records) AS n FROM clash_features.days`)).toBe(ours)
        expect(await count(`SELECT count(DISTINCT (who, n)) AS n FROM ${NOTES}`)).toBe(ours + FOREIGN)
        expect(await count(`SELECT count(*) AS n FROM ${NOTES}`)).toBe(ours + FOREIGN)
      })
      expect(await peer.rows('pyiceberg', NOTES)).toHaveLength((2 * DATES + 1) * RECORDS + FOREIGN)
    }, 600_000)
  },
)

function dates(month: number): readonly string[] {
  return Array.from(
    { length: DATES },
    (_, day) => `2026-0${month}-${String(day + 1).padStart(2, '0')}`,
  ).concat(month === 1 ? ['2026-01-31'] : [])
}

async function backfill(): Promise<void> {
  const range = { from: '2026-01-01', to: `2026-01-${String(DATES).padStart(2, '0')}` }
  const input = { pipeline: PIPELINE, ...range, folder: join(root, 'documents', '{date}') }
  const ended = (await run('backfill', 'backfill', input)) as BackfillStatus
  expect(ended.counts).toMatchObject({ failed: 0, cancelled: 0 })
}

async function nights(): Promise<void> {
  for (const date of dates(2)) await night(date)
}

async function night(date: string): Promise<void> {
  const from = join(root, 'documents', date)
  const input = { pipeline: PIPELINE, date, from, maintain: false }
  const { build } = (await run('nightly', `night-${date}`, input)) as NightlyResult
  // Its documents may have gone into the batch of another night beside it.
  expect(['published', 'no_changes']).toContain(build.status)
}

async function maintain(n: number): Promise<MaintenanceReport> {
  return (await run('maintainLake', `maintain-${n}`, {})) as MaintenanceReport
}

async function run(workflow: string, workflowId: string, input: object): Promise<unknown> {
  const taskQueue = TASK_QUEUES.control
  return await client.workflow.execute(workflow, { taskQueue, workflowId, args: [input] })
}

function writeDocuments(date: string): void {
  const folder = join(root, 'documents', date)
  mkdirSync(folder, { recursive: true })
  const lines = Array.from({ length: RECORDS }, (_, n) => JSON.stringify({ who: date, n, day: date }))
  writeFileSync(join(folder, 'clicks.jsonl'), lines.join('\n'))
}

function writePipeline(): void {
  const folder = join(root, 'pipeline')
  mkdirSync(folder)
  const table = (sql: string, schema: object, more: object) => ({ sql, schema, partition: [], ...more })
  const definition = {
    name: PIPELINE,
    sources: {
      clash_clicks: {
        kind: 'json',
        topic: 'clash.clicks',
        schema: { who: 'string', n: 'long', day: 'string' },
        identity: ['who', 'n'],
      },
    },
    tables: {
      records: table(
        'records.sql',
        { record_id: 'string!', day: 'date!', batch: 'string!' },
        { key: ['record_id'], write: 'insert-new', newBy: 'record_id' },
      ),
      notes: table('notes.sql', { who: 'string!', n: 'int!' }, { key: ['who', 'n'], write: 'insert-new' }),
      days: table(
        'days.sql',
        { day: 'date!', records: 'long' },
        { key: ['day'], write: 'overwrite-partitions', partition: ['day'] },
      ),
    },
    schedule: { nightly: '0 2 * * *' },
  }
  writeFileSync(join(folder, 'pipeline.mjs'), `export default ${JSON.stringify(definition)}\n`)
  writeFileSync(
    join(folder, 'records.sql'),
    'SELECT _record_id AS record_id, CAST(day AS DATE) AS day, batch_id AS batch FROM clash_clicks CROSS JOIN batch',
  )
  writeFileSync(
    join(folder, 'notes.sql'),
    'SELECT DISTINCT who, CAST(n AS INTEGER) AS n FROM clash_clicks ORDER BY who, n',
  )
  writeFileSync(
    join(folder, 'days.sql'),
    'SELECT day, count(*) AS records FROM records WHERE day IN (SELECT CAST(day AS DATE) FROM clash_clicks) GROUP BY day',
  )
}
