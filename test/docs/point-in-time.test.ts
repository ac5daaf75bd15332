import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { joinInMemory, testEngine } from '../ml/support/pit-session.js'
import { tableRows } from '../support/page-tables.js'

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'point-in-time.md'), 'utf8')
const example = page.slice(page.indexOf('## An example'))
const engine = testEngine()
afterAll(() => engine.close())

test.each([
  ['rate', undefined],
  ['knownBy: false', false],
])('the example of the page comes out as its column %s says', async (column, knownBy) => {
  const view = tableRows(example).map(([driver, time, created, rate]) => ({
    ...{ driver_id: numberOf(driver), event_timestamp: instantOf(time), created: instantOf(created) },
    rate: rateOf(rate),
  }))
  const asked = tableRows(example.slice(example.indexOf('What entity rows get')))
  expect([view.length, asked.length]).toEqual([5, 8])
  const rows = await joinInMemory(engine, {
    entities: {
      columns: { driver_id: 'long', event_timestamp: 'timestamptz' },
      rows: asked.map(([driver, time]) => ({
        driver_id: numberOf(driver),
        event_timestamp: instantOf(time),
      })),
    },
    timestampField: 'event_timestamp',
    views: {
      stats: {
        ...{ joinKeys: ['driver_id'], timestampField: 'event_timestamp', createdTimestampField: 'created' },
        columns: { driver_id: 'long', event_timestamp: 'timestamptz', created: 'timestamptz' },
        ...{ ttl: '2h', schema: { rate: 'double' }, rows: view },
      },
    },
    ...(knownBy === undefined ? {} : { knownBy }),
  })
  expect(rows.map((row) => row['rate'])).toEqual(
    asked.map((cells) => rateOf(cells[column === 'rate' ? 2 : 3])),
  )
})

function numberOf(text = ''): bigint | null {
  return text === '' ? null : BigInt(text)
}

function rateOf(text = ''): number | null {
  return text === '' ? null : Number(text)
}

function instantOf(text = ''): bigint | null {
  return text === '' ? null : BigInt(Date.parse(`2026-01-01T${text}:00Z`)) * 1000n
}
