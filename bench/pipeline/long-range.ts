import { Worker } from '@temporalio/worker'
import type { BackfillRow, ListBackfillInput } from '../../schemas/backfill-messages.js'
import type { LookAtNightInput, NightLook } from '../../schemas/night-look.js'
import { TASK_QUEUES } from '../../schemas/workflow-names.js'
import { readConfig } from '../../workers/config.js'
import { connectClient, connectWorker } from '../../workers/connection.js'
import { workflowBundlePath } from '../../workers/workflow-bundle.js'
import { benchRow, timed, type BenchRow } from '../bench-row.js'
import { execute, PIPELINE, type PipelineBench } from './bench-server.js'
import { longestHistory } from './longest-history.js'

const DAY_MS = 86_400_000
const PAGE = 200
/** One in so many dates has a night to run; the others were done before. */
const EVERY = 1000
const ID = 'bench-long-range'

/**
 * A hundred thousand dates on activities that do nothing, beside a loop that calls the same. A backfill sets no timers, so
 * a server that skips time would have none to skip: it is the dev server as everywhere.
 */
export async function benchLongRange(bench: PipelineBench): Promise<readonly BenchRow[]> {
  const dates = bench.quick ? 10_000 : 100_000
  bench.log(`backfill of ${dates} dates, activities that do nothing …`)
  const { temporal } = readConfig({ FIRN_HOME: bench.home, TEMPORAL_ADDRESS: bench.address }, bench.home)
  const connection = await connectWorker(temporal)
  const client = await connectClient(temporal)
  const activities = { listBackfill, lookAtNight }
  const workers = await Promise.all([
    Worker.create({
      ...{ connection, activities, taskQueue: TASK_QUEUES.control },
      workflowBundle: { codePath: workflowBundlePath() },
    }),
    Worker.create({ connection, activities, taskQueue: TASK_QUEUES.data }),
  ])
  const runs = Promise.all(workers.map((worker) => worker.run()))
  try {
    const start = Date.UTC(1800, 0, 1)
    const keys = Array.from({ length: dates }, (_, i) => dayOf(start + i * DAY_MS))
    const input = { pipeline: PIPELINE, from: keys[0], to: keys.at(-1), parallel: 4, maintain: 'never' }
    const { seconds } = await timed(() => execute(client, 'backfill', ID, input))
    const bare = await timed(() => bareLoop(keys))
    return [
      benchRow(
        `backfill of ${dates} dates, ${dates / EVERY} of them nights, activities that do nothing`,
        seconds,
        'a bare loop over the same',
        bare.seconds,
      ),
      ...(await longestHistory(client, ID)),
    ]
  } finally {
    for (const worker of workers) worker.shutdown()
    await runs
    await client.connection.close()
    await connection.close()
  }
}

async function bareLoop(keys: readonly string[]): Promise<void> {
  for (let i = 0; i < keys.length; i += PAGE) {
    const page = {
      pipeline: PIPELINE,
      mode: 'missing',
      keys: keys.slice(i, i + PAGE),
      ownFolders: false,
    } as const
    for (const { state, batches } of await listBackfill(page)) {
      for (const batch of state === 'due' ? batches : []) {
        await lookAtNight({ pipeline: PIPELINE, day: { batch }, looksBack: false })
      }
    }
  }
}

function listBackfill({ keys }: ListBackfillInput): Promise<readonly BackfillRow[]> {
  return Promise.resolve(
    keys.map((key) =>
      Math.floor(Date.parse(key) / DAY_MS) % EVERY === 0
        ? { key, state: 'due', batches: [`${key.replaceAll('-', '')}T020000Z`] }
        : { key, state: 'done', batches: [] },
    ),
  )
}

function lookAtNight({ pipeline, day }: LookAtNightInput): Promise<NightLook> {
  const batch = 'batch' in day ? day.batch : day.date
  const nothing = { files: 0, objects: 0, records: 0, deadLetters: 0, bytes: 0, rowNumberEnd: 0 }
  const land = { ...nothing, source: pipeline, batch, ledgerSnapshotId: null }
  return Promise.resolve({ batch, nothing: { land, late: [] } })
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
