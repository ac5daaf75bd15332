import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client, WorkflowHandle } from '@temporalio/client'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import { listTables } from '../../lake/query/list-tables.js'
import { runSql } from '../../lake/query/sql.js'
import { ensureLandingTables, ensureTables } from '../../lake/tables/ensure-tables.js'
import { PAYMENTS_TOPIC } from '../../pipelines/churn/simulate.js'
import type { MaintenanceReport } from '../../schemas/messages.js'
import type { StreamResult, StreamSourceInput, StreamStatus } from '../../schemas/stream-messages.js'
import { STATUS_QUERY, TASK_QUEUES, workflowIds } from '../../schemas/workflow-names.js'
import { WorkerProcess } from '../../soak/landing/worker-process.js'
import { readConfig, type FirnConfig } from '../../workers/config.js'
import { connectClient } from '../../workers/connection.js'
import { createLakeDeps, type Lake } from '../../workers/create-deps.js'
import { missingService, startServices, type Services } from '../support/services.js'
import { PaymentTraffic } from './payment-traffic.js'
import { PeerProcess, peers, why } from './peer-process.js'
import { canonical, firnRows } from './same-rows.js'
import { landedPayments, WindowWatch, type LandedPayment } from './window-rule.js'

/**
 * Goal: payments come out of a stream as they should, with everything real. Method: simulated payments, some bad, late or
 * sent twice, go through a topic while a stream lands them in hundreds of micro-batches, refreshes windows as often as it
 * may and has itself maintained; a worker is killed, a batch is built meanwhile. Then every table is held against what was
 * sent, and the windows, at each of their snapshots, against their rule.
 */
const missing = (['kafka', 's3', 'temporal'] as const).map(missingService).find((one) => one !== undefined)
const SEED = Number(process.env['FIRN_TEST_SEED'] ?? 20261121)
const DAY_MS = 86_400_000
const SEND_MS = 75_000
const SNAPSHOT_AGE_MS = 15_000
/** A stream has itself maintained after 200 micro-batches; this one is told that it has done most of them. */
const DONE_BATCHES = 160
/** Where every commit writes, files pile up to this number before maintenance merges them. */
const OPEN_FILES = 30
const LEDGER = 'raw.payment_events'
const WINDOWS = 'ml_features.realtime_user_features'

const home = mkdtempSync(join(tmpdir(), 'firn-stream-churn-'))
const traffic = new PaymentTraffic({
  ...{ seed: SEED, count: 12_000, bad: 0.004, late: 0.2, twice: 0.01 },
  startMs: (Math.floor(Date.now() / DAY_MS) - 12) * DAY_MS,
})
let services: Services
let env: Record<string, string>
let config: FirnConfig
let client: Client
let lake: Lake
let watch: WindowWatch
let landed: readonly LandedPayment[]
let result: StreamResult
let maintained: MaintenanceReport
let workers: WorkerProcess[] = []

beforeAll(async () => {
  if (missing !== undefined) return
  services = await startServices(['kafka', 's3', 'temporal'])
  env = { ...services.env, FIRN_HOME: home }
  Object.assign(process.env, services.env)
  config = readConfig(env)
  client = await connectClient({ address: env['TEMPORAL_ADDRESS']!, namespace: 'default' })
  lake = await createLakeDeps(config)
  watch = new WindowWatch(lake.deps)
  await keepSnapshotsBriefly()
  await runStream()
  landed = await landedPayments(lake.deps)
}, 900_000)

afterAll(async () => {
  if (missing !== undefined) return
  await Promise.all(workers.map((worker) => worker.kill()))
  await client.connection.close()
  lake.close()
  await services.stop()
  rmSync(home, { recursive: true, force: true })
})

/** An hour would be as long as the tables say. */
async function keepSnapshotsBriefly(): Promise<void> {
  const { deps } = lake
  await ensureLandingTables(deps, 'payment_events')
  await ensureTables(deps, deps.pipelines.get('churn')!)
  const updates = {
    'history.expire.max-snapshot-age-ms': String(SNAPSHOT_AGE_MS),
    'history.expire.min-snapshots-to-keep': '1',
  }
  await deps.catalog.commit(
    [LEDGER, WINDOWS].map((table) => ({
      identifier: parseIdentifier(table),
      requirements: [],
      updates: [{ action: 'set-properties', updates }],
    })),
  )
}

