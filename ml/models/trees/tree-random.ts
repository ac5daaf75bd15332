import { seededRandom } from '../../training/seeded-random.js'

/** Random numbers of one tree: they follow from seed and tree alone, so that a fit can go on at any tree. */
export function treeRandom(seed: number, tree: number): () => number {
  let mixed = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(tree + 1, 0xc2b2ae35)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b)
  return seededRandom((mixed ^ (mixed >>> 16)) >>> 0)
}

/** All columns in random order. */
export function drawOrder(columns: number, random: () => number): Int32Array {
  const order = Int32Array.from({ length: columns }, (_, i) => i)
  for (let last = columns - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1))
    const drawn = order[other] ?? 0
    order[other] = order[last] ?? 0
    order[last] = drawn
  }
  return order
}
