import { describe, expect, it } from 'vitest'
import { missedNights, type KnownNight } from '../../lake/nights/missed-nights.js'
import { scheduledInstants } from '../../schemas/scheduled-instant.js'

const instants = scheduledInstants(
  { nightly: '0 2 * * *' },
  { after: Date.UTC(2026, 6, 1), until: Date.UTC(2026, 6, 6) },
)
const day = (n: number): string => `2026070${n}T020000Z`
const night = (n: number, state: KnownNight['state']): KnownNight => ({
  batch: day(n),
  state,
  workflowId: `night-${n}`,
})
const none = { nights: [] as readonly KnownNight[], audited: new Set<string>(), waiting: 0 }
const batches = (seen: Partial<typeof none>): readonly string[] =>
  missedNights(instants, { ...none, ...seen }).map(({ batch }) => batch)

describe('missed nights', () => {
  it('are the dates with neither a night nor an audit row', () => {
    expect(batches({})).toEqual([1, 2, 3, 4, 5].map(day))
    const nights = [night(1, 'completed'), night(3, 'running')]
    expect(batches({ nights, audited: new Set([day(2), day(9)]) })).toEqual([day(4), day(5)])
  })

  it('are also dates whose night did not come to its end, unless another one did', () => {
    const nights = [night(1, 'failed'), night(1, 'started'), night(2, 'terminated'), night(2, 'completed')]
    expect(missedNights(instants.slice(0, 2), { ...none, nights })).toEqual([
      { batch: day(1), why: 'its night failed', workflowId: 'night-1' },
    ])
  })

  it('that the schedule has started are done where their end is forgotten', () => {
    expect(batches({ nights: [night(1, 'started'), night(4, 'started')] })).toEqual([2, 3, 5].map(day))
  })

  it('are not those that wait for the running night, which are started after it', () => {
    expect(batches({ nights: [night(2, 'running')], waiting: 1 })).toEqual([1, 4, 5].map(day))
    expect(batches({ nights: [night(2, 'completed')], waiting: 1 })).toEqual([1, 3, 4, 5].map(day))
  })
})
