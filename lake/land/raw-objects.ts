import type { RawObject } from '../../engine/engine.js'
import type { LedgerRow } from './ledger.js'

/** The ranges of raw objects that ledger rows name: rows that follow each other in an object are one range. */
export function rawObjectsOf(rows: readonly LedgerRow[]): readonly RawObject[] {
  const objects: RawObject[] = []
  for (const row of rows) {
    if (row.records === 0) continue
    const last = objects.at(-1)
    if (last?.location === row.path && last.end <= row.first) {
      objects[objects.length - 1] = { ...last, end: row.nextOffset }
    } else {
      objects.push({ location: row.path, first: row.first, end: row.nextOffset })
    }
  }
  return objects
}
