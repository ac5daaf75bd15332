import { TASK_QUEUES, type TaskQueueGroup } from '../../schemas/workflow-names.js'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import { benchRow, timed, type BenchRow } from '../bench-row.js'
import { runNight } from '../run-night.js'
import { execute, PIPELINE, withWorkers, type PipelineBench } from './bench-server.js'

const DAY_MS = 86_400_000

/** Dates with nothing new, four at a time, each a night of its own; and how long the histories of the backfill get. */
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
    let [runs, events, bytes] = [0, 0, 0]
    for await (const run of client.workflow.list({ query: `WorkflowId = 'bench-backfill'` })) {
      runs += 1
      events = Math.max(events, run.historyLength)
      bytes = Math.max(bytes, run.historySize ?? 0)
    }
    return [
      benchRow(
        `backfill of ${dates} dates with nothing new`,
        dates / seconds,
        '4 at a time',
        null,
        'dates/s',
      ),
      benchRow('its longest history', events, `in ${runs} runs`, null, 'events'),
      benchRow('its longest history', bytes / 1024, `in ${runs} runs`, null, 'KiB'),
    ]
  })
}
