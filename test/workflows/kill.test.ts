import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client, Connection } from '@temporalio/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { maintainTable } from '../../lake/maintain/maintain-lake.js'
import { runSql } from '../../lake/query/sql.js'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import type { NightlyResult } from '../../schemas/messages.js'
import { TASK_QUEUES } from '../../schemas/workflow-names.js'
import { startDevServer, type DevServer } from '../../workers/temporal-server.js'
import { FULL } from '../support/full.js'
import { lakeContents, spawnWorker, withLakeAt } from '../support/lake-process.js'

/**
 * Goal: whatever moment a worker dies at, the night ends as if nothing had happened. Method: the same night, with a real
 * server and real worker processes, killed by SIGKILL when a seeded part of the night's files is written; the tables are compared with those of a night
 * that nobody disturbed. Every second round runs in another time zone.
 */
const SEED = Number(process.env['FIRN_TEST_SEED'] ?? 20261121)
const ROUNDS = FULL ? 25 : 5
const LANES = 5
const DOCUMENTS = 3
const DATE = '2026-07-01'
const POLL_MS = 30
const BATCH = '20260701T020000Z'

const root = mkdtempSync(join(tmpdir(), 'firn-kill-'))
/** One folder for all nights, so that their ledgers are equal too. */
const documents = join(root, 'documents')
let undisturbed: Record<string, string>
/** How many files an undisturbed night writes: the measure of how far a night has come. */
let filesOfANight: number

beforeAll(async () => {
  const server = await startDevServer()
  const home = join(root, 'undisturbed')
  await unpackSample({ folder: documents, from: 0, count: DOCUMENTS })
  const worker = spawnWorker({ FIRN_HOME: home, TEMPORAL_ADDRESS: server.address })
  await (await startNight(server)).result()
  filesOfANight = countFiles(home)
  await worker.kill()
  await server.stop()
  undisturbed = await withLakeAt(home, lakeContents)
}, 120_000)

afterAll(() => rmSync(root, { recursive: true, force: true }))

describe(`a night whose worker is killed (seed ${SEED}, ${ROUNDS} rounds)`, () => {
  test.concurrent.each(Array.from({ length: LANES }, (_, lane) => lane))(
    'ends as an undisturbed one, lane %i',
    async (lane) => {
      const server = await startDevServer()
      try {
        for (let round = lane; round < ROUNDS; round += LANES) await killedNight(server, round)
      } finally {
        await server.stop()
      }
    },
    600_000,
  )
})

async function killedNight(server: DevServer, round: number): Promise<void> {
  const home = join(root, `round-${round}`)
  const env = {
    FIRN_HOME: home,
    TEMPORAL_ADDRESS: server.address,
    ...(round % 2 === 1 ? { TZ: 'Asia/Tokyo' } : {}),
  }
  const night = await startNight(server, `round-${round}`)
  const first = spawnWorker(env)
  const until = Math.floor(fraction(round) * filesOfANight)
  while (countFiles(home) < until) await delay(POLL_MS)
  await first.kill()
  await withLakeAt(home, expectAllOrNothing)
  const second = spawnWorker(env)
  const result = await night.result()
  await second.kill()
  expect(result.build.status, `round ${round}`).toBe('published')
  await withLakeAt(home, expectUndisturbed)
  await withLakeAt(home, expectOrphansGone, { FIRN_ORPHAN_MIN_AGE_DAYS: '0' })
  rmSync(home, { recursive: true, force: true })
}

async function startNight(server: DevServer, id = 'undisturbed') {
  const connection = await Connection.connect({ address: server.address })
  const client = new Client({ connection })
  const handle = await client.workflow.start('nightly', {
    taskQueue: TASK_QUEUES.control,
    workflowId: `night-${id}`,
    args: [{ pipeline: 'quantum', from: documents, date: DATE, maintain: false }],
  })
  return {
    async result(): Promise<NightlyResult> {
      const result = (await handle.result()) as NightlyResult
      await connection.close()
      return result
    },
  }
}

type OpenLake = Parameters<typeof lakeContents>[0]

async function expectAllOrNothing({ deps }: OpenLake): Promise<void> {
  const identifiers = (await deps.catalog.listNamespaces()).includes('quantum_features')
    ? await deps.catalog.listTables('quantum_features')
    : []
  const tables = await deps.catalog.loadTables(identifiers)
  const filled = tables.filter((table) => table.metadata['current-snapshot-id'] !== undefined)
  expect([0, undisturbedFilled()]).toContain(filled.length)
  for (const table of filled) expect(Object.keys(table.metadata.refs)).toContain(`v_${BATCH}`)
}

function undisturbedFilled(): number {
  return Object.entries(undisturbed).filter(
    ([name, content]) => name.startsWith('quantum_features.') && !content.startsWith('0 '),
  ).length
}

async function expectUndisturbed(lake: OpenLake): Promise<void> {
  expect(await lakeContents(lake)).toEqual(undisturbed)
  const sql = `SELECT count(*)::INTEGER AS n FROM quantum_features.processing_metadata WHERE status = 'published'`
  expect((await runSql(lake.deps, { sql })).rows).toEqual([{ n: 1 }])
}

/** What the killed attempts left is found by maintenance, and nothing that is needed goes with it. */
async function expectOrphansGone(lake: OpenLake): Promise<void> {
  for (const namespace of await lake.deps.catalog.listNamespaces()) {
    for (const { name } of await lake.deps.catalog.listTables(namespace)) {
      const table = `${namespace}.${name}`
      await maintainTable(lake.deps, table, { dryRun: false })
      expect((await maintainTable(lake.deps, table, { dryRun: true })).orphans).toBe(0)
    }
  }
  expect(await lakeContents(lake)).toEqual(undisturbed)
}

function countFiles(folder: string): number {
  if (!existsSync(folder)) return 0
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .length
}

/** Where in the night round n dies: spread evenly, moved by the seed, so that reruns die at the same moments. */
function fraction(round: number): number {
  const noise = Math.abs(Math.sin(SEED + round * 7919) * 10_000) % 1
  return (round + noise) / ROUNDS
}
