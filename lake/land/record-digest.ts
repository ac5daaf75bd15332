import { createHash } from 'node:crypto'
import type { TopicRecord } from '../../schemas/topics.js'

/** Tells whether a record is still the one that was landed: 8 hex digits over its offset, timestamp, key and value. */
export function recordDigest({ offset, timestampMs, key, value }: TopicRecord): string {
  const hash = createHash('sha256')
  // The lengths say where the key ends and the value begins; null is another thing than empty.
  hash.update(`${offset} ${timestampMs} ${key?.length ?? 'null'} ${value?.length ?? 'null'}\n`)
  if (key !== null) hash.update(key)
  if (value !== null) hash.update(value)
  return hash.digest('hex').slice(0, 8)
}
