import type { Client } from '@temporalio/client'
import { benchRow, type BenchRow } from '../bench-row.js'

/** How long the histories of a workflow's runs got; those that went on as new are runs of their own. */
export async function longestHistory(client: Client, workflowId: string): Promise<readonly BenchRow[]> {
  let [runs, events, bytes] = [0, 0, 0]
  for await (const run of client.workflow.list({ query: `WorkflowId = '${workflowId}'` })) {
    runs += 1
    events = Math.max(events, run.historyLength)
    bytes = Math.max(bytes, run.historySize ?? 0)
  }
  const of = `in ${runs} ${runs === 1 ? 'run' : 'runs'}`
  return [
    benchRow('its longest history', events, of, null, 'events'),
    benchRow('its longest history', bytes / 1024, of, null, 'KiB'),
  ]
}
