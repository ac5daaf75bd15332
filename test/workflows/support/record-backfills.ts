import { setTimeout as sleep } from 'node:timers/promises'
import type { WorkflowHandle } from '@temporalio/client'
import type { BackfillStatus } from '../../../schemas/backfill-messages.js'
import { TASK_QUEUES } from '../../../schemas/workflow-names.js'
import { failWith, nightOf, withFakeLake, type FakeActivities, type TestServer } from './fake-lake.js'
import { endless } from './run-workflows.js'

type Save = (name: string, workflowId: string, runId?: string) => Promise<void>

/** Backfills that go well, fail and are retried, are cancelled, go on as new. The server has to suggest that soon. */
export async function recordBackfills(test: TestServer, save: Save): Promise<void> {
  let mode: 'well' | 'broken' | 'stuck' = 'well'
  const lake: FakeActivities = {
    planLanding: async ({ pipeline, batch }) => {
      if (mode === 'stuck') await endless()
      if (mode === 'broken' && batch === nightOf('2026-07-02')) failWith('config', { final: true })
      const about = { pipeline, source: 'experiments', batch, from: '/landing', incarnation: 'i' }
      return { ...about, files: 0, bytes: 0, first: 0, end: 0 }
    },
  }
  await withFakeLake(test.connection, lake, async () => {
    const start = (workflowId: string, given: object): Promise<WorkflowHandle> =>
      test.client.workflow.start('backfill', {
        ...{ workflowId, taskQueue: TASK_QUEUES.control, args: [{ pipeline: 'quantum', ...given }] },
      })
    const until = async (handle: WorkflowHandle, is: (status: BackfillStatus) => boolean): Promise<void> => {
      while (!is(await handle.query<BackfillStatus>('status'))) await sleep(50)
    }
    const range = { from: '2026-07-01', to: '2026-07-03' }
    await (await start('backfill', { ...range, folder: '/raw/{date}' })).result()
    await save('backfill', 'backfill')

    mode = 'broken'
    const failed = await start('backfill-failed', { ...range, onFailure: 'pause', parallel: 2 })
    await until(failed, ({ status }) => status === 'paused')
    await failed.signal('retryFailed')
    await until(failed, ({ status, counts }) => status === 'paused' && counts.failed === 1)
    await failed.signal('resume')
    await failed.result()
    await save('backfill-failed', 'backfill-failed')

    mode = 'stuck'
    const cancelled = await start('backfill-cancelled', { ...range, parallel: 2 })
    await until(cancelled, ({ counts }) => counts.running === 2)
    await cancelled.signal('pause')
    await cancelled.signal('cancel')
    await cancelled.result()
    await save('backfill-cancelled', 'backfill-cancelled')

    mode = 'well'
    const long = await start('backfill-as-new', { from: '2026-08-01', to: '2026-08-31', parallel: 5 })
    const { runId } = await long.describe()
    await test.client.workflow.getHandle('backfill-as-new').result()
    await save('backfill-as-new', 'backfill-as-new', runId)
  })
}
