import type { RawObject } from '../../engine/engine.js'
import type { LedgerRow } from '../land/ledger.js'
import { rawObjectsOf } from '../land/raw-objects.js'

/** Rows that follow each other and are judged alike. `mark` orders runs as the ledger does. */
export interface LandedRun {
  /** Its first row. */
  readonly mark: number
  /** What is late among its records; absent: nothing. ms since 1970. */
  readonly watermarkMs?: number
  readonly objects: readonly RawObject[]
}

export function runsOf(
  rows: readonly LedgerRow[],
  watermarkOf: (rowNumber: number) => number | undefined,
): readonly LandedRun[] {
  const runs: LedgerRow[][] = []
  for (const row of rows) {
    if (row.records === 0) continue
    const { rowNumber } = row
    const run = runs.at(-1)
    const last = run?.at(-1)?.rowNumber
    if (last === rowNumber - 1 && watermarkOf(last) === watermarkOf(rowNumber)) run?.push(row)
    else runs.push([row])
  }
  return runs.map((run) => {
    const mark = run[0]?.rowNumber ?? 0
    const watermarkMs = watermarkOf(mark)
    return {
      mark,
      objects: rawObjectsOf(run).map((object) => ({ ...object, mark })),
      ...(watermarkMs === undefined ? {} : { watermarkMs }),
    }
  })
}
