import { headOf } from '../../../iceberg/spec/refs.js'
import { changeRefs } from '../../../iceberg/write/refs.js'
import { parseIdentifier } from '../../../iceberg/catalog/catalog.js'
import { commitLanding } from '../../../lake/land/commit-landing.js'
import { fetchLanding } from '../../../lake/land/fetch-landing.js'
import { planLanding } from '../../../lake/land/plan-landing.js'
import type { LakeDeps } from '../../../schemas/lake-deps.js'
import type { LandResult } from '../../../schemas/messages.js'
import type { Pipeline } from '../../../schemas/pipeline.js'
import { labPipeline } from './batches.js'
import type { TestLake } from './lake.js'

const { runs } = labPipeline.sources

/** Documents with a member that nobody declared go to its dead letters. */
export const strictPipeline: Pipeline = {
  ...labPipeline,
  sources: { runs: { ...runs!, contract: 'discard-row' } },
}

/** The same lake after its contract was mended: such documents are let through. */
export function mended(deps: LakeDeps): LakeDeps {
  return { ...deps, pipelines: new Map([['lab', labPipeline]]) }
}

export const goodRun = (id: string) => ({ id, grp: 'x', values: [1, 2] })
export const badRun = (id: string) => ({ ...goodRun(id), rating: 5 })

/** Lands what is new: the inbox, or the topic where the lake has topics. */
export async function landNew(lake: TestLake, deps: LakeDeps, batch: string): Promise<LandResult> {
  const from = deps.topics === undefined ? { from: lake.inbox } : {}
  const plan = await planLanding(deps, { pipeline: 'lab', batch, ...from })
  const slices = plan.kind === 'topic' ? plan.slices.length : 1
  const fetched = []
  for (let slice = 0; slice < slices; slice++) fetched.push(await fetchLanding(deps, plan, slice))
  return await commitLanding(deps, plan, fetched)
}

/** Sets a table back to the state that it had before its newest snapshot. */
export async function rollBack(deps: LakeDeps, table: string): Promise<void> {
  const identifier = parseIdentifier(table)
  const { metadata } = await deps.catalog.loadTable(identifier)
  const parent = headOf(metadata)?.['parent-snapshot-id']
  if (parent === undefined) throw new Error(`${table} has no earlier state`)
  await changeRefs({
    ...deps,
    tables: [{ identifier, changes: [{ kind: 'rollback', to: { snapshotId: parent } }] }],
  })
}
