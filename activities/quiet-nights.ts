import type { Client } from '@temporalio/client'
import { SEARCH_ATTRIBUTES } from '../schemas/workflow-names.js'

const { pipeline: PIPELINE, batch: BATCH, status: STATUS } = SEARCH_ATTRIBUTES
const BATCHES_A_QUERY = 100

/**
 * Of these batches, those whose night ended with nothing new: the lake has no record of them, Temporal's list of workflows
 * has, for as long as it keeps them. A night that is not found only runs again, and finds nothing again.
 */
export async function quietNights(
  client: Client,
  pipeline: string,
  batches: readonly string[],
): Promise<ReadonlySet<string>> {
  const quiet = new Set<string>()
  for (let i = 0; i < batches.length; i += BATCHES_A_QUERY) {
    const some = batches.slice(i, i + BATCHES_A_QUERY).map((batch) => `"${batch}"`)
    const query = `WorkflowType = "nightly" AND ${PIPELINE} = "${pipeline}" AND ${STATUS} = "no_changes" AND ${BATCH} IN (${some.join(', ')})`
    for await (const { typedSearchAttributes } of client.workflow.list({ query })) {
      const batch = typedSearchAttributes.getAll().find(({ key }) => key.name === BATCH)?.value
      if (typeof batch === 'string') quiet.add(batch)
    }
  }
  return quiet
}
