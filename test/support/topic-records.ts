import type { RecordCursor } from '../../lake/land/record-cursor.js'
import { recordAt } from '../../lake/land/record-cursor.js'
import type { TopicRecord } from '../../schemas/topics.js'

/** Goes through records one after another; they lie in one piece of memory, with other bytes around each of them. */
export function cursorOver(records: readonly TopicRecord[]): RecordCursor {
  const parts: Uint8Array[] = []
  let length = 0
  const put = (part: Uint8Array | null): { readonly from: number; readonly end: number } => {
    if (part === null) return { from: -1, end: length }
    parts.push(part, AROUND)
    const from = length
    length += part.length + AROUND.length
    return { from, end: from + part.length }
  }
  const placed = records.map(({ offset, timestampMs, key, value }) => {
    const [k, v] = [put(key), put(value)]
    return { offset, timestampMs, keyFrom: k.from, keyEnd: k.end, valueFrom: v.from, valueEnd: v.end }
  })
  const bytes = Buffer.concat(parts)
  let next = 0
  return {
    ...{ offset: -1, timestampMs: -1, bytes, keyFrom: -1, keyEnd: 0, valueFrom: -1, valueEnd: 0 },
    next() {
      Object.assign(this, placed[next])
      return next++ < placed.length
    },
  }
}

/** What is left of them. */
export function allRecords(cursor: RecordCursor): readonly TopicRecord[] {
  const records: TopicRecord[] = []
  while (cursor.next()) records.push(recordAt(cursor))
  return records
}

/** What a reader that goes too far would take for more of a document. */
const AROUND = Buffer.from('"}7,e')
