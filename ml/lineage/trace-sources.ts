import type { EngineSession, Row } from '../../engine/engine.js'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { ifFound } from '../../iceberg/error.js'
import { and, gtEq, lt } from '../../iceberg/expr/expression.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { PublishedBatch } from './read-batches.js'
import type { SourceTrace } from './version-lineage.js'

const OBJECTS_LISTED = 10_000
const RANGES_LISTED = 100_000

export interface TracedSources {
  readonly sources: readonly SourceTrace[]
  readonly unknown: readonly string[]
}

/** Rows of one source's ledger that batches read. */
interface LedgerRead {
  readonly source: string
  readonly ledger: string
  readonly rows: readonly (readonly [number, number])[]
}

/** The raw objects that batches were built from, by what each recorded of its source. */
export async function traceSources(
  deps: Pick<LakeDeps, 'catalog' | 'engine'>,
  batches: readonly PublishedBatch[],
): Promise<TracedSources> {
  const sources: SourceTrace[] = []
  const unknown: string[] = []
  for (const read of ledgerReads(batches)) {
    const traced = await traceLedger(deps, read)
    if (typeof traced === 'string') unknown.push(traced)
    else sources.push(traced)
  }
  return { sources, unknown }
}

/** By ledger, with ranges that meet put together. */
function ledgerReads(batches: readonly PublishedBatch[]): readonly LedgerRead[] {
  const reads = new Map<string, { source: string; ranges: [number, number][] }>()
  for (const { info } of batches) {
    const { source, ledger, rowFrom, rowEnd } = info
    if (typeof source !== 'string' || typeof ledger !== 'string') continue
    if (typeof rowFrom !== 'number' || typeof rowEnd !== 'number' || rowEnd <= rowFrom) continue
    const read = reads.get(ledger) ?? { source, ranges: [] }
    read.ranges.push([rowFrom, rowEnd])
    reads.set(ledger, read)
  }
  return [...reads.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([ledger, { source, ranges }]) => {
      const rows: [number, number][] = []
      for (const [from, end] of ranges.sort((a, b) => a[0] - b[0])) {
        const last = rows.at(-1)
        if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], end)
        else rows.push([from, end])
      }
      return { source, ledger, rows }
    })
}

async function traceLedger(
  { catalog, engine }: Pick<LakeDeps, 'catalog' | 'engine'>,
  { source, ledger, rows }: LedgerRead,
): Promise<SourceTrace | string> {
  const metadata = (await ifFound(catalog.loadTable(parseIdentifier(ledger))))?.metadata
  if (metadata === undefined) return `${ledger} is gone, and with it which raw objects were read`
  const [from, end] = [rows[0]?.[0] ?? 0, rows.at(-1)?.[1] ?? 0]
  const filter = and(gtEq('row_number', BigInt(from)), lt('row_number', BigInt(end)))
  const { schema, tasks } = await planScan({ metadata, io: catalog.io, filter, metrics: 'filter' })
  const session = await engine.openSession({ threads: 1 })
  try {
    await session.addRelation({ kind: 'scan', name: 'ledger', schema, tasks, metadata })
    await session.addRelation({ kind: 'query', name: 'objects', sql: objectsSql(rows) })
    return { source, ledger, rows, ...(await readTraced(session)) }
  } finally {
    await session.close()
  }
}

/** One row an object, incarnation and partition; several rows of the ledger may name one object. */
function objectsSql(rows: LedgerRead['rows']): string {
  const inRange = rows.map(([from, end]) => `(row_number >= ${from} AND row_number < ${end})`).join(' OR ')
  return `
    SELECT path, sha256, incarnation, partition, starts_with(path, 'gap:') AS is_gap,
      min("first") AS first_offset, max(next_offset) AS next_offset, sum(records)::BIGINT AS records,
      sum(dead_letters)::BIGINT AS dead_letters
    FROM ledger WHERE ${inRange}
    GROUP BY path, sha256, incarnation, partition`
}

const ORDER = 'incarnation, partition, first_offset, path'

async function readTraced(session: EngineSession): Promise<Omit<SourceTrace, 'source' | 'ledger' | 'rows'>> {
  const { rows: totals } = await session.query(`
    SELECT count(*) FILTER (NOT is_gap) AS objects, coalesce(sum(records), 0)::BIGINT AS records,
      coalesce(sum(dead_letters), 0)::BIGINT AS dead_letters,
      sha256(coalesce(string_agg(
        concat_ws(' ', incarnation, partition, first_offset, next_offset, records, sha256, path), chr(10) ORDER BY ${ORDER}
      ), '')) AS digest
    FROM objects`)
  const { rows: ranges } = await session.query(
    `SELECT incarnation, partition, min(first_offset) AS first_offset, max(next_offset) AS next_offset,
       count(*) AS objects, sum(records)::BIGINT AS records
     FROM objects WHERE NOT is_gap GROUP BY ALL ORDER BY incarnation, partition`,
    { limit: RANGES_LISTED },
  )
  const { rows: gaps } = await session.query(
    `SELECT * FROM objects WHERE is_gap ORDER BY ${ORDER} LIMIT ${OBJECTS_LISTED}`,
  )
  const [total] = totals
  const objectCount = Number(total?.['objects'] ?? 0)
  const { rows: objects } =
    objectCount > OBJECTS_LISTED
      ? { rows: [] }
      : await session.query(`SELECT * FROM objects WHERE NOT is_gap ORDER BY ${ORDER}`)
  return {
    objectCount,
    records: Number(total?.['records'] ?? 0),
    deadLetters: Number(total?.['dead_letters'] ?? 0),
    digest: total?.['digest'] as string,
    ranges: ranges.map((row) => ({ ...offsetsOf(row), ...countsOf(row), objects: Number(row['objects']) })),
    objects: objects.map((row) => ({
      ...{ path: row['path'] as string, sha256: row['sha256'] as string },
      ...offsetsOf(row),
      ...countsOf(row),
    })),
    gaps: gaps.map((row) => ({ ...offsetsOf(row), reason: (row['path'] as string).slice('gap:'.length) })),
  }
}

function offsetsOf(row: Row) {
  return {
    incarnation: row['incarnation'] as string,
    partition: Number(row['partition']),
    first: (row['first_offset'] as bigint).toString(),
    next: (row['next_offset'] as bigint).toString(),
  }
}

function countsOf(row: Row): { readonly records: number } {
  return { records: Number(row['records']) }
}
