import { compareBatches, isBatchId, processingDateOf, type BatchId } from '../../schemas/batch.js'

export interface BatchTag {
  readonly name: string
  /** When the batch was published, in ms since 1970. */
  readonly taggedAtMs: number
}

const BATCH_TAG = /^(v_(?:incr_)?|score_.+_)(\d{8}T\d{6}Z(?:-\d+)?)$/

/** What a batch's tag says: batches of features are one series, scorings with one model another. */
export interface TaggedBatch {
  readonly series: string
  readonly batch: BatchId
}

/** Undefined for tags of users and models, which are never thinned. */
export function batchOfTag(name: string): TaggedBatch | undefined {
  const [, prefix = '', batch = ''] = BATCH_TAG.exec(name) ?? []
  return isBatchId(batch) ? { series: prefix.replace(/^v_.*/, 'v_'), batch } : undefined
}

/** Batch tags to drop: of those older than `thinAfterMs` only the last of each series and UTC day stays. */
export function tagsToThin(
  tags: readonly BatchTag[],
  { nowMs, thinAfterMs }: { readonly nowMs: number; readonly thinAfterMs: number },
): readonly string[] {
  const lastOfDay = new Map<string, BatchId>()
  const batches = tags.flatMap((tag) => {
    const tagged = batchOfTag(tag.name)
    if (tagged === undefined) return []
    const { series, batch } = tagged
    return [{ ...tag, batch, day: `${series} ${processingDateOf(batch)}` }]
  })
  for (const { batch, day } of batches) {
    const last = lastOfDay.get(day)
    if (last === undefined || compareBatches(batch, last) > 0) lastOfDay.set(day, batch)
  }
  return batches
    .filter(({ batch, day, taggedAtMs }) => lastOfDay.get(day) !== batch && nowMs - taggedAtMs > thinAfterMs)
    .map(({ name }) => name)
}
