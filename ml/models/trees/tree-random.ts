import { seededRandom } from '../../training/seeded-random.js'

/** Random numbers of one tree: they follow from seed and tree alone, so that a fit can go on at any tree. */
export function treeRandom(seed: number, tree: number): () => number {
  let mixed = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(tree + 1, 0xc2b2ae35)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b)
  return seededRandom((mixed ^ (mixed >>> 16)) >>> 0)
}

/** `count` of the columns, ascending. */
export function drawColumns(columns: number, count: number, random: () => number): Int32Array {
  const all = Int32Array.from({ length: columns }, (_, i) => i)
  for (let i = 0; i < count; i += 1) {
    const other = i + Math.floor(random() * (columns - i))
    const drawn = all[other] ?? 0
    all[other] = all[i] ?? 0
    all[i] = drawn
  }
  return all.subarray(0, count).sort()
}
