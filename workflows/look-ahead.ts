import type { NightlyInput } from '../schemas/messages.js'
import type { NightLook } from '../schemas/night-look.js'
import { data } from './activity-groups.js'
import { logicalBatch } from './logical-batch.js'
import { orWithout } from './night-alerts.js'

/** Asked again where a worker was lost; what then still is not found out the night's steps find out. */
const OPTIONS = { startToCloseTimeout: '30 minutes', retry: { maximumAttempts: 2 } } as const

/** All that a night can find out before it starts anything, in one activity. */
export async function lookAhead(
  { pipeline, from, date, onChange, batch = date === undefined ? logicalBatch() : undefined }: NightlyInput,
  looksBack: boolean,
): Promise<NightLook> {
  const day = batch === undefined ? { date: date ?? '' } : { batch }
  const input = {
    ...{ pipeline, day, looksBack },
    ...(from === undefined ? {} : { from }),
    ...(onChange === undefined ? {} : { onChange }),
  }
  const summary = `look at ${pipeline} ${batch ?? date ?? ''}`
  const found = await orWithout('the look ahead', () =>
    data.lookAtNight.executeWithOptions({ ...OPTIONS, summary }, [input]),
  )
  return found ?? {}
}
