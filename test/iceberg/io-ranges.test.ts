import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { mergeRanges, readRanges } from '../../iceberg/io/read-ranges.js'

const SIZE = 1_000
const bytes = new Uint8Array(SIZE).map((_, n) => n % 251)

const range = fc
  .tuple(fc.nat(SIZE), fc.nat(SIZE))
  .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }))
const options = fc.record({ gapBytes: fc.nat(200), mostBytes: fc.integer({ min: 1, max: SIZE }) })

describe('Reading ranges', () => {
  it.each([
    [
      'near ones are one',
      [
        [0, 10],
        [12, 20],
      ],
      5,
      100,
      [[0, 20]],
    ],
    [
      'far ones are two',
      [
        [0, 10],
        [16, 20],
      ],
      5,
      100,
      [
        [0, 10],
        [16, 20],
      ],
    ],
    [
      'in any order',
      [
        [12, 20],
        [0, 10],
      ],
      5,
      100,
      [[0, 20]],
    ],
    [
      'one within another',
      [
        [0, 50],
        [10, 20],
        [51, 60],
      ],
      5,
      100,
      [[0, 60]],
    ],
    [
      'no longer than allowed',
      [
        [0, 60],
        [61, 120],
      ],
      5,
      100,
      [
        [0, 60],
        [61, 120],
      ],
    ],
    ['one longer than allowed stays whole', [[0, 160]], 5, 100, [[0, 160]]],
    ['none', [], 5, 100, []],
  ])('%s', (_, asked, gapBytes, mostBytes, expected) => {
    const ranges = asked.map(([start, end]) => ({ start: start!, end: end! }))
    const merged = mergeRanges(ranges, { gapBytes, mostBytes })
    expect(merged.map(({ start, end }) => [start, end])).toEqual(expected)
  })

  it('gives each range its own bytes, however they are merged', async () => {
    const io = new MemoryFileIO()
    await io.write('memory://x', bytes)
    await fc.assert(
      fc.asyncProperty(fc.array(range), options, async (ranges, how) => {
        const found = await readRanges(io, 'memory://x', ranges, how)
        expect(found).toEqual(ranges.map(({ start, end }) => bytes.slice(start, end)))
      }),
    )
  })

  it('asks once for what lies together', async () => {
    const io = new MemoryFileIO()
    await io.write('memory://x', bytes)
    const asked: unknown[] = []
    const counting = {
      read: (at: string, one: unknown) => (asked.push(one), io.read(at, one as never)),
    } as FileIO
    await readRanges(counting, 'memory://x', [
      { start: 4, end: 40 },
      { start: 40, end: 90 },
      { start: 95, end: 96 },
    ])
    expect(asked).toMatchObject([{ start: 4, end: 96 }])
  })

  it('says where the file is too short', async () => {
    const io = new MemoryFileIO()
    await io.write('memory://x', bytes)
    const asked = readRanges(io, 'memory://x', [{ start: 990, end: 1_010 }])
    await expect(asked).rejects.toMatchObject({
      kind: 'data-invalid',
      message: expect.stringContaining('1010'),
    })
  })
})
