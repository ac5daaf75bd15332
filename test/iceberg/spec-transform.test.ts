import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Transform } from '../../iceberg/spec/partition-spec.js'
import { compareValues } from '../../iceberg/spec/single-value.js'
import {
  applyTransform,
  hashValue,
  parseTransform,
  transformResultType,
} from '../../iceberg/spec/transform.js'
import type { PrimitiveType, Value } from '../../iceberg/spec/type.js'

const bytes = (...values: number[]) => Uint8Array.from(values)
const micros = (iso: string) => BigInt(Date.parse(iso)) * 1000n
const days = (iso: string) => Date.parse(iso) / 86_400_000

describe('hashes are those of Appendix B', () => {
  test.each<[PrimitiveType, Value, number]>([
    ['int', 34, 2017239379],
    ['long', 34n, 2017239379],
    ['decimal(9, 2)', 1420n, -500754589],
    ['date', days('2017-11-16'), -653330422],
    ['time', 81_068_000_000n, -662762989],
    ['timestamp', micros('2017-11-16T22:31:08Z'), -2047944441],
    ['timestamp', micros('2017-11-16T22:31:08Z') + 1n, -1207196810],
    ['timestamptz', micros('2017-11-16T14:31:08-08:00'), -2047944441],
    ['timestamp_ns', micros('2017-11-16T22:31:08Z') * 1000n, -2047944441],
    ['timestamptz_ns', micros('2017-11-16T22:31:08Z') * 1000n + 1001n, -1207196810],
    ['string', 'iceberg', 1210000089],
    ['uuid', 'f79c3e09-677c-4bbd-a479-3f349cb785e7', 1488055340],
    ['fixed[4]', bytes(0, 1, 2, 3), -188683207],
    ['binary', bytes(0, 1, 2, 3), -188683207],
  ])('%s %s', (type, value, hash) => {
    expect(hashValue(type, value)).toBe(hash)
    expect(applyTransform('bucket[16]', type, value)).toBe((hash & 0x7fffffff) % 16)
  })
})

describe('transforms give the values of the spec', () => {
  test.each<[Transform, PrimitiveType, Value | null, Value | null]>([
    ['identity', 'string', 'a', 'a'],
    ['identity', 'long', null, null],
    ['void', 'string', 'a', null],
    ['bucket[100]', 'int', 34, 79],
    ['bucket[100]', 'decimal(9, 2)', 1420n, 59],
    ['bucket[10]', 'long', null, null],
    ['truncate[10]', 'int', 1, 0],
    ['truncate[10]', 'int', -1, -10],
    ['truncate[10]', 'long', -10n, -10n],
    ['truncate[10]', 'long', -11n, -20n],
    ['truncate[50]', 'decimal(9, 2)', 1065n, 1050n],
    ['truncate[50]', 'decimal(9, 2)', -1065n, -1100n],
    ['truncate[3]', 'string', 'iceberg', 'ice'],
    ['truncate[3]', 'string', '🧊🧊🧊🧊', '🧊🧊🧊'],
    ['truncate[2]', 'binary', bytes(255, 1, 2), bytes(255, 1)],
    ['truncate[3]', 'binary', bytes(), bytes()],
    ['truncate[10]', 'int', 9, 0],
    ['truncate[10]', 'int', 10, 10],
    ['truncate[10]', 'long', 0n, 0n],
    ['truncate[10]', 'long', -1n, -10n],
    ['truncate[50]', 'decimal(9, 2)', -1n, -50n],
    ['truncate[10]', 'decimal(38, 0)', -(10n ** 37n) - 1n, -(10n ** 37n) - 10n],
    ['truncate[5]', 'string', 'ice', 'ice'],
    ['truncate[1]', 'string', 'e\u0301', 'e'],
    ['truncate[2]', 'string', 'イロハニ', 'イロ'],
    ['truncate[2]', 'string', '', ''],
    ['truncate[10]', 'string', null, null],
    ['bucket[16]', 'decimal(38, 0)', null, null],
    ['year', 'date', days('2017-12-01'), 47],
    ['month', 'date', days('2017-12-01'), 575],
    ['day', 'date', days('2017-12-01'), 17501],
    ['year', 'date', days('1969-12-31'), -1],
    ['month', 'date', days('1969-12-31'), -1],
    ['month', 'date', days('1968-12-31'), -13],
    ['day', 'date', -1, -1],
    ['year', 'timestamp', micros('2017-12-01T10:12:55.038Z'), 47],
    ['month', 'timestamptz', micros('2017-12-01T10:12:55.038Z'), 575],
    ['day', 'timestamp', micros('2017-12-01T10:12:55.038Z'), 17501],
    ['hour', 'timestamp', micros('2017-12-01T10:12:55.038Z'), 420034],
    ['hour', 'timestamp_ns', micros('2017-12-01T10:12:55.038Z') * 1000n + 1n, 420034],
    ['year', 'timestamp', -1n, -1],
    ['month', 'timestamp', -1n, -1],
    ['day', 'timestamp', -1n, -1],
    ['hour', 'timestamp', -1n, -1],
    ['day', 'timestamp_ns', -1n, -1],
    ['day', 'timestamp', -86_400_000_000n, -1],
    ['hour', 'timestamp', -3_600_000_000n, -1],
    ['hour', 'timestamp', -3_600_000_001n, -2],
    ['hour', 'timestamptz_ns', -1n, -1],
    ['month', 'timestamp_ns', -1n, -1],
    ['year', 'timestamptz_ns', micros('1969-01-01T00:00:00Z') * 1000n - 1n, -2],
    ['year', 'timestamp', micros('0001-01-01T00:00:00Z'), -1969],
    ['month', 'timestamp', micros('9999-12-31T23:59:59Z'), 96359],
    ['day', 'date', days('9999-12-31'), 2932896],
    // The ends of what a timestamp can be.
    ['day', 'timestamp', 2n ** 63n - 1n, 106751991],
    ['day', 'timestamp', -(2n ** 63n), -106751992],
  ])('%s of %s %s is %s', (transform, type, value, result) => {
    expect(applyTransform(transform, type, value)).toEqual(result)
  })
})

