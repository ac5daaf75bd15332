import { createHash } from 'node:crypto'
import { isIcebergError } from '../../iceberg/error.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { joinLocation } from '../../iceberg/io/location.js'
import { tryCreate } from '../../iceberg/io/try-create.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { canonicalJson } from '../../schemas/canonical-json.js'
import type { Checkpoints } from './estimator.js'

export interface StoredCheckpoints extends Checkpoints {
  /** Removes all of them: the training they are of is done. */
  readonly sweep: () => Promise<void>
}

/** The newest ones stay, so that a damaged one costs little. */
const KEPT = 2

/**
 * Checkpoints of one training in the warehouse, `_scratch/checkpoints/<key>/<n>`, where any worker finds them. Each is
 * written whole under a number of its own behind its SHA-256; the highest whole one counts. An attempt given up that
 * writes on beside a new one does no harm: both go through the same states, so whichever is taken leads to the same end.
 */
export function openCheckpoints(options: {
  readonly io: FileIO
  readonly warehouse: string
  readonly key: string
}): StoredCheckpoints {
  const { io } = options
  const folder = joinLocation(checkpointFolder(options.warehouse), options.key)
  const locationOf = (number: number): string => joinLocation(folder, String(number).padStart(12, '0'))
  const numbers = async (): Promise<readonly number[]> => {
    const found: number[] = []
    for await (const { location } of io.list(`${folder}/`)) {
      const name = location.slice(location.lastIndexOf('/') + 1)
      if (/^\d{12}$/.test(name)) found.push(Number(name))
    }
    return found.sort((a, b) => b - a)
  }
  return {
    load: async () => {
      for (const number of await numbers()) {
        const state = await readWhole(io, locationOf(number))
        if (state !== undefined) return state
      }
      return undefined
    },
    save: async (state) => {
      const bytes = Buffer.concat([digestOf(state), state])
      const before = await numbers()
      let number = (before[0] ?? 0) + 1
      while (!(await tryCreate(io, locationOf(number), bytes))) number += 1
      for (const old of before.slice(KEPT - 1)) await io.delete(locationOf(old))
    },
    sweep: async () => {
      for (const number of await numbers()) await io.delete(locationOf(number))
    },
  }
}

/** Removes those of trainings that have saved none for so long. Returns how many. */
export async function sweepCheckpoints(
  { catalog, warehouse, now }: Pick<LakeDeps, 'catalog' | 'warehouse' | 'now'>,
  { olderThanMs }: { readonly olderThanMs: number },
): Promise<number> {
  const before = now() - olderThanMs
  let removed = 0
  for await (const file of catalog.io.list(joinLocation(checkpointFolder(warehouse), ''))) {
    if (file.modifiedMs >= before) continue
    await catalog.io.delete(file.location)
    removed += 1
  }
  return removed
}

function checkpointFolder(warehouse: string): string {
  return joinLocation(warehouse, '_scratch', 'checkpoints')
}

/** SHA-256 of what a training follows from (its pin, its data set), plain JSON: a name for its checkpoints. */
export function checkpointKey(...parts: readonly object[]): string {
  return createHash('sha256').update(canonicalJson(parts)).digest('hex')
}

/** Undefined where it is damaged, or was removed meanwhile. */
async function readWhole(io: FileIO, location: string): Promise<Uint8Array | undefined> {
  try {
    const bytes = await io.read(location)
    const state = bytes.subarray(32)
    return Buffer.compare(bytes.subarray(0, 32), digestOf(state)) === 0 ? state : undefined
  } catch (error) {
    if (isIcebergError(error, 'not-found')) return undefined
    throw error
  }
}

function digestOf(state: Uint8Array): Uint8Array {
  return createHash('sha256').update(state).digest()
}
