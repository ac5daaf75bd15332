import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, Connection } from '@temporalio/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readBatchHistory } from '../../lake/backfill/batch-history.js'
import { lookAtDates } from '../../lake/backfill/look-at-dates.js'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import type { BackfillInput, BackfillResult, BackfillStatus } from '../../schemas/backfill-messages.js'
import { TASK_QUEUES } from '../../schemas/workflow-names.js'
import { startDevServer, type DevServer } from '../../workers/temporal-server.js'
import { lakeContents, spawnWorker, withLakeAt } from '../support/lake-process.js'

/**
 * The real pipeline with real worker processes: five dates, of which one fails and is mended, the worker killed in between,
 * leave the lake that the same nights leave when they are run one by one.
 */
const root = mkdtempSync(join(tmpdir(), 'firn-backfill-'))
const DATES = ['2026-07-01', '2026-07-02', '2026-07-03', '2026-07-04', '2026-07-05']
const LATE = '2026-07-03'
const folder = join(root, 'raw', '{date}')
const folderOf = (date: string): string => folder.replace('{date}', date)
let server: DevServer
let client: Client

beforeAll(async () => {
  for (const [i, date] of DATES.entries()) await unpackSample({ folder: folderOf(date), from: i, count: 1 })
  server = await startDevServer()
  client = new Client({ connection: await Connection.connect({ address: server.address }) })
})
afterAll(async () => {
  await client.connection.close()
  await server.stop()
  rmSync(root, { recursive: true, force: true })
})

async function start(workflow: string, workflowId: string, input: object) {
  return client.workflow.start(workflow, { workflowId, taskQueue: TASK_QUEUES.control, args: [input] })
}

describe('a backfill of the quantum pipeline', () => {
  it('survives its worker, leaves out what failed, and mends it: as the nights one by one', async () => {
    const oneByOne = join(root, 'one-by-one')
    const worker = spawnWorker({ FIRN_HOME: oneByOne, TEMPORAL_ADDRESS: server.address })
    for (const date of [...DATES.filter((one) => one !== LATE), LATE]) {
      const input = { pipeline: 'quantum', date, from: folderOf(date), maintain: false }
      await (await start('nightly', `night-${date}`, input)).result()
    }
    await worker.kill()

    const home = join(root, 'backfilled')
    const env = { FIRN_HOME: home, TEMPORAL_ADDRESS: server.address }
    renameSync(folderOf(LATE), `${folderOf(LATE)}-late`)
    const first = spawnWorker(env)
    const range = { from: DATES[0]!, to: DATES.at(-1)! }
    const input: BackfillInput = { pipeline: 'quantum', ...range, folder, maintain: 'never' }
    const handle = await start('backfill', 'backfill', input)
    const doneOf = async (): Promise<number> =>
      (await handle.query<BackfillStatus>('status')).counts.published
    while ((await doneOf().catch(() => 0)) < 1) await sleep(100)
    await first.kill()
    const second = spawnWorker(env)
    const failed = (await handle.result()) as BackfillResult
    expect(failed).toMatchObject({ status: 'failed', counts: { published: 4, failed: 1 } })
    expect(failed.failures).toMatchObject([{ date: LATE, cause: expect.stringContaining(LATE) as string }])

    renameSync(`${folderOf(LATE)}-late`, folderOf(LATE))
    const again = await handle.query<BackfillInput>('retryInput')
    expect(await (await start('backfill', 'backfill', again)).result()).toMatchObject({
      status: 'done',
      counts: { published: 5 },
    })
    // What is done is found in the data, by whoever asks.
    expect(await (await start('backfill', 'other', input)).result()).toMatchObject({
      status: 'no_changes',
      counts: { done: 5 },
    })
    await second.kill()

    const { 'audit.alerts': alerts, ...backfilled } = await withLakeAt(home, lakeContents)
    // The one that failed.
    expect(alerts).toMatch(/^1 /)
    expect(backfilled).toEqual(await withLakeAt(oneByOne, lakeContents))
    const looked = await withLakeAt(home, ({ deps }) => {
      const pipeline = deps.pipelines.get('quantum')!
      const history = (dates: typeof range) => readBatchHistory(deps, pipeline, dates)
      return lookAtDates({ pipeline, mode: 'missing', keys: DATES, history })
    })
    for (const [i, date] of DATES.entries()) {
      const record = looked[i]?.found[0]?.record
      expect(record?.tag).toMatch(new RegExp(`^v_(incr_)?${date.replaceAll('-', '')}T020000Z$`))
      expect(record?.workflowId).toBe('build-quantum')
      expect(Object.values(record?.snapshotIds ?? {})[0]).toMatch(/^\d+$/)
    }
  }, 300_000)
})
