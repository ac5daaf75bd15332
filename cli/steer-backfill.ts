import { type Client, WorkflowNotFoundError } from '@temporalio/client'
import type { BackfilledDate, BackfillStatus, DateState } from '../schemas/backfill-messages.js'
import { FirnError } from '../schemas/error.js'
import { BACKFILL_SIGNALS } from '../schemas/workflow-names.js'
import {
  askDates,
  askRetryInput,
  askStatus,
  findBackfill,
  isRunning,
  startBackfill,
} from './backfill-handle.js'

const PAGE = 1000

/** Tells a backfill something; resolves to its status then. One that has ended can be asked, and be started again. */
export async function steer(
  client: Client,
  verb: 'status' | 'pause' | 'resume' | 'cancel' | 'retry-failed',
  id: string,
): Promise<BackfillStatus> {
  const handle = await findBackfill(client, id)
  if (verb === 'status') return askStatus(handle)
  if (verb === 'retry-failed' && !(await isRunning(handle))) {
    const retried = await startBackfill(client, id, await askRetryInput(handle))
    return askStatus(retried.handle)
  }
  try {
    await handle.signal(verb === 'retry-failed' ? BACKFILL_SIGNALS.retryFailed : BACKFILL_SIGNALS[verb])
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw hasEnded(id)
    throw error
  }
  // How it ends is said by its status.
  if (verb === 'cancel') await handle.result().catch(() => undefined)
  return askStatus(handle)
}

/** Exactly what `retry-failed` would run: of one that has ended, what never ran as well. */
export async function findRetried(client: Client, id: string): Promise<readonly BackfilledDate[]> {
  const handle = await findBackfill(client, id)
  const states: readonly DateState[] = (await isRunning(handle))
    ? ['failed', 'cancelled']
    : ['failed', 'cancelled', 'waiting']
  const found: BackfilledDate[] = []
  for (const state of states) {
    for (let offset = 0, total = 1; offset < total; offset += PAGE) {
      const page = await askDates(handle, { state, offset, limit: PAGE })
      found.push(...page.rows)
      total = page.total
    }
  }
  return found.sort((a, b) => (a.date < b.date ? -1 : 1))
}

function hasEnded(id: string): FirnError {
  return new FirnError(
    'invalid-input',
    `${id} has ended: \`firn backfill status ${id}\` tells how, \`firn backfill retry-failed ${id}\` runs what failed again.`,
  )
}
