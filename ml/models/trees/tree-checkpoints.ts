import { createHash } from 'node:crypto'
import type { Checkpoints, FitOptions } from '../estimator.js'
import { restoreTrees, storeTrees, type StoredTrees } from './store-trees.js'

const SAVE_EVERY_MS = 2000

/**
 * State between two trees: the trees so far and the curve; everything else follows from them. The file begins with what
 * the fit was asked for, and a state of another fit is not gone on from.
 */
export function createTreeCheckpoints({ checkpoints, ...options }: FitOptions): {
  readonly load: () => Promise<StoredTrees | undefined>
  /** Not more often than every two seconds: a state is written as a whole. */
  readonly save: (state: StoredTrees) => Promise<void>
} {
  if (checkpoints === undefined)
    return { load: () => Promise.resolve(undefined), save: () => Promise.resolve() }
  const key = keyOf(options)
  let savedMs = performance.now()
  return {
    load: () => readState(checkpoints, key),
    save: async (state) => {
      if (performance.now() - savedMs < SAVE_EVERY_MS) return
      await checkpoints.save(encode(key, state))
      savedMs = performance.now()
    },
  }
}

async function readState(checkpoints: Checkpoints, key: string): Promise<StoredTrees | undefined> {
  const bytes = await checkpoints.load()
  if (bytes === undefined || bytes.length < 4) return undefined
  const headerEnd = 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  const state = JSON.parse(new TextDecoder().decode(bytes.subarray(4, headerEnd))) as {
    readonly key: string
    readonly header: object
  }
  if (state.key !== key) return undefined
  return restoreTrees({ kind: 'gbdt', header: state.header, weights: bytes.subarray(headerEnd) })
}

function encode(key: string, state: StoredTrees): Uint8Array {
  const { header, weights } = storeTrees('gbdt', state)
  const text = new TextEncoder().encode(JSON.stringify({ key, header }))
  const bytes = new Uint8Array(4 + text.length + weights.length)
  new DataView(bytes.buffer).setUint32(0, text.length, true)
  bytes.set(text, 4)
  bytes.set(weights, 4 + text.length)
  return bytes
}

/** Of everything the trees follow from. */
function keyOf({
  task,
  classes,
  definition,
  train,
  validation,
  seed,
}: Omit<FitOptions, 'checkpoints'>): string {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([task, classes, definition, train.columns, seed]))
  for (const data of [train, validation]) {
    if (data === undefined) continue
    for (const values of [data.x, data.y, data.weights]) if (values !== undefined) hash.update(values)
    hash.update(String(data.rows))
  }
  return hash.digest('hex')
}
