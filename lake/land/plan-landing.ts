import { isBatchId } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { LandingPlan, LandSourceInput, PartitionRange } from '../../schemas/messages.js'
import { ensureLandingTables } from '../tables/ensure-tables.js'
import { planFiles } from './plan-files.js'
import { planTopic } from './plan-topic.js'
import { restoreRemovedRows } from './restore-removed-rows.js'
import { sourceOf } from './source-of.js'

export interface PlanLandingInput extends LandSourceInput {
  /** Topics: nothing from these ends on is planned, so that a landing ends although producers go on. */
  readonly until?: readonly PartitionRange[]
}

/**
 * Fixes what a landing reads, before it reads it: new files, or offsets of a topic. Rows that a rollback of the ledger
 * removed are brought back first, under the numbers they had. Errors: `source-changed`, `offsets-lost` (a person has to
 * answer, see LandingAnswer), `not-found`, `config`, `invalid-input`, `io`.
 */
export async function planLanding(deps: LakeDeps, input: PlanLandingInput): Promise<LandingPlan> {
  const source = sourceOf(deps, input)
  const batch = batchOf(input)
  const tables = await ensureLandingTables(deps, source.name)
  const { ledger, restored } = await restoreRemovedRows(deps, source.name, tables.ledger)
  const plan =
    input.from === undefined && deps.topics !== undefined
      ? await planTopic({ ...deps, topics: deps.topics }, source, ledger, { ...input, batch })
      : await planFiles(deps, source, ledger, { batch, from: input.from })
  const back = `${restored} ledger rows that a rollback had removed are back, as they were`
  const warnings = [...(restored === 0 ? [] : [back]), ...(plan.warnings ?? [])]
  return {
    ...plan,
    ...(warnings.length === 0 ? {} : { warnings }),
    ...(input.accept === undefined ? {} : { accept: input.accept }),
  }
}

function batchOf({ batch }: LandSourceInput): string {
  if (batch !== undefined && isBatchId(batch)) return batch
  throw new FirnError(
    'invalid-input',
    `batch ${JSON.stringify(batch)} is not a batch id; give an instant like 20261121T020000Z`,
  )
}
