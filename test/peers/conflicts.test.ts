import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, Connection } from '@temporalio/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runSql } from '../../lake/query/sql.js'
import type { BackfillStatus } from '../../schemas/backfill-messages.js'
import type { MaintenanceReport, NightlyResult } from '../../schemas/messages.js'
import { TASK_QUEUES } from '../../schemas/workflow-names.js'
import { startDevServer, type DevServer } from '../../workers/temporal-server.js'
import { lakeConfig, spawnWorker, withLakeAt, type WorkerProcess } from '../support/lake-process.js'
import { peers, PeerProcess, why } from './peer-process.js'

/**
 * Goal: whatever writes at once, nothing is lost and nobody starves. Method: backfills, nights, maintenance of the whole
 * lake that compacts, expires and removes orphans as soon as it may, and PyIceberg, all on the tables of one pipeline, each
 * again and again; a third of the time ends when each has done something in it, so who starves keeps it from ending. Then
 * every row of each is counted, by Firn and by PyIceberg.
 */
const SECONDS = Number(process.env['FIRN_TEST_CONFLICT_SECONDS'] ?? 30)
/** Of one backfill; then the next one starts. */
const DATES = SECONDS > 60 ? 4 : 1
const ACTORS = ['backfilled dates', 'nights', 'maintenance', 'PyIceberg'] as const
type Counts = Record<(typeof ACTORS)[number], number>
const DAY_MS = 86_400_000
const [RECORDS, PIPELINE, NOTES] = [20, 'clash', 'clash_features.notes']
const root = mkdtempSync(join(tmpdir(), 'firn-conflicts-'))
const home = join(root, 'lake')
const env = {
  FIRN_PIPELINES: join(root, 'pipeline'),
  // PyIceberg looks for the snapshot that it began at once more where its commit lost.
  FIRN_SNAPSHOT_MAX_AGE_DAYS: String(20 / 86_400),
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
    it(
      'lose nothing, double nothing, and none waits for ever',
      async () => {
        await night('2026-01-31')
        const reports: MaintenanceReport[] = []
        const { thirds, totals } = await together({
          'backfilled dates': backfill,
          nights: (n) => night(dayAfter('2026-02-01', n)),
          maintenance: async (n) => {
            reports.push(await maintain(n))
            return 1
          },
          PyIceberg: async (n) => {
            await peer.call('pyiceberg_appends', { table: NOTES, count: 1, start: n })
            await sleep(200)
            return 1
          },
        })
        reports.push(await maintain(reports.length))
        const tables = reports.flatMap((report) => report.tables)
        const merged = tables.reduce((sum, table) => sum + table.compactedFiles, 0)
        const yielded = tables.filter(({ outcome }) => outcome === 'yielded').length
        console.log(JSON.stringify({ seconds: SECONDS, thirds, totals, merged, yielded }))
        expect(Math.min(...thirds.flatMap((third) => Object.values(third)))).toBeGreaterThan(0)
        expect(tables.flatMap(({ error }) => error ?? [])).toEqual([])
        expect(merged).toBeGreaterThan(0)
        const ours = (1 + totals['backfilled dates'] + totals.nights) * RECORDS
        const all = ours + totals.PyIceberg
        await withLakeAt(home, async ({ deps }) => {
          const count = async (sql: string) => Number((await runSql(deps, { sql })).rows[0]?.['n'])
          expect(await count(`SELECT count(*) AS n FROM clash_features.records`)).toBe(ours)
          expect(await count(`SELECT sum(records) AS n FROM clash_features.days`)).toBe(ours)
          expect(await count(`SELECT count(DISTINCT (who, n)) AS n FROM ${NOTES}`)).toBe(all)
          expect(await count(`SELECT count(*) AS n FROM ${NOTES}`)).toBe(all)
        })
        expect(await peer.rows('pyiceberg', NOTES)).toHaveLength(all)
      },
      (SECONDS + 540) * 1000,
    )
  },
)

/** Each goes on until the last third is over, and then ends what it is at. Counts: units of work by actor. */
async function together(
  actors: Record<keyof Counts, (n: number) => Promise<number>>,
): Promise<{ readonly thirds: readonly Counts[]; readonly totals: Counts }> {
  const zero = () => Object.fromEntries(ACTORS.map((actor) => [actor, 0])) as Counts
  const [totals, thirds] = [zero(), [] as Counts[]]
  const state = { third: zero(), isOver: false }
  const act = async (actor: keyof Counts): Promise<void> => {
    try {
      for (let n = 0; !state.isOver; n += 1) {
        const units = await actors[actor](n)
        totals[actor] += units
        state.third[actor] += units
      }
    } finally {
      state.isOver = true
    }
  }
  const watch = async (): Promise<void> => {
    for (let at = 0; at < 3; at += 1) {
      state.third = zero()
      const endMs = Date.now() + (SECONDS * 1000) / 3
      while (!state.isOver && (Date.now() < endMs || ACTORS.some((actor) => state.third[actor] === 0)))
        await sleep(100)
      thirds.push(state.third)
    }
    state.isOver = true
  }
  await Promise.all([watch(), ...ACTORS.map(act)])
  return { thirds, totals }
}

function dayAfter(date: string, days: number): string {
  return new Date(Date.parse(date) + days * DAY_MS).toISOString().slice(0, 10)
}

async function backfill(n: number): Promise<number> {
  const dates = Array.from({ length: DATES }, (_, i) => dayAfter('2020-01-01', n * DATES + i))
  for (const date of dates) writeDocuments(date)
  const [from, to] = [dates[0], dates.at(-1)]
  const input = { pipeline: PIPELINE, from, to, folder: join(root, 'documents', '{date}') }
  const ended = (await run('backfill', `backfill-${from}`, input)) as BackfillStatus
  expect(ended.counts).toMatchObject({ failed: 0, cancelled: 0 })
  return DATES
}

async function night(date: string): Promise<number> {
  writeDocuments(date)
  const from = join(root, 'documents', date)
  const input = { pipeline: PIPELINE, date, from, maintain: false }
  const { build } = (await run('nightly', `night-${date}`, input)) as NightlyResult
  // Its documents may have gone into the batch of another night beside it.
  expect(['published', 'no_changes']).toContain(build.status)
  return 1
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
