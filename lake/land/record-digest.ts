import { createHash } from 'node:crypto'
import type { TopicRecord } from '../../schemas/topics.js'

/**
 * First 8 hex digits of the SHA-256 over offset, timestamp, key and value: tells whether a topic still holds the record
 * that was landed.
 */
export function recordDigest(record: TopicRecord): string {
  const { offset, timestampMs, key, value } = record
  const lengths = `${offset} ${timestampMs} ${key?.length ?? -1} ${value?.length ?? -1}\n`
  const hash = createHash('sha256').update(lengths)
  if (key !== null) hash.update(key)
  if (value !== null) hash.update(value)
  return hash.digest('hex').slice(0, 8)
}
