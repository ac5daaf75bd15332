import { describe, expect, it } from 'vitest'
import { definePipeline, jsonSource } from '../../lake/define/define-pipeline.js'
import { clockChanges } from '../../lake/define/schedule-problems.js'
import type { ScheduleDefinition } from '../../schemas/pipeline.js'

function define(schedule: ScheduleDefinition, lateAfter?: string): () => unknown {
  return () =>
    definePipeline({
      name: 'shop',
      sources: {
        orders: jsonSource({
          topic: 'orders',
          schema: { id: 'string' },
          identity: ['id'],
          ...(lateAfter === undefined ? {} : { lateAfter }),
        }),
      },
      tables: {},
      schedule,
    })
}

describe('the schedule of a pipeline', () => {
  it.each<[string, ScheduleDefinition]>([
    ['every night', { nightly: '0 2 * * *', timezone: 'Europe/Berlin' }],
    ['names and steps', { nightly: '*/15 6-18/2 1,15 JAN-mar Mon-Fri' }],
    [
      'all that can be said',
      { nightly: '30 2 * * 7', jitter: '10m', catchUp: '2d', paused: true, note: 'n' },
    ],
    [
      'several times, not in the hour that comes twice',
      { nightly: '0 6,18 * * *', timezone: 'Europe/Berlin' },
    ],
    ['every hour in UTC', { nightly: '0 * * * *', timezone: 'UTC' }],
    ['a zone without changes', { nightly: '0 * * * *', timezone: 'Asia/Tokyo' }],
  ])('is taken: %s', (_, schedule) => {
    expect(define(schedule)).not.toThrow()
  })

  it.each<[ScheduleDefinition, RegExp]>([
    [{ nightly: '61 2 * * *' }, /schedule\.nightly: "61 2 \* \* \*" is no cron expression/],
    [{ nightly: '0 2 L * *' }, /L is no field of it/],
    [{ nightly: '0 2 ? * *' }, /\? is no field of it/],
    [{ nightly: '0 22-2 * * *' }, /is no cron expression/],
    [{ nightly: '0 2 30 2 *' }, /names a day that no year has/],
    [{ nightly: '0 2 * * *', jitter: 'a bit' }, /schedule\.jitter: 'a bit' is not a time span/],
    [{ nightly: '0 2 * * *', jitter: '24h' }, /jitter: '24h' reaches to the next night, 1440 minutes later/],
    [{ nightly: '0 2 * * *', catchUp: '1s' }, /catchUp: '1s' is not between 1m and 366d/],
    [
      { nightly: '0 * * * *', timezone: 'Europe/Berlin' },
      /clocks in Europe\/Berlin show the hour from 02:00 twice/,
    ],
    [{ nightly: '30 0,1 * * *', timezone: 'America/New_York' }, /the hour from 01:00 twice/],
    [{ nightly: '0 2 * * *', timezone: 'Mars/Base' }, /must be an IANA time zone/],
  ])('is refused: %j', (schedule, message) => {
    expect(define(schedule)).toThrow(message)
  })

  it('a source says when it is late', () => {
    expect(define({ nightly: '0 2 * * *' }, '26h')).not.toThrow()
    expect(define({ nightly: '0 2 * * *' }, 'soon')).toThrow(
      /sources\.orders\.lateAfter: must be a time span/,
    )
  })

  it('knows when clocks change', () => {
    expect(
      clockChanges('Europe/Berlin').map(({ atMs, shiftMs }) => [new Date(atMs).toISOString(), shiftMs]),
    ).toEqual([
      ['2026-03-29T01:00:00.000Z', 3_600_000],
      ['2026-10-25T01:00:00.000Z', -3_600_000],
    ])
  })
})
