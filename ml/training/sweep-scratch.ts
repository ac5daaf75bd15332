import type { LakeDeps } from '../../schemas/lake-deps.js'
import { sweepDatasets } from '../datasets/sweep-datasets.js'
import { sweepCheckpoints } from '../models/checkpoint-store.js'

/** No training that goes on after a failure comes later. */
const OLDER_THAN_MS = 7 * 86_400_000

/** Removes what trainings left behind: data sets, which can be made again, and checkpoints of those never finished. */
export async function sweepScratch(deps: Pick<LakeDeps, 'catalog' | 'warehouse' | 'now'>): Promise<number> {
  const before = { olderThanMs: OLDER_THAN_MS }
  const { removed } = await sweepDatasets(deps, before)
  return removed + (await sweepCheckpoints(deps, before))
}
