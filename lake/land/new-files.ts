import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { and, eq, gtEq, ltEq } from '../../iceberg/expr/expression.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import type { RowValue } from '../../engine/engine.js'
import type { ListedFile } from './landing-files.js'
import type { LedgerDeps } from './ledger.js'
import { queryLedger } from './ledger.js'

export interface NewFiles {
  /** Of the listed ones, those that no landing has seen in this size and age, in their order. */
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
    `SELECT DISTINCT source_path, source_size, source_mtime_ms FROM ledger WHERE incarnation = ${quoteText(incarnation)}`,
  )
  const states = new Set(
    known.map((row) => stateKey(row['source_path'], row['source_size'], row['source_mtime_ms'])),
  )
  const paths = new Set(known.map((row) => row['source_path']))
  const fresh = files.filter((file) => !states.has(stateKey(file.path, file.size, file.mtimeMs)))
  return { files: fresh, changed: fresh.filter((file) => paths.has(file.path)).map((file) => file.path) }
}

function stateKey(
  path: RowValue | undefined,
  size: RowValue | undefined,
  mtimeMs: RowValue | undefined,
): string {
  return [path, size, mtimeMs].map(String).join('\0')
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
    if (Buffer.compare(Buffer.from(path), Buffer.from(min)) < 0) min = path
    if (Buffer.compare(Buffer.from(path), Buffer.from(max)) > 0) max = path
  }
  return { min, max }
}
