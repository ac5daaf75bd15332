import { CancellationScope } from '@temporalio/workflow'
import type { PartStep, PlannedBuild } from '../schemas/messages.js'
import { data } from './activity-groups.js'
import type { Progress } from './progress.js'

/**
 * Stages those tables of a large batch whose rows are each of one record: its parts side by side on any workers, first
 * their record ids, then their rows. What else there is to build reads all of it, and is left to who builds the rest.
 */
export async function buildInParts(whole: PlannedBuild, parts: number, progress: Progress): Promise<void> {
  // The groups name every table, and are told once for each part otherwise.
  const plan: PlannedBuild = { ...whole, groups: [] }
  for (const step of ['ids', 'tables'] as const) {
    progress.tell('build', { note: `${step} of ${parts} parts` })
    await buildParts(plan, parts, step)
    await data.mergeParts.executeWithOptions({ summary: `${step} of ${parts} parts` }, [{ plan, step }])
  }
}

/** Where the first part fails the others are stopped: what they have staged is used by the next plan. */
async function buildParts(plan: PlannedBuild, parts: number, step: PartStep): Promise<void> {
  const scope = new CancellationScope()
  const built = Array.from({ length: parts }, (_, part) =>
    scope.run(() =>
      data.buildPart.executeWithOptions({ summary: `${step}, part ${part + 1} of ${parts}` }, [
        { plan, part, step },
      ]),
    ),
  )
  try {
    await Promise.all(built)
  } catch (error) {
    scope.cancel()
    await Promise.allSettled(built)
    throw error
  }
}
