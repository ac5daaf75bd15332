import { ActivityFailure, ApplicationFailure, log, sleep } from '@temporalio/workflow'

/** Kinds that say: what was planned or staged no longer fits the tables. The cure is a new plan, not another attempt. */
export const REPLAN_KINDS = ['rebuild-needed', 'stage-expired', 'stale-range'] as const

const MAX_PLANS = 6

/** Runs plan-to-commit, again from the plan on where the tables have moved meanwhile; gives up after six plans. */
export async function withReplans<T>(planToCommit: () => Promise<T>): Promise<T> {
  for (let plans = 1; ; plans += 1) {
    try {
      return await planToCommit()
    } catch (error) {
      const kind = failureKind(error)
      if (plans === MAX_PLANS || !REPLAN_KINDS.some((replan) => replan === kind)) throw error
      log.warn('planning again', { kind, plans })
      await sleep(200 * plans)
    }
  }
}

/** The error kind that an activity failed with (activities/map-error); undefined for time-outs and cancellations. */
function failureKind(error: unknown): string | undefined {
  if (!(error instanceof ActivityFailure) || !(error.cause instanceof ApplicationFailure)) return undefined
  return error.cause.type ?? undefined
}
