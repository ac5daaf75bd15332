import { compareBatches, parseBatchId, type BatchId } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import { recordKey, scoredModel, type RecordedBatch } from './recorded-batches.js'

/** Statuses of rows that did something, which a rollback can take back. */
const STANDING: ReadonlySet<string> = new Set(['published', 'rebuilt', 'skipped'])

/** The published (or rebuilt) batch of that id. Throws `not-found`, or `invalid-input` where it is none to go back to. */
export function publishedBatch(
  pipeline: string,
  batch: string,
  rows: readonly RecordedBatch[],
): RecordedBatch {
  const own = rows.filter((row) => scoredModel(row, pipeline) === undefined)
  const found = own.filter((row) => row.batch === batch)
  const published = found.find(({ status }) => status === 'published' || status === 'rebuilt')
  if (published !== undefined) return published
  const known = own.filter(({ status }) => status === 'published').slice(-5)
  const choose = `Published are ${known.map((row) => row.batch).join(', ') || 'none'}.`
  const status = found[0]?.status
  if (status === undefined) {
    throw new FirnError('not-found', `pipeline ${pipeline} has no batch ${batch}. ${choose}`)
  }
  const why =
    status === 'rolled_back'
      ? 'was taken back by a rollback itself'
      : 'failed its checks and was never published'
  throw new FirnError('invalid-input', `batch ${batch} of ${pipeline} ${why}. ${choose}`)
}

/**
 * Which rows a rollback takes back: all that the audit table did not hold when the batch was published; of scorings only
 * those of later batches, or that read the features of one.
 */
export function splitRows(
  pipeline: string,
  rows: readonly RecordedBatch[],
  then: { readonly to: RecordedBatch; readonly rows: readonly RecordedBatch[] },
): { readonly takenBack: readonly RecordedBatch[]; readonly kept: readonly RecordedBatch[] } {
  const standing = rows.filter(({ status }) => STANDING.has(status))
  const before = new Set(then.rows.map(recordKey))
  const isLater = (row: RecordedBatch): boolean => !before.has(recordKey(row))
  const batches = standing.filter((row) => scoredModel(row, pipeline) === undefined && isLater(row))
  const gone = new Set(batches.flatMap(({ batch }) => [`v_${batch}`, `v_incr_${batch}`]))
  const to = parseBatchId(then.to.batch)
  const isTakenBack = (row: RecordedBatch): boolean => {
    if (scoredModel(row, pipeline) === undefined) return isLater(row)
    if (!isLater(row)) return false
    return gone.has(row.featuresTag ?? '') || compareBatches(row.batch as BatchId, to) > 0
  }
  return {
    takenBack: standing.filter(isTakenBack),
    kept: standing.filter((row) => !isTakenBack(row)),
  }
}
