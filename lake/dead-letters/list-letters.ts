import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import type { Letter, LetterSelection, LettersDeps } from './read-letters.js'
import { LETTER_COLUMNS, LETTER_ORDER, loadLetters, queryLetters, toLetter } from './read-letters.js'

/** Letters of one source that broke their contract in the same way. */
export interface LetterCount {
  readonly source: string
  readonly kind: string
  readonly letters: number
  readonly bytes: number
  /** ISO 8601. */
  readonly newestLandedAt: string
}

export interface LetterList {
  readonly total: number
  /** Most letters first. */
  readonly counts: readonly LetterCount[]
  /** Newest landing first, at most as many as asked for. */
  readonly letters: readonly Letter[]
}

/** Counts of the selected letters by source and cause, and the newest of them. */
export async function listLetters(
  deps: LettersDeps,
  selection: LetterSelection,
  { limit }: { readonly limit: number },
): Promise<LetterList> {
  const table = await loadLetters(deps)
  if (table === undefined) return { total: 0, counts: [], letters: [] }
  const counts = await countLetters(deps, table, selection)
  const newest =
    limit === 0
      ? []
      : await queryLetters(
          deps,
          table,
          selection,
          `SELECT ${LETTER_COLUMNS} FROM letters ORDER BY landed_at DESC, ${LETTER_ORDER} LIMIT ${limit}`,
        )
  const total = counts.reduce((sum, count) => sum + count.letters, 0)
  return { total, counts, letters: newest.map(toLetter) }
}

/** Most letters first. */
export async function countLetters(
  deps: LettersDeps,
  table: LoadedTable,
  selection: LetterSelection,
): Promise<readonly LetterCount[]> {
  const rows = await queryLetters(
    deps,
    table,
    selection,
    `SELECT source, error_kind, count(*) AS letters, sum(octet_length(raw))::BIGINT AS bytes, max(landed_at) AS newest
     FROM letters GROUP BY source, error_kind ORDER BY letters DESC, source, error_kind`,
  )
  return rows.map((row) => ({
    source: row['source'] as string,
    kind: row['error_kind'] as string,
    letters: Number(row['letters']),
    bytes: Number(row['bytes']),
    newestLandedAt: new Date(Number((row['newest'] as bigint) / 1000n)).toISOString(),
  }))
}
