import type { RawObject } from '../../engine/engine.js'
import type { LedgerRow } from './ledger.js'

/** A payload doubles at most when it becomes a JSON string; the path is the only other long thing in a line. */
const ENVELOPE_BYTES = 64 * 1024

/** The ranges of raw objects that ledger rows name: rows that follow each other in an object are one range. */
export function rawObjectsOf(
  rows: readonly Pick<LedgerRow, 'path' | 'first' | 'nextOffset' | 'records' | 'bytes'>[],
): readonly RawObject[] {
  const objects: Required<Omit<RawObject, 'mark'>>[] = []
  for (const row of rows) {
    if (row.records === 0) continue
    const last = objects.at(-1)
    const maxLineBytes = 2 * row.bytes + ENVELOPE_BYTES
    if (last?.location === row.path && last.end <= row.first) {
      const longest = Math.max(last.maxLineBytes, maxLineBytes)
      objects[objects.length - 1] = { ...last, end: row.nextOffset, maxLineBytes: longest }
    } else {
      objects.push({ location: row.path, first: row.first, end: row.nextOffset, maxLineBytes })
    }
  }
  return objects
}
