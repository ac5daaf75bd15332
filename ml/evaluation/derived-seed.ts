import { createHash } from 'node:crypto'

/** A seed of its own for each thing that is random, so that one more of them doesn't change the others. */
export function derivedSeed(seed: number, ...purpose: readonly string[]): number {
  return createHash('sha256')
    .update(JSON.stringify([seed, ...purpose]))
    .digest()
    .readUInt32LE(0)
}
