import type { JsonObject } from './mlflow-client.js'

export interface LogItems {
  readonly metrics: readonly JsonObject[]
  readonly params: readonly JsonObject[]
  readonly tags: readonly JsonObject[]
}

/** Of one `runs/log-batch`: 1000 items, 100 of them params, 100 tags, and 1 MB with the rest of the request. */
const MAX_ITEMS = 1000
const MAX_OF: Readonly<Record<keyof LogItems, number>> = { metrics: 1000, params: 100, tags: 100 }
const MAX_BYTES = 900_000

/** Divides what is to be logged into requests that MLflow takes; none where there is nothing. */
export function logBatches(items: LogItems): readonly LogItems[] {
  const batches: Record<keyof LogItems, JsonObject[]>[] = []
  let [count, bytes] = [0, 0]
  for (const kind of ['params', 'tags', 'metrics'] as const) {
    for (const item of items[kind]) {
      const size = Buffer.byteLength(JSON.stringify(item)) + 1
      let batch = batches.at(-1)
      const isFull =
        batch === undefined ||
        count >= MAX_ITEMS ||
        bytes + size > MAX_BYTES ||
        batch[kind].length >= MAX_OF[kind]
      if (isFull || batch === undefined) {
        batch = { metrics: [], params: [], tags: [] }
        batches.push(batch)
        ;[count, bytes] = [0, 0]
      }
      batch[kind].push(item)
      count += 1
      bytes += size
    }
  }
  return batches
}
