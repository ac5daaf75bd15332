import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import type { BatchRecord } from '../../lake/backfill/batch-history.js'
import { batchesOfDates } from '../../lake/backfill/batches-of-dates.js'
import { lookAtDates } from '../../lake/backfill/look-at-dates.js'
import type { BackfillMode, DateState } from '../../schemas/backfill-messages.js'
import {
  countStates,
  DATE_STATES,
  decodeStates,
  encodeStates,
  retriedStates,
} from '../../schemas/backfill-states.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import type { AuditStatus } from '../../lake/publish/audit.js'
import { openDateStates } from '../../workflows/date-states.js'
import { backfillDates } from '../../schemas/backfill-dates.js'

const SEED = Number(process.env['FIRN_TEST_SEED'] ?? Date.now() % 2 ** 31)
const pipeline = { name: 'p', namespace: 'p_features', schedule: { nightly: '0 2 * * *' } } as Pipeline

const record = (batch: string, status: AuditStatus): BatchRecord => ({
  batch,
  status,
  snapshotIds: {},
  rows: 1,
})
const look = (
  keys: readonly string[],
  records: readonly BatchRecord[],
  more: { mode?: BackfillMode; of?: Pipeline; quiet?: readonly string[] } = {},
) =>
  lookAtDates({
    pipeline: more.of ?? pipeline,
    mode: more.mode ?? 'missing',
    keys,
    history: () => Promise.resolve(records),
    quiet: () => Promise.resolve(new Set(more.quiet ?? [])),
  })

describe('which dates have to run', () => {
  it('decides by what the data says of each batch last', async () => {
    const batch = (day: number): string => `2026070${day}T020000Z`
    const dates = await look(
      ['2026-07-01', '2026-07-02', '2026-07-03', '2026-07-04', '2026-07-05', '2026-07-06', '2026-07-07'],
      [
        record(batch(1), 'published'),
        record(batch(2), 'failed'),
        record(batch(3), 'failed'),
        record(batch(3), 'skipped'),
        record(batch(4), 'rolled_back'),
        // More input came to the same night, and its check failed.
        record(batch(5), 'published'),
        record(`${batch(5)}-2`, 'failed'),
        record(batch(6), 'published'),
        record(`${batch(6)}-2`, 'rebuilt'),
      ],
    )
    expect(dates.map(({ state }) => state)).toEqual(['done', 'due', 'done', 'due', 'due', 'done', 'due'])
    expect(dates.map(({ found }) => found[0]?.was)).toEqual([
      'published',
      'failed',
      'skipped',
      'rolled_back',
      'failed',
      'published',
      'missing',
    ])
    expect(dates[1]?.batches).toEqual([batch(2)])
  })

  it('a night that found nothing new is done; one that failed is not, whatever was before', async () => {
    const [first, second] = await look(['2026-07-01', '2026-07-02'], [record('20260702T020000Z', 'failed')], {
      quiet: ['20260701T020000Z', '20260702T020000Z'],
    })
    expect(first).toMatchObject({ state: 'done', found: [{ was: 'no_changes' }] })
    expect(second).toMatchObject({ state: 'due', found: [{ was: 'failed' }] })
  })

  it('follows the schedule: its zone, its days, several batches a day, clocks that change', () => {
    const on = (nightly: string, timezone: string, ...dates: string[]) =>
      Object.fromEntries(batchesOfDates({ schedule: { nightly, timezone } }, dates))
    expect(on('30 1 * * *', 'Asia/Tokyo', '2026-07-01')).toEqual({ '2026-07-01': ['20260630T163000Z'] })
    expect(on('0 2 * * 1-5', 'UTC', '2026-07-03', '2026-07-04')).toEqual({
      '2026-07-03': ['20260703T020000Z'],
      '2026-07-04': [],
    })
    expect(on('0 */12 * * *', 'UTC', '2026-07-01')).toEqual({
      '2026-07-01': ['20260701T000000Z', '20260701T120000Z'],
    })
    // 02:30 did not happen on that date.
    expect(on('30 2 * * *', 'Europe/Berlin', '2026-03-29', '2026-03-30')).toEqual({
      '2026-03-29': [],
      '2026-03-30': ['20260330T003000Z'],
    })
  })

  it('a rebuild takes what was published on a date of the zone, by whatever night, and nothing else', async () => {
    const tokyo = { ...pipeline, schedule: { nightly: '30 1 * * *', timezone: 'Asia/Tokyo' } } as Pipeline
    const records = [
      record('20260630T163000Z', 'published'),
      record('20260701T101112Z', 'published'),
      record('20260701T101112Z-2', 'rebuilt'),
      record('20260701T163000Z', 'failed'),
    ]
    expect(await look(['2026-07-01', '2026-07-02'], records, { mode: 'rebuild', of: tokyo })).toMatchObject([
      { state: 'due', batches: ['20260630T163000Z', '20260701T101112Z'] },
      { state: 'none', batches: [] },
    ])
  })

  it('answers for as many dates as fit into a message', async () => {
    const busy = { ...pipeline, schedule: { nightly: '* * * * *' } } as Pipeline
    const dates = await look(['2026-07-01', '2026-07-02', '2026-07-03'], [], { of: busy })
    expect(dates.map(({ batches }) => batches.length)).toEqual([1440])
  })
})

describe(`states of dates (seed ${SEED})`, () => {
  const states = fc.array(fc.constantFrom(...DATE_STATES), { maxLength: 200 })

  it('are the same after a run of the workflow as before, but for those that ran', () => {
    fc.assert(
      fc.property(states, (some) => {
        const back = some.map((state): DateState => (state === 'running' ? 'waiting' : state))
        expect(decodeStates(encodeStates(some), some.length)).toEqual(back)
        expect(decodeStates(encodeStates(some), some.length + 1)).toBeUndefined()
        expect(encodeStates(some).length).toBeLessThanOrEqual(some.length)
      }),
      { seed: SEED },
    )
  })

  it('a retry takes what failed or was cancelled, and nothing else', () => {
    fc.assert(
      fc.property(states, (some) => {
        const before = countStates(some)
        const { failed, cancelled, waiting, ...rest } = countStates(retriedStates(some))
        expect([failed, cancelled, waiting]).toEqual([
          0,
          0,
          before.waiting + before.failed + before.cancelled,
        ])
        expect(before).toMatchObject(rest)
      }),
      { seed: SEED },
    )
  })

  it('of 100,000 dates that all fail, what is carried stays below what a payload may hold', () => {
    const input = { pipeline: 'p', from: '1800-01-01', to: '2073-10-15' }
    const dates = backfillDates(input)
    expect(dates.total).toBe(100_000)
    const tracked = openDateStates(dates, undefined, (key) => `nightly-p-${key}`)
    for (let i = 0; i < dates.total; i += 1) {
      if (i % 2 === 0) tracked.settle(i, 'published')
      else tracked.fail(i, { date: dates.key(i), workflowId: 'w'.repeat(100), cause: 'é'.repeat(5000) })
    }
    expect(Buffer.byteLength(JSON.stringify({ ...input, ...tracked.carry() }))).toBeLessThan(256 * 1024)
    expect(tracked.page({ state: 'failed', offset: 49_998, limit: 5 })).toMatchObject({
      total: 50_000,
      rows: [{ date: '2073-10-13' }, { date: '2073-10-15' }],
    })
    const again = openDateStates(dates, tracked.carry(), (key) => key)
    expect(again.counts()).toEqual(tracked.counts())
  })
})
