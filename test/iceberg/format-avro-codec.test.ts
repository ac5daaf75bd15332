import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import snappy from 'snappyjs'
import { describe, expect, test } from 'vitest'
import { isIcebergError } from '../../iceberg/error.js'
import { blockUnpacker } from '../../iceberg/format/avro/codec.js'
import { openContainer } from '../../iceberg/format/avro/container.js'
import { Sink } from '../../iceberg/format/avro/sink.js'
import { crc32 } from '../../iceberg/format/crc32.js'

const LONGS = [0n, -1n, 2n ** 62n, 5n]

/** `zstd -3 --no-check` of 1,000 bytes 'a'. */
const ZSTD_AS = Buffer.from('28b52ffd60e8024d00001061610100e32b8005', 'hex')

function withSnappyChecksum(plain: Uint8Array): Buffer {
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(plain))
  return Buffer.concat([snappy.compress(plain), checksum])
}

/** A container of longs: one block, packed by `pack`. */
function container(codec: string, pack: (plain: Uint8Array) => Uint8Array, count = LONGS.length): Uint8Array {
  const file = new Sink()
  file.fixed(Buffer.from('Obj\x01', 'latin1'))
  const header = { 'avro.schema': '"long"', 'avro.codec': codec }
  file.block(2, Object.entries(header), ([key, value]) => {
    file.string(key)
    file.string(value)
  })
  const sync = Buffer.alloc(16, 7)
  file.fixed(sync)
  const block = new Sink()
  for (const value of LONGS) block.long(value)
  file.long(count)
  file.bytes(pack(block.take()))
  file.fixed(sync)
  return file.take()
}

function longsOf(bytes: Uint8Array): readonly bigint[] {
  const longs: bigint[] = []
  openContainer(bytes).forEachRecord((cursor) => longs.push(cursor.readBigLong()))
  return longs
}

const CODECS: readonly (readonly [string, (plain: Uint8Array) => Uint8Array])[] = [
  ['null', (plain) => plain],
  ['deflate', (plain) => deflateRawSync(plain)],
  ['snappy', withSnappyChecksum],
]

describe('Avro blocks', () => {
  test.each(CODECS)('packed with %s are read', (codec, pack) => {
    expect(longsOf(container(codec, pack))).toEqual(LONGS)
  })

  test('packed with zstandard are read', () => {
    expect(Buffer.from(blockUnpacker('zstandard')(ZSTD_AS)).toString()).toBe('a'.repeat(1000))
  })

  test('other codecs are refused by name', () => {
    for (const codec of ['bzip2', 'xz', 'lzo']) {
      expect(() => openContainer(container(codec, (plain) => plain))).toThrow(codec)
    }
  })

  test.each(CODECS)(
    'damaged ones of %s are data-invalid, never wrong values unnoticed by a checksum',
    (codec, pack) => {
      const whole = container(codec, pack)
      fc.assert(
        fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
          const bytes = Uint8Array.from(whole)
          bytes[at]! ^= change
          try {
            const longs = longsOf(bytes)
            if (codec === 'snappy') expect(longs).toEqual(LONGS)
          } catch (error) {
            expect(isIcebergError(error), String(error)).toBe(true)
          }
        }),
        { numRuns: 500 },
      )
    },
  )

  test('that would fill the memory are refused', () => {
    const zeros = new Uint8Array(10_000_000)
    const most = 1_000_000
    expect(() => blockUnpacker('deflate', most)(deflateRawSync(zeros))).toThrow(/does not unpack/)
    expect(() => blockUnpacker('snappy', most)(withSnappyChecksum(zeros))).toThrow(/too big/)
    // Says 2^40 bytes, and a window of terabytes.
    const claims = [
      Buffer.from('28b52ffde0000000000001000000', 'hex'),
      Buffer.from('28b52ffd00ff0000000000000000', 'hex'),
    ]
    for (const claim of claims)
      expect(() => blockUnpacker('zstandard', most)(claim)).toThrow(/more than 1000000/)
    expect(() => blockUnpacker('zstandard', 999)(ZSTD_AS)).toThrow(/more than 999/)
  })

  test('that say more records than they have bytes are refused at once', () => {
    expect(() => longsOf(container('null', (plain) => plain, 2 ** 50))).toThrow(/records/)
  })
})
