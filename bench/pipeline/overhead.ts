import { TASK_QUEUES, type TaskQueueGroup } from '../../schemas/workflow-names.js'
import { benchRow, timed, type BenchRow } from '../bench-row.js'
import { runNight } from '../run-night.js'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import { execute, PIPELINE, withWorkers, type PipelineBench } from './bench-server.js'

/** A night of nothing new as a workflow beside the same cores called one after the other, in turns. */
export async function benchOverhead(bench: PipelineBench): Promise<BenchRow[]> {
  bench.log('nights of nothing, with and without Temporal …')
  const from = `${bench.home}/documents`
  await unpackSample({ folder: from, count: 5 })
  const queues = Object.keys(TASK_QUEUES) as TaskQueueGroup[]
  return await withWorkers(bench, queues, async ({ deps }, client) => {
    await runNight(deps, { pipeline: PIPELINE, from, batch: '20260101T020000Z' })
    const [direct, whole, steps]: [number[], number[], number[]] = [[], [], []]
    for (let night = 2; night < (bench.quick ? 6 : 22); night += 1) {
      const day = String(night).padStart(2, '0')
      const cores = await timed(() =>
        runNight(deps, { pipeline: PIPELINE, from, batch: `202601${day}T020000Z` }),
      )
      const input = { pipeline: PIPELINE, from, date: `2026-02-${day}`, maintain: false }
      const workflow = await timed(() => execute(client, 'nightly', `nothing-${day}`, input))
      const { events } = await workflow.result.handle.fetchHistory()
      const activities = (events ?? []).filter((event) => event.activityTaskScheduledEventAttributes).length
      const children = (events ?? []).filter(
        (event) => event.startChildWorkflowExecutionInitiatedEventAttributes,
      ).length
      direct.push(cores.seconds * 1000)
      whole.push(workflow.seconds * 1000)
      steps.push(activities + children)
    }
    const over = median(whole) - median(direct)
    const count = median(steps)
    return [
      benchRow(
        'a night of nothing new, median',
        median(whole),
        'its cores, without Temporal',
        median(direct),
        'ms',
      ),
      benchRow(
        'of it Temporal',
        over,
        `${count} steps of the night (activities, child workflows)`,
        null,
        'ms',
      ),
      benchRow('of it Temporal, a step', over / Math.max(1, count), '', null, 'ms'),
    ]
  })
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
}
