import { bindCheckpoints, fitDigest } from '../bind-checkpoints.js'
import type { FitOptions } from '../estimator.js'
import { restoreTrees, storeTrees, type StoredTrees } from './store-trees.js'

const SAVE_EVERY_MS = 2000

/** State between two trees: the trees so far and the curve; everything else follows from them. */
export function createTreeCheckpoints(options: FitOptions): {
  readonly load: () => Promise<StoredTrees | undefined>
  /** Not more often than every two seconds: a state is written as a whole. */
  readonly save: (state: StoredTrees) => Promise<void>
} {
  if (options.checkpoints === undefined) {
    return { load: () => Promise.resolve(undefined), save: () => Promise.resolve() }
  }
  const checkpoints = bindCheckpoints(options.checkpoints, fitDigest(options, process.versions.v8))
  let savedMs = performance.now()
  return {
    load: async () => {
      const state = await checkpoints.load()
      return state === undefined ? undefined : decode(state)
    },
    save: async (state) => {
      if (performance.now() - savedMs < SAVE_EVERY_MS) return
      await checkpoints.save(encode(state))
      savedMs = performance.now()
    },
  }
}

/** Length of the header, header, arrays. */
function encode(state: StoredTrees): Uint8Array {
  const { header, weights } = storeTrees('gbdt', state)
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(text.length)
  return Buffer.concat([length, text, weights])
}

function decode(bytes: Uint8Array): StoredTrees {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = 4 + buffer.readUInt32LE(0)
  const header = JSON.parse(buffer.toString('utf8', 4, end)) as object
  return restoreTrees({ kind: 'gbdt', header, weights: buffer.subarray(end) })
}
