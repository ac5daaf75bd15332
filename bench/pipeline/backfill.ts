import { TASK_QUEUES, type TaskQueueGroup } from '../../schemas/workflow-names.js'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import { benchRow, timed, type BenchRow } from '../bench-row.js'
import { runNight } from '../run-night.js'
import { execute, PIPELINE, withWorkers, type PipelineBench } from './bench-server.js'
import { longestHistory } from './longest-history.js'

const DAY_MS = 86_400_000

/** Nights for the bare loop's rate. */
const BARE = 20

/** Dates with nothing new, four at a time, each a night of its own, beside a bare loop over the nights' cores. */
export async function benchBackfill(bench: PipelineBench): Promise<BenchRow[]> {
  const dates = bench.quick ? 40 : 1000
  bench.log(`backfill of ${dates} dates …`)
  const folder = `${bench.home}/documents`
  await unpackSample({ folder, count: 2 })
  const queues = Object.keys(TASK_QUEUES) as TaskQueueGroup[]
  return await withWorkers(bench, queues, async ({ deps }, client) => {
    await runNight(deps, { pipeline: PIPELINE, from: folder, batch: '20200101T020000Z' })
    const start = Date.UTC(2021, 0, 1)
    const [from, to] = [start, start + (dates - 1) * DAY_MS].map((ms) =>
      new Date(ms).toISOString().slice(0, 10),
    )
    const input = { pipeline: PIPELINE, from, to, folder, parallel: 4, maintain: 'never' }
    const { seconds } = await timed(() => execute(client, 'backfill', 'bench-backfill', input))
    const bare = await timed(async () => {
      for (let i = 0; i < BARE; i += 1) {
        await runNight(deps, { pipeline: PIPELINE, from: folder, batch: `202001${10 + i}T020000Z` })
      }
    })
    return [
      benchRow(
        `backfill of ${dates} dates with nothing new, 4 at a time`,
        dates / seconds,
        'a bare loop over their cores',
        BARE / bare.seconds,
        'dates/s',
      ),
      ...(await longestHistory(client, 'bench-backfill')),
    ]
  })
}
