import { isBatchId, processingDateOf } from '../../schemas/batch.js'

export interface BatchTag {
  readonly name: string
  /** When the batch was published, in ms since 1970. */
  readonly taggedAtMs: number
}

const BATCH_TAG = /^v_(?:incr_)?(\d{8}T\d{6}Z(?:-\d+)?)$/

/** The batch that a batch tag names; undefined for tags of users and models, which are never thinned. */
export function batchOfTag(name: string): string | undefined {
  const batch = BATCH_TAG.exec(name)?.[1]
  return batch !== undefined && isBatchId(batch) ? batch : undefined
}

/** Batch tags to drop: of those older than `thinAfterMs` only the last of each UTC day stays. */
export function tagsToThin(
  tags: readonly BatchTag[],
  { nowMs, thinAfterMs }: { readonly nowMs: number; readonly thinAfterMs: number },
): readonly string[] {
  const lastOfDay = new Map<string, string>()
  const batches = tags.flatMap((tag) => {
    const batch = batchOfTag(tag.name)
    return batch === undefined || !isBatchId(batch) ? [] : [{ ...tag, batch, day: processingDateOf(batch) }]
  })
  for (const { batch, day } of batches) {
    const last = lastOfDay.get(day)
    if (last === undefined || isLater(batch, last)) lastOfDay.set(day, batch)
  }
  return batches
    .filter(({ batch, day, taggedAtMs }) => lastOfDay.get(day) !== batch && nowMs - taggedAtMs > thinAfterMs)
    .map(({ name }) => name)
}

/** `…Z-10` is later than `…Z-9`, and that is later than `…Z`. */
function isLater(a: string, b: string): boolean {
  const [instantA, instantB] = [a.slice(0, 16), b.slice(0, 16)]
  return instantA === instantB ? Number(a.slice(17)) > Number(b.slice(17)) : instantA > instantB
}
