import { createHash } from 'node:crypto'
import type { Checkpoints, FitOptions } from './estimator.js'

/**
 * Checkpoints of one thing only: each state is kept behind a SHA-256 of what it follows from, and one that follows from
 * something else (another fold, another machine's kernels) is not gone on from.
 */
export function bindCheckpoints(checkpoints: Checkpoints, digest: Uint8Array): Checkpoints {
  return {
    load: async () => {
      const state = await checkpoints.load()
      if (state === undefined || Buffer.compare(state.subarray(0, digest.length), digest) !== 0)
        return undefined
      return state.subarray(digest.length)
    },
    save: (state) => checkpoints.save(Buffer.concat([digest, state])),
  }
}

/** SHA-256 of all that a fit's bytes follow from; `also`: more of it. */
export function fitDigest(options: FitOptions, also: unknown): Uint8Array {
  const { task, classes, definition, train, validation, seed } = options
  const hash = createHash('sha256')
  hash.update(JSON.stringify([task, classes, definition, seed, train.columns, also]))
  for (const part of [train, validation]) {
    const arrays =
      part === undefined ? [] : [part.x, part.y, ...(part.weights === undefined ? [] : [part.weights])]
    // The lengths keep the arrays apart.
    hash.update(JSON.stringify(arrays.map((array) => array.length)))
    for (const array of arrays) hash.update(array)
  }
  return hash.digest()
}