async function runStream(): Promise<void> {
  const kafka = new Kafka({ brokers: env['FIRN_KAFKA_BROKERS']!.split(','), logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: PAYMENTS_TOPIC, numPartitions: 4 }], waitForLeaders: true })
  await admin.disconnect()
  workers = [new WorkerProcess(env), new WorkerProcess(env)]
  const handle = await startStream()
  const stop = new AbortController()
  const watching = watchUntil(stop.signal)
  try {
    await Promise.all([
      traffic.send(kafka, SEND_MS, async (portion) => landedBatches(handle, portion / 2)),
      killAWorker(),
      buildMeanwhile(),
    ])
    await handle.signal('drain')
    result = (await handle.result()) as StreamResult
    maintained = (await client.workflow.getHandle(workflowIds.maintain()).result()) as MaintenanceReport
  } finally {
    stop.abort()
    await watching
  }
  await watch.look()
  await build()
}

/** However slow the machine: two portions make a micro-batch at least. */
async function landedBatches(handle: WorkflowHandle, batches: number): Promise<void> {
  for (;;) {
    const { landed: so } = await handle.query<StreamStatus>(STATUS_QUERY)
    if (so.batches - DONE_BATCHES >= batches - 1) return
    await sleep(200)
  }
}

async function watchUntil(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await watch.look()
    await sleep(500)
  }
}

/** As one that goes on as new. */
function startStream() {
  const input: StreamSourceInput = {
    ...{ pipeline: 'churn', maxAgeMs: 100, windowEveryMs: 30_000 },
    state: {
      landed: { batches: DONE_BATCHES, records: 0, deadLetters: 0, bytes: 0 },
      partitions: {},
      windows: {},
      maintenance: { startedAtMs: Date.now() },
    },
  }
  const workflowId = workflowIds.stream('churn', 'payment_events')
  return client.workflow.start('streamSource', { taskQueue: TASK_QUEUES.control, workflowId, args: [input] })
}

async function killAWorker(): Promise<void> {
  await sleep(SEND_MS / 2)
  await workers[0]!.kill()
  workers = [...workers.slice(1), new WorkerProcess(env)]
}

async function buildMeanwhile(): Promise<void> {
  await sleep(SEND_MS / 3)
  await build()
}

async function build(): Promise<void> {
  await client.workflow.execute('buildFeatures', {
    taskQueue: TASK_QUEUES.control,
    workflowId: workflowIds.build('churn'),
    args: [{ pipeline: 'churn' }],
  })
}

async function rowsOf(sql: string) {
  return (await runSql(lake.deps, { sql, limit: 1_000_000 })).rows
}

async function metadataOf(table: string): Promise<TableMetadata> {
  return (await lake.deps.catalog.loadTable(parseIdentifier(table))).metadata
}

