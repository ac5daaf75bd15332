import { ActivityFailure, ApplicationFailure, log, sleep } from '@temporalio/workflow'

/** Kinds that say: what was planned or staged no longer fits the tables. The cure is a new plan, not another attempt. */
export const REPLAN_KINDS = ['rebuild-needed', 'stage-expired', 'stale-range'] as const

const MAX_PLANS = 6

/**
 * Runs plan-to-commit, again from the plan on where the tables have moved meanwhile; gives up after six plans. A plan that
 * finds somebody else's progress says so by `begin`, and counts as the first again.
 */
export async function withReplans<T>(planToCommit: (begin: () => void) => Promise<T>): Promise<T> {
  for (let plans = 1; ; plans += 1) {
    try {
      return await planToCommit(() => (plans = 1))
    } catch (error) {
      if (plans >= MAX_PLANS || !mustReplan(error)) throw error
      log.warn('planning again', { kind: failureKind(error), plans })
      await sleep(200 * plans)
    }
  }
}

export function mustReplan(error: unknown): boolean {
  const kind = failureKind(error)
  return REPLAN_KINDS.some((replan) => replan === kind)
}

/** The error kind that an activity failed with (activities/map-error); undefined for time-outs and cancellations. */
export function failureKind(error: unknown): string | undefined {
  return applicationFailure(error)?.type ?? undefined
}

export function applicationFailure(error: unknown): ApplicationFailure | undefined {
  return error instanceof ActivityFailure && error.cause instanceof ApplicationFailure
    ? error.cause
    : undefined
}
