import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import type { Expression } from '../../iceberg/expr/expression.js'
import { and, gtEq, lt, ltEq } from '../../iceberg/expr/expression.js'
import type { RawObject } from '../../engine/engine.js'
import { queryTable } from '../../engine/query-table.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { rawObjectsOf } from '../land/raw-objects.js'

/** What the ledger says of the records of one row. Rows without records are left out. */
export interface LandedRange {
  readonly row: number
  readonly path: string
  readonly first: number
  readonly nextOffset: number
  readonly records: number
  readonly bytes: number
  /** Of their event times, ms since 1970. Absent where none of them has one. */
  readonly minMs?: number
  readonly maxMs?: number
}

type LedgerDeps = Pick<LakeDeps, 'catalog' | 'engine'>

/** Rows of the ledger with `rowFrom` ≤ row number < `rowEnd`, in order. */
export async function readNewRanges(
  deps: LedgerDeps,
  ledger: LoadedTable,
  range: { readonly rowFrom: number; readonly rowEnd: number },
): Promise<readonly LandedRange[]> {
  const filter = and(gtEq('row_number', BigInt(range.rowFrom)), lt('row_number', BigInt(range.rowEnd)))
  return await readRanges(
    deps,
    ledger,
    filter,
    `row_number >= ${range.rowFrom} AND row_number < ${range.rowEnd}`,
  )
}

/** Rows before `rowEnd` that may hold records with `fromMs` ≤ event time < `endMs`: what else the ledger has is not read. */
export async function readOverlappingRanges(
  deps: LedgerDeps,
  ledger: LoadedTable,
  range: { readonly rowEnd: number; readonly fromMs: number; readonly endMs: number },
): Promise<readonly LandedRange[]> {
  const [from, end] = [BigInt(range.fromMs) * 1000n, BigInt(range.endMs) * 1000n]
  const filter = and(
    lt('row_number', BigInt(range.rowEnd)),
    gtEq('max_event_time', from),
    ltEq('min_event_time', end),
  )
  return await readRanges(
    deps,
    ledger,
    filter,
    `row_number < ${range.rowEnd} AND max_event_time >= make_timestamptz(${from}) AND min_event_time < make_timestamptz(${end})`,
  )
}

/** Rows that follow each other and are judged alike. `mark` orders runs as the ledger does. */
export interface LandedRun {
  /** Its first row. */
  readonly mark: number
  /** What is late among its records; absent: nothing. ms since 1970. */
  readonly watermarkMs?: number
  readonly objects: readonly RawObject[]
}

export function runsOf(
  ranges: readonly LandedRange[],
  watermarkOf: (row: number) => number | undefined,
): readonly LandedRun[] {
  const runs: LandedRange[][] = []
  for (const range of ranges) {
    const run = runs.at(-1)
    const last = run?.at(-1)
    const follows = last?.row === range.row - 1 && watermarkOf(last.row) === watermarkOf(range.row)
    if (follows) run?.push(range)
    else runs.push([range])
  }
  return runs.map((run) => {
    const mark = run[0]?.row ?? 0
    const watermarkMs = watermarkOf(mark)
    return {
      mark,
      objects: rawObjectsOf(run).map((object) => ({ ...object, mark })),
      ...(watermarkMs === undefined ? {} : { watermarkMs }),
    }
  })
}

async function readRanges(
  deps: LedgerDeps,
  { metadata }: LoadedTable,
  filter: Expression,
  where: string,
): Promise<readonly LandedRange[]> {
  const rows = await queryTable(
    { engine: deps.engine, io: deps.catalog.io, metadata },
    {
      name: 'ledger',
      filter,
      sql: `SELECT row_number, path, first, next_offset, records, bytes,
              epoch_ms(min_event_time)::DOUBLE AS min_ms, epoch_ms(max_event_time)::DOUBLE AS max_ms
            FROM ledger WHERE records > 0 AND ${where} ORDER BY row_number`,
      limit: Number.MAX_SAFE_INTEGER,
    },
  )
  return rows.map((row) => ({
    row: Number(row['row_number']),
    path: row['path'] as string,
    first: Number(row['first']),
    nextOffset: Number(row['next_offset']),
    records: Number(row['records']),
    bytes: Number(row['bytes']),
    ...(typeof row['min_ms'] === 'number' && typeof row['max_ms'] === 'number'
      ? { minMs: row['min_ms'], maxMs: row['max_ms'] }
      : {}),
  }))
}