describe.skipIf(missing !== undefined)(`a stream of payments (${missing ?? `seed ${SEED}`})`, () => {
  test('lands each good record once and each bad one as a dead letter', async () => {
    expect(result.landed).toMatchObject({
      records: traffic.good.size + traffic.copies,
      deadLetters: traffic.bad.length,
      deadLetterKinds: traffic.badCounts,
    })
    expect(landed).toHaveLength(traffic.good.size + traffic.copies)
    const letters = await rowsOf('SELECT raw, error_kind, partition, "offset" FROM raw.dead_letters')
    expect(letters.map(({ raw }) => Buffer.from(raw as Uint8Array).toString()).sort()).toEqual(
      [...traffic.bad].sort(),
    )
    const kinds = letters.map((letter) => letter['error_kind'] as keyof typeof traffic.badCounts)
    for (const [kind, count] of Object.entries(traffic.badCounts))
      expect(kinds.filter((one) => one === kind)).toHaveLength(count)
    expect(traffic.bad.length).toBeGreaterThan(20)
  })

  test('lets batches hold each transaction once, as it was sent', async () => {
    const rows = await rowsOf(
      `SELECT txn_id, concat_ws(' ', user_token, amount, merchant_id, status, epoch_ms(event_timestamp)) AS text
         FROM ml_features.raw_transactions`,
    )
    const sent = [...traffic.good.values()].map(
      ({ txn_id, user_token, amount, merchant_id, status, event_time }) => [
        txn_id,
        `${user_token} ${Number(amount).toFixed(2)} ${merchant_id} ${status} ${new Date(event_time).getTime()}`,
      ],
    )
    expect(rows.map((row) => [row['txn_id'], row['text']] as string[]).sort()).toEqual(sent.sort())
    expect(traffic.copies).toBeGreaterThan(50)
  })

  test('keeps windows as the rule says, at each of their snapshots', () => {
    for (const { id, rowEnd, rows, operation } of watch.snapshots) {
      expect(rows, `snapshot ${id}, ${operation} up to row ${rowEnd}`).toEqual(watch.expected(landed, rowEnd))
    }
    const refreshes = watch.snapshots.filter(({ operation }) => operation !== 'replace')
    expect(refreshes.length).toBeGreaterThanOrEqual(3)
    const last = Math.max(...landed.map(({ row }) => row)) + 1
    expect(Math.max(...refreshes.map(({ rowEnd }) => rowEnd))).toBe(last)
    const late = landed.filter((one) => watch.isLate(one)).length
    expect(late).toBeGreaterThan(20)
    expect(late).toBeLessThan(landed.length / 10)
  })

  test('is maintained on the way: old snapshots go and files are merged, whatever was committed', async () => {
    expect(maintained.tables.filter(({ error }) => error !== undefined)).toEqual([])
    const report = new Map(maintained.tables.map((table) => [table.table, table]))
    for (const table of [LEDGER, WINDOWS]) expect([...report.keys()]).toContain(table)
    expect(report.get(LEDGER)).toMatchObject({ writtenFiles: 1 })
    expect(report.get(LEDGER)!.compactedFiles).toBeGreaterThanOrEqual(OPEN_FILES)
    await sleep(SNAPSHOT_AGE_MS)
    await client.workflow.execute('maintainLake', {
      taskQueue: TASK_QUEUES.control,
      workflowId: workflowIds.maintain(),
      args: [{ pipeline: 'churn' }],
    })
    const told = `after ${result.landed.batches - DONE_BATCHES} micro-batches`
    for (const { name, files, snapshots, tags } of await listTables(lake.deps)) {
      if (name !== LEDGER && name !== WINDOWS) continue
      expect(files, `${name} ${told}`).toBeLessThan(2 * OPEN_FILES)
      expect(snapshots - tags.length, `${name} ${told}`).toBeLessThanOrEqual(3)
    }
  }, 300_000)

  test.skipIf(peers.python === null)(
    `is read alike by PyIceberg, the windows at each snapshot too${why('python')}`,
    async () => {
      const s3 = {
        endpoint: env['FIRN_S3_ENDPOINT']!,
        key: env['AWS_ACCESS_KEY_ID']!,
        secret: env['AWS_SECRET_ACCESS_KEY']!,
      }
      const { catalogPath, warehouse } = config
      const peer = new PeerProcess(config, { firn: { db: catalogPath, warehouse, s3 } })
      try {
        for (const table of [LEDGER, WINDOWS, 'raw.dead_letters', 'ml_features.raw_transactions'])
          expect(canonical(await peer.rows('pyiceberg', table)), table).toEqual(
            await firnRows(lake.deps, table),
          )
        for (const snapshot of (await metadataOf(WINDOWS)).snapshots) {
          const at = String(snapshot['snapshot-id'])
          expect(canonical(await peer.rows('pyiceberg', WINDOWS, { at })), at).toEqual(
            await firnRows(lake.deps, WINDOWS, { at }),
          )
        }
      } finally {
        await peer.close()
      }
    },
  )
})