test('years and months are those of the proleptic calendar for any day', () => {
  fc.assert(
    fc.property(fc.integer({ min: -3_000_000, max: 3_000_000 }), (day) => {
      const date = new Date(day * 86_400_000)
      const year = date.getUTCFullYear() - 1970
      expect(applyTransform('year', 'date', day)).toBe(year)
      expect(applyTransform('month', 'date', day)).toBe(year * 12 + date.getUTCMonth())
    }),
  )
})

test.each<[Transform, PrimitiveType, fc.Arbitrary<Value>]>([
  ['truncate[7]', 'int', fc.integer()],
  ['truncate[13]', 'long', fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
  ['truncate[2]', 'string', fc.string({ unit: 'binary' })],
  ['truncate[2]', 'binary', fc.uint8Array({ maxLength: 4 })],
  ['month', 'date', fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })],
  ['hour', 'timestamp', fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
])('%s keeps the order of %s', (transform, type, arbitrary) => {
  const result = transformResultType(transform, type)
  fc.assert(
    fc.property(arbitrary, arbitrary, (a, b) => {
      const order = Math.sign(compareValues(type, a, b))
      const transformed = [applyTransform(transform, type, a), applyTransform(transform, type, b)] as const
      expect(order * compareValues(result, transformed[0]!, transformed[1]!)).toBeGreaterThanOrEqual(0)
    }),
  )
})

test('a transform is checked against its source type, and unknown ones are told apart', () => {
  expect(transformResultType('day', 'timestamptz')).toBe('date')
  expect(() => transformResultType('hour', 'date')).toThrow(
    expect.objectContaining({ kind: 'invalid-argument' }),
  )
  for (const type of ['float', 'double', 'boolean'] as const)
    for (const transform of ['bucket[4]', 'truncate[4]', 'year', 'hour'] as const)
      expect(() => transformResultType(transform, type), `${transform} of ${type}`).toThrow(
        'cannot be applied',
      )
  expect(parseTransform('zorder' as Transform)).toEqual({ kind: 'unknown', name: 'zorder' })
  expect(parseTransform('bucket[0]')).toEqual({ kind: 'unknown', name: 'bucket[0]' })
})
