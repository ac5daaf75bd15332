import { Context } from '@temporalio/activity'
import type { LakeDeps } from '../schemas/lake-deps.js'
import type { LookAtNightInput, NightLook } from '../schemas/night-look.js'
import { awaitEnd } from './await-end.js'
import { lookAtNight } from './look-at-night.js'
import { runCore } from './run-core.js'

export type NightActivities = ReturnType<typeof createNightActivities>

export function createNightActivities(deps: LakeDeps) {
  return {
    /**
     * Effect: those of planLanding, where there is something to land; else none.
     * Key: not needed. Heartbeat: every 2 s. Kinds: cancelled. What it can't find out is left out of its answer: the
     * night does that part by itself, and fails there where it must.
     */
    lookAtNight: (input: LookAtNightInput): Promise<NightLook> =>
      runCore(({ signal }) => lookAtNight(deps, Context.current().client, input, signal)),

    /**
     * Effect: none; waits until no workflow of an id runs, however it ends. Asks Temporal, which answers at that moment.
     * Key: not needed. Heartbeat: every 2 s. Kinds: cancelled, io.
     */
    awaitEnd: ({ workflowId }: { readonly workflowId: string }): Promise<void> =>
      runCore(({ signal }) => awaitEnd(Context.current().client, workflowId, signal)),
  }
}
