import type { WorkflowHandle } from '@temporalio/client'
import type { StreamResult, StreamSourceInput, StreamStatus } from '../../../schemas/stream-messages.js'
import { TASK_QUEUES, workflowIds } from '../../../schemas/workflow-names.js'
import { withFakeLake, type Call, type FakeActivities, type TestServer } from './fake-lake.js'
import type { FakeTopic } from './fake-topic.js'

export interface Stream {
  readonly handle: WorkflowHandle
  readonly status: () => Promise<StreamStatus>
  readonly drained: () => Promise<StreamResult>
}

let runs = 0
/** A stream of small micro-batches; cancelled at the end where it still runs. */
export async function withStreamOn(
  test: TestServer,
  topic: FakeTopic,
  overrides: FakeActivities,
  input: Partial<StreamSourceInput>,
  run: (stream: Stream, calls: Call[]) => Promise<void>,
): Promise<void> {
  await withFakeLake(test.connection, { ...topic.activities, ...overrides }, async (calls) => {
    const handle = await test.client.workflow.start('streamSource', {
      workflowId: workflowIds.stream('churn', `events-${(runs += 1)}`),
      taskQueue: TASK_QUEUES.control,
      args: [{ pipeline: 'churn', maxAgeMs: 200, ...input }],
    })
    const drained = async (): Promise<StreamResult> => {
      await handle.signal('drain')
      return (await handle.result()) as StreamResult
    }
    try {
      await run({ handle, status: () => handle.query<StreamStatus>('status'), drained }, calls)
    } finally {
      await handle.cancel().catch(() => undefined)
      await handle.result().catch(() => undefined)
    }
  })
}
