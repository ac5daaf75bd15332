import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson } from '../../schemas/canonical-json.js'
import { recordId } from '../../lake/land/record-id.js'

/** RFC 8785, Appendix B. */
const NUMBERS: readonly (readonly [string, string])[] = [
  ['0000000000000000', '0'],
  ['8000000000000000', '0'],
  ['0000000000000001', '5e-324'],
  ['8000000000000001', '-5e-324'],
  ['7fefffffffffffff', '1.7976931348623157e+308'],
  ['ffefffffffffffff', '-1.7976931348623157e+308'],
  ['4340000000000000', '9007199254740992'],
  ['c340000000000000', '-9007199254740992'],
  ['4430000000000000', '295147905179352830000'],
  ['44b52d02c7e14af5', '9.999999999999997e+22'],
  ['44b52d02c7e14af6', '1e+23'],
  ['44b52d02c7e14af7', '1.0000000000000001e+23'],
  ['444b1ae4d6e2ef4e', '999999999999999700000'],
  ['444b1ae4d6e2ef4f', '999999999999999900000'],
  ['444b1ae4d6e2ef50', '1e+21'],
  ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
  ['3eb0c6f7a0b5ed8d', '0.000001'],
  ['41b3de4355555553', '333333333.3333332'],
  ['41b3de4355555554', '333333333.33333325'],
  ['41b3de4355555555', '333333333.3333333'],
  ['41b3de4355555556', '333333333.3333334'],
  ['41b3de4355555557', '333333333.33333343'],
  ['becbf647612f3696', '-0.0000033333333333333333'],
  ['43143ff3c1cb0959', '1424953923781206.2'],
]

describe('canonical JSON (RFC 8785)', () => {
  it.each(NUMBERS)('writes the double %s as %s', (hex, text) => {
    expect(canonicalJson(Buffer.from(hex, 'hex').readDoubleBE())).toBe(text)
  })

  it('writes the example of section 3.2.2', () => {
    const text =
      '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],' +
      '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}'
    expect(canonicalJson(JSON.parse(text))).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
  })

  it('orders keys by UTF-16 code units, as in section 3.2.3', () => {
    const keys = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6']
    const sorted = ['\r', '1', '\u0080', '\u00f6', '\u20ac', '\ud83d\ude00', '\ufb33']
    const value = Object.fromEntries(keys.map((key) => [key, 0]))
    expect(canonicalJson(value)).toBe(`{${sorted.map((key) => `${JSON.stringify(key)}:0`).join(',')}}`)
  })

  it('keeps the digits of an integer that no double holds, and only of such', () => {
    expect(canonicalJson(9007199254740993n)).toBe('9007199254740993')
    expect(canonicalJson(10n ** 21n)).toBe('1e+21')
  })

  it.each([[NaN], [Infinity], [() => 0]])('refuses %s, which JSON has no form for', (value) => {
    expect(() => canonicalJson(value)).toThrow(/canonical JSON/)
  })

  it('does not depend on the order of members, and reads back as the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value)
        expect(canonicalJson(JSON.parse(text))).toBe(text)
        expect(canonicalJson(reversed(value))).toBe(text)
      }),
    )
  })
})

describe('a record id', () => {
  it('is the SHA-256 of the canonical array of the identity values, in declared order', () => {
    const document = { b: { y: 1, x: 2.5 }, a: 'é', other: 1 }
    // printf '["é",{"x":2.5,"y":1},null]' | sha256sum
    const expected = '714f0058ef932ea4f3774602466e07912b366963461fb4c8cb1a58b7bb2b2b2a'
    const id = recordId(['a', 'b', 'c.d'], document)
    expect(id).toMatch(/^[0-9a-f]{64}$/)
    expect(id).toBe(recordId(['a', 'b', 'c.d'], { other: 2, a: 'é', b: { x: 2.5, y: 1 } }))
    expect(id).not.toBe(recordId(['b', 'a', 'c.d'], document))
    expect(id).toBe(expected)
  })

  it('is refused to a document that has none of the identity', () => {
    expect(() => recordId(['a', 'b.c'], { b: 1 })).toThrow(/none of the identity's fields/)
  })
})

function reversed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(reversed)
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, reversed(item)]),
  )
}
