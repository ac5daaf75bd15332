import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { and, eq, gtEq, ltEq } from '../../iceberg/expr/expression.js'
import { compareLocations } from '../../iceberg/io/location.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import type { RowValue } from '../../engine/engine.js'
import type { LedgerDeps } from './ledger.js'
import { queryLedger } from './ledger.js'
import type { ListedFile } from './source-files.js'

export interface NewFiles {
  /** Of the listed ones, those that no landing has seen in this state, in their order. */
  readonly files: readonly ListedFile[]
  /** Those of them that were landed before in another state. */
  readonly changed: readonly string[]
}

/** Compares a listing with what the incarnation has landed. Reads only the part of the ledger that its paths fall in. */
export async function newFilesOf(
  deps: LedgerDeps,
  ledger: LoadedTable,
  incarnation: string,
  files: readonly ListedFile[],
): Promise<NewFiles> {
  const bounds = pathBounds(files)
  if (bounds === undefined || headOf(ledger.metadata) === undefined) return { files, changed: [] }
  const filter = and(
    eq('incarnation', incarnation),
    gtEq('source_path', bounds.min),
    ltEq('source_path', bounds.max),
  )
  const known = await queryLedger(
    deps,
    ledger,
    filter,
    `SELECT DISTINCT source_path, source_size, source_mtime_ms, source_etag FROM ledger
     WHERE incarnation = ${quoteText(incarnation)}`,
  )
  const states = new Set(
    known.map((row) =>
      stateKey(row['source_path'], row['source_size'], row['source_etag'] ?? row['source_mtime_ms']),
    ),
  )
  const paths = new Set(known.map((row) => row['source_path']))
  const fresh = files.filter(
    ({ path, size, mtimeMs, etag }) => !states.has(stateKey(path, size, etag ?? mtimeMs)),
  )
  return { files: fresh, changed: fresh.filter((file) => paths.has(file.path)).map((file) => file.path) }
}

/** What an incarnation has landed: the greatest name of a file, and the newest batch. */
export interface LastLanded {
  readonly path: string
  readonly batch: string
}

/** Undefined where it has landed nothing. */
export async function lastLanded(
  deps: LedgerDeps,
  ledger: LoadedTable,
  incarnation: string,
): Promise<LastLanded | undefined> {
  const [row] = await queryLedger(
    deps,
    ledger,
    eq('incarnation', incarnation),
    `SELECT max(source_path) AS path, max(batch) AS batch FROM ledger
     WHERE incarnation = ${quoteText(incarnation)} AND source_size IS NOT NULL`,
  )
  const { path, batch } = row ?? {}
  return typeof path === 'string' && typeof batch === 'string' ? { path, batch } : undefined
}

/** `version`: the ETag, of a file without one the time of its change. */
function stateKey(
  path: RowValue | undefined,
  size: RowValue | undefined,
  version: RowValue | undefined,
): string {
  return [path, size, version].map(String).join('\0')
}

/** Bounds in the order of UTF-8 bytes, as the column's metrics have them. */
function pathBounds(
  files: readonly ListedFile[],
): { readonly min: string; readonly max: string } | undefined {
  const [first, ...rest] = files
  if (first === undefined) return undefined
  let min = first.path
  let max = first.path
  for (const { path } of rest) {
    if (compareLocations(path, min) < 0) min = path
    if (compareLocations(path, max) > 0) max = path
  }
  return { min, max }
}
