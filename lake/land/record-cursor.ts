import type { TopicRecord } from '../../schemas/topics.js'

/**
 * Goes through records where they lie, one after another: a view of each key and value would cost more than reading
 * them. The fields are the current record's.
 */
export interface RecordCursor {
  readonly offset: number
  /** ms since 1970; -1: its producer gave none. */
  readonly timestampMs: number
  /** What holds the key and the value. */
  readonly bytes: Uint8Array
  /** -1: it has no key. */
  readonly keyFrom: number
  readonly keyEnd: number
  /** -1: it has no value. */
  readonly valueFrom: number
  readonly valueEnd: number
  /** Goes on to the next record; false: there is none left. */
  next(): boolean
}

/** The current record; its key and value share the cursor's memory. */
export function recordAt(cursor: Omit<RecordCursor, 'next'>): TopicRecord {
  const { offset, timestampMs, bytes, keyFrom, keyEnd, valueFrom, valueEnd } = cursor
  const key = keyFrom < 0 ? null : bytes.subarray(keyFrom, keyEnd)
  const value = valueFrom < 0 ? null : bytes.subarray(valueFrom, valueEnd)
  return { offset, timestampMs, key, value }
}
