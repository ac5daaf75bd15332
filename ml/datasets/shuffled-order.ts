import { createHash } from 'node:crypto'
import { seededRandom } from '../training/seeded-random.js'

export interface Shuffle {
  readonly seed: number
  /** Each epoch has an order of its own. */
  readonly epoch: number
}

/** Blocks that are in memory together; rows are mixed across them. */
const WINDOW_BLOCKS = 8

/** Blocks whose rows come next, mixed: `rows[i]` counts through the blocks' rows one block after the other. */
export interface Window {
  readonly blocks: readonly number[]
  /** Absent: in the order that they lie in. */
  rows?(): Uint32Array
}

/**
 * The order of a data set's rows in an epoch; it follows from the sizes of the blocks, seed and epoch alone. Blocks are
 * permuted, cut into windows of 8, and all rows of a window permuted. Permutations are Fisher–Yates from the end, by
 * Mulberry32 seeded with the first 4 bytes (little-endian) of SHA-256(`firn-order-1:<seed>:<epoch>:blocks`), and of
 * `firn-order-1:<seed>:<epoch>:<window, from 0>`.
 */
export function epochOrder(blocks: readonly number[], shuffle: Shuffle | undefined): readonly Window[] {
  if (shuffle === undefined) return blocks.map((_, block) => ({ blocks: [block] }))
  const order = permutation(blocks.length, shuffle, 'blocks')
  return Array.from({ length: Math.ceil(blocks.length / WINDOW_BLOCKS) }, (_, window) => {
    const own = [...order.subarray(window * WINDOW_BLOCKS, (window + 1) * WINDOW_BLOCKS)]
    const rows = own.reduce((total, block) => total + (blocks[block] ?? 0), 0)
    return { blocks: own, rows: () => permutation(rows, shuffle, String(window)) }
  })
}

function permutation(count: number, { seed, epoch }: Shuffle, what: string): Uint32Array {
  const hash = createHash('sha256').update(`firn-order-1:${seed}:${epoch}:${what}`).digest()
  const random = seededRandom(hash.readUInt32LE(0))
  const order = Uint32Array.from({ length: count }, (_, index) => index)
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    const kept = order[last] as number
    order[last] = order[other] as number
    order[other] = kept
  }
  return order
}
