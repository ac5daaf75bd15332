import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareValues, decodeValue, encodeValue } from '../../iceberg/spec/single-value.js'
import type { PrimitiveType, Value } from '../../iceberg/spec/type.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

test.each<[PrimitiveType, Value, string]>([
  ['boolean', true, '01'],
  ['boolean', false, '00'],
  ['int', 1, '01000000'],
  ['int', -2, 'feffffff'],
  ['long', -1n, 'ffffffffffffffff'],
  ['float', 1.5, '0000c03f'],
  ['double', -0.5, '000000000000e0bf'],
  ['date', 17_486, '4e440000'],
  ['time', 81_068_000_000n, '008307e012000000'],
  ['timestamp', 0n, '0000000000000000'],
  ['string', 'Å🧊', 'c385f09fa78a'],
  ['uuid', 'f79c3e09-677c-4bbd-a479-3f349cb785e7', 'f79c3e09677c4bbda4793f349cb785e7'],
  ['fixed[2]', Uint8Array.of(0, 255), '00ff'],
  ['binary', Uint8Array.of(), ''],
  ['decimal(9, 2)', 1420n, '058c'],
  ['decimal(9, 2)', -1n, 'ff'],
  ['decimal(9, 2)', 128n, '0080'],
  ['decimal(38, 0)', -129n, 'ff7f'],
])('%s %s is %s (Appendix D)', (type, value, expected) => {
  expect(hex(encodeValue(type, value))).toBe(expected)
  expect(decodeValue(type, encodeValue(type, value))).toEqual(value)
})

const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })

test.each<[PrimitiveType, fc.Arbitrary<Value>]>([
  ['int', fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })],
  ['long', long],
  ['timestamptz', long],
  ['float', fc.float()],
  ['double', fc.double()],
  ['string', fc.string({ unit: 'grapheme' })],
  ['binary', fc.uint8Array()],
  ['uuid', fc.uuid()],
  ['decimal(38, 4)', fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n })],
])('any %s survives encoding', (type, arbitrary) => {
  fc.assert(
    fc.property(arbitrary, (value) => {
      expect(decodeValue(type, encodeValue(type, value))).toEqual(value)
    }),
  )
})

test('values written before a promotion read as the type of now', () => {
  expect(decodeValue('long', encodeValue('int', -7))).toBe(-7n)
  expect(decodeValue('double', encodeValue('float', 0.5))).toBe(0.5)
})

test('strings are ordered by code point, as their bytes are', () => {
  expect(compareValues('string', '\uffff', '🧊')).toBeLessThan(0)
  const text = fc.string({
    unit: fc.constantFrom('', 'a', 'z', 'é', '\ud7ff', '\ue000', '\uffff', '𐀀', '🧊'),
  })
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(Math.sign(compareValues('string', a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
  )
})

test('NaN is the greatest number and -0 equals 0', () => {
  expect(compareValues('double', NaN, Infinity)).toBe(1)
  expect(compareValues('double', Infinity, NaN)).toBe(-1)
  expect(compareValues('double', NaN, NaN)).toBe(0)
  expect(compareValues('double', -0, 0)).toBe(0)
})

test('bytes of the wrong length are damaged data', () => {
  for (const type of ['int', 'long', 'double', 'uuid'] as const) {
    expect(() => decodeValue(type, new Uint8Array(3))).toThrow(
      expect.objectContaining({ kind: 'data-invalid' }),
    )
  }
})
