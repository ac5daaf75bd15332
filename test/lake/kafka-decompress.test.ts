import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { compressFrameSync } from 'lz4-napi'
import { describe, expect, test } from 'vitest'
import { decompress } from '../../lake/land/kafka/decompress.js'
import { DecompressionProblem } from '../../lake/land/kafka/decompression-problem.js'
import { compressSnappy } from './support/record-batches.js'

const SEED = Number(process.env['FIRN_SEED'] ?? 5)
const MIB = 1024 * 1024
const CODECS = { gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const

/** Runs, repeats near and far, and noise. */
const content = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 70 }), fc.constantFrom(1, 2, 5, 1000)), {
    maxLength: 12,
  })
  .map((parts) => Buffer.concat(parts.flatMap(([bytes, times]) => Array<Uint8Array>(times).fill(bytes))))

describe('snappy', () => {
  test('gives what was compressed', () => {
    fc.assert(
      fc.property(content, (bytes) => {
        expect(decompress(CODECS.snappy, compressSnappy(bytes)).equals(bytes)).toBe(true)
      }),
      { seed: SEED, numRuns: 200 },
    )
  })

  test('never gives less or more than it says', () => {
    const whole = compressSnappy(Buffer.from('snow and ice and snow and ice and snow'))
    expect(() => decompress(CODECS.snappy, whole.subarray(0, -1))).toThrow(DecompressionProblem)
    const more = Buffer.concat([whole, whole.subarray(1)])
    expect(() => decompress(CODECS.snappy, more)).toThrow(DecompressionProblem)
  })
})

describe('a bomb is refused before it takes the memory', () => {
  const zeros = Buffer.alloc(8 * MIB)
  const bombs: readonly (readonly [keyof typeof CODECS, Buffer])[] = [
    ['gzip', gzipSync(zeros)],
    ['snappy', compressSnappy(zeros)],
    // Says that it is large, and holds nothing.
    ['snappy', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f])],
    ['lz4', compressFrameSync(zeros)],
    ['zstd', zstdOfZeros(64)],
    ['zstd', zstdWindow(31 << 3)],
  ]
  test.each(bombs)('%s', (codec, bomb) => {
    const before = process.memoryUsage().arrayBuffers
    expect(() => decompress(CODECS[codec], bomb, MIB)).toThrow('more than 1048576 bytes')
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * MIB)
  })
})

test('noise is a problem of its own kind, whatever the codec', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(1, 2, 3, 4),
      fc.uint8Array({ maxLength: 200 }),
      fc.boolean(),
      (codec, noise, begun) => {
        const bytes = Buffer.from(noise)
        // Far enough to be taken for the codec's.
        const start = {
          1: [0x1f, 0x8b, 8, 0],
          2: [40],
          3: [4, 0x22, 0x4d, 0x18, 0x60, 0x40],
          4: [0x28, 0xb5, 0x2f, 0xfd, 0],
        }[codec]
        const given = begun ? Buffer.concat([Buffer.from(start), bytes]) : bytes
        try {
          decompress(codec, given, MIB)
        } catch (error) {
          expect(error).toBeInstanceOf(DecompressionProblem)
        }
      },
    ),
    { seed: SEED, numRuns: 2000 },
  )
})

/** Zstd: one frame of runs of 128 KiB, four bytes each. RFC 8878. */
function zstdOfZeros(blocks: number): Buffer {
  const size = 128 * 1024
  const parts = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3])]
  for (let i = 1; i <= blocks; i++) {
    const block = Buffer.alloc(4)
    block.writeUIntLE((size << 3) | (1 << 1) | Number(i === blocks), 0, 3)
    parts.push(block)
  }
  return Buffer.concat(parts)
}

function zstdWindow(descriptor: number): Buffer {
  return Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, descriptor, 1, 0, 0])
}
