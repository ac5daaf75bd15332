import type { Client } from '@temporalio/client'
import type { BackfillInput } from '../schemas/backfill-messages.js'
import { FirnError } from '../schemas/error.js'
import type { MissedNight } from '../schemas/night-messages.js'
import { workflowIds } from '../schemas/workflow-names.js'
import { startOrJoin } from '../workers/start-or-join.js'

const BATCHES_MAX = 1000

/** Starts a backfill of exactly these dates and returns its workflow id; the same ones are joined where they run. */
export async function startMissed(
  client: Client,
  pipeline: string,
  missed: readonly MissedNight[],
): Promise<string> {
  const batches = missed.map(({ batch }) => batch)
  const [first, last] = [batches[0], batches.at(-1)]
  if (first === undefined || last === undefined || batches.length > BATCHES_MAX) {
    throw new FirnError(
      'invalid-input',
      `${batches.length} dates are too many for one backfill of single dates (at most ${BATCHES_MAX}): use \`firn backfill ${pipeline} --from … --to …\`.`,
    )
  }
  const input: BackfillInput = { pipeline, batches }
  const workflowId = workflowIds.backfill(pipeline, first, last)
  await startOrJoin(client, {
    workflow: 'backfill',
    workflowId,
    input,
    summary: `${batches.length} missed dates of ${pipeline}`,
  })
  return workflowId
}
