import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isIcebergError } from '../../iceberg/error.js'
import { crc32 } from '../../iceberg/format/crc32.js'
import { decodeDeletionVector } from '../../iceberg/format/puffin/deletion-vector.js'
import { parsePuffinFooter } from '../../iceberg/format/puffin/puffin-footer.js'
import { deletionVector, framed, roaring } from '../support/deletion-vector.js'

const range = (start: number, end: number, step = 1): number[] =>
  Array.from({ length: Math.ceil((end - start) / step) }, (_, index) => start + index * step)

describe('deletion vectors', () => {
  test.each([
    ['none', []],
    ['one', [0]],
    ['an array', [1, 5, 65_535]],
    ['an array as large as it may be', range(0, 8192, 2)],
    ['a bitmap', range(0, 65_536, 3)],
    ['a full container', range(0, 65_536)],
    ['many containers', range(7, 600_000, 1001)],
    ['positions beyond 32 bits', [0, 2 ** 32 - 1, 2 ** 32, 2 ** 33 + 5, 2 ** 53 - 1]],
  ])('holds %s', (_, positions) => {
    for (const form of ['smallest', 'runs'] as const) {
      const decoded = decodeDeletionVector(deletionVector(positions, form), positions.length)
      expect([...decoded]).toEqual(positions.map(BigInt))
    }
  })

  test('any set of positions comes back', () => {
    const position = fc.oneof(fc.nat(100_000), fc.nat({ max: 2 ** 31 - 1 }), fc.maxSafeNat())
    fc.assert(
      fc.property(fc.uniqueArray(position), fc.constantFrom('smallest', 'runs'), (positions, form) => {
        const decoded = decodeDeletionVector(deletionVector(positions, form), positions.length)
        expect([...decoded]).toEqual(positions.sort((a, b) => a - b).map(BigInt))
      }),
    )
  })

  test('any damaged byte is found out', () => {
    const blob = deletionVector([1, 2, 3, 70_000, 2 ** 33])
    for (let at = 0; at < blob.length; at++) {
      const damaged = Uint8Array.from(blob)
      damaged[at]! ^= 0x10
      expect(() => decodeDeletionVector(damaged, 5), `byte ${at}`).toThrow(/damaged/)
    }
    expect(() => decodeDeletionVector(blob.subarray(0, 11), 5)).toThrow(/11 bytes/)
  })

  test('a bitmap whose checksum is right is still not believed', () => {
    const magic = Buffer.from([0xd1, 0xd3, 0x39, 0x64])
    const good = roaring([...range(0, 100), ...range(65_536, 80_000)], 'runs')
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, length) => {
        const body = Buffer.from(good.subarray(0, length))
        if (at < body.length) body[at] = byte
        try {
          const decoded = decodeDeletionVector(framed(Buffer.concat([magic, body])), 14_564)
          expect(decoded).toHaveLength(14_564)
        } catch (error) {
          expect(isIcebergError(error, 'data-invalid'), String(error)).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('a few bytes that say billions of positions do not become them', () => {
    const blob = deletionVector(range(0, 65_536), 'runs')
    expect(blob.length).toBeLessThan(50)
    expect(() => decodeDeletionVector(blob, 10)).toThrow(/more than the 10 positions/)
    expect(() => decodeDeletionVector(blob, 70_000)).toThrow(/65536 positions, and should 70000/)
  })

  test('the checksum is that of gzip', () => expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926))
})

describe('Puffin footers', () => {
  const puffin = (footer: string, flags = 0): Buffer => {
    const tail = Buffer.alloc(12)
    tail.writeUInt32LE(Buffer.byteLength(footer), 0)
    tail[4] = flags
    tail.write('PFA1', 8, 'latin1')
    return Buffer.concat([Buffer.from('PFA1blobs'), Buffer.from(`PFA1${footer}`), tail])
  }
  const blob = {
    type: 'deletion-vector-v1',
    fields: [1],
    'snapshot-id': -1,
    'sequence-number': -1,
    offset: 4,
    length: 5,
  }

  test('say where each blob lies', () => {
    const properties = { 'referenced-data-file': 'ö.parquet', cardinality: '2' }
    const text = JSON.stringify({ blobs: [{ ...blob, properties }], properties: { 'created-by': 'x' } })
    expect(
      parsePuffinFooter(puffin(text.replace('"snapshot-id":-1', '"snapshot-id":9007199254740993'))),
    ).toEqual({
      blobs: [
        {
          type: 'deletion-vector-v1',
          fields: [1],
          snapshotId: 9007199254740993n,
          sequenceNumber: -1,
          offset: 4,
          length: 5,
          properties,
        },
      ],
      properties: { 'created-by': 'x' },
    })
  })

  test('packed ones are refused by name, damaged ones as such', () => {
    const whole = puffin(JSON.stringify({ blobs: [blob] }))
    expect(() => parsePuffinFooter(puffin('x', 1))).toThrow(/lz4/)
    for (const bytes of [
      whole.subarray(0, 20),
      whole.subarray(0, -1),
      whole.subarray(-30),
      puffin('{"blobs":[{}]}'),
      puffin('{'),
      new Uint8Array(),
    ]) {
      try {
        parsePuffinFooter(bytes)
        expect.unreachable()
      } catch (error) {
        expect(isIcebergError(error, 'data-invalid'), String(error)).toBe(true)
      }
    }
  })
})
