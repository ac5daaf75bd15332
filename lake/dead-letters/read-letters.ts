import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { ifFound } from '../../iceberg/error.js'
import type { Expression } from '../../iceberg/expr/expression.js'
import { alwaysTrue, and, eq, gtEq, isIn } from '../../iceberg/expr/expression.js'
import { currentSchema } from '../../iceberg/spec/schema.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import type { Row } from '../../engine/engine.js'
import { queryTable } from '../../engine/query-table.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { DEAD_LETTERS } from '../../schemas/lake-tables.js'
import type { LetterId } from './letter-id.js'
import { formatLetterId, letterIdSql } from './letter-id.js'

/** Which letters are meant: those that all that is said is true of. */
export interface LetterSelection {
  readonly ids?: readonly LetterId[]
  readonly source?: string
  readonly kind?: string
  readonly batch?: string
  /** Landed then or later, by the logical instant of their batch; ms since 1970. */
  readonly sinceMs?: number
}

/** A row of `raw.dead_letters` without the record itself. */
export interface Letter extends LetterId {
  readonly id: string
  /** File that it was read from; null for a topic. */
  readonly path: string | null
  readonly key: string | null
  readonly kind: string
  readonly message: string
  /** Where in the document; null: the document as a whole. */
  readonly documentPath: string | null
  readonly batch: string
  /** ISO 8601. */
  readonly landedAt: string
  /** The message's own time, where it has one. */
  readonly timestamp: string | null
  /** Of the record. */
  readonly bytes: number
}

export interface LetterWithRaw extends Letter {
  /** The record as it came; of one that was too large maybe its beginning only. */
  readonly raw: Uint8Array
}

export type LettersDeps = Pick<LakeDeps, 'catalog' | 'engine'>

/** Undefined where nothing was ever landed. */
export async function loadLetters(deps: LettersDeps): Promise<LoadedTable | undefined> {
  return await ifFound(deps.catalog.loadTable(DEAD_LETTERS))
}

/** Runs a SELECT over `letters`, the selected ones. */
export async function queryLetters(
  deps: LettersDeps,
  table: LoadedTable,
  selection: LetterSelection,
  sql: string,
): Promise<readonly Row[]> {
  const from = { engine: deps.engine, io: deps.catalog.io, metadata: table.metadata }
  return await queryTable(from, {
    name: 'all_letters',
    filter: selectionFilter(selection),
    sql: `WITH letters AS (${selectedSql(table, selection, 'all_letters')}) ${sql}`,
    limit: Number.MAX_SAFE_INTEGER,
  })
}

/** SELECT of the selected letters with their `id`; tables that were made before some columns get them as nulls. */
export function selectedSql(table: LoadedTable, selection: LetterSelection, relation: string): string {
  const names = new Set(currentSchema(table.metadata).fields.map((field) => field.name))
  const later = [
    ...(names.has('incarnation') ? [] : ['NULL::VARCHAR AS incarnation']),
    ...(names.has('timestamp') ? [] : ['NULL::TIMESTAMPTZ AS "timestamp"']),
  ]
  const all = `SELECT ${['*', ...later].join(', ')} FROM ${relation}`
  return `SELECT *, ${letterIdSql('a')} AS id FROM (${all}) a WHERE ${selectionSql(selection)}`
}

/** The columns that `toLetter` reads. */
export const LETTER_COLUMNS =
  'id, source, incarnation, partition, "offset", path, key, error_kind, message, document_path, batch, ' +
  'landed_at, "timestamp", octet_length(raw) AS bytes'

export const LETTER_ORDER = 'source, incarnation NULLS FIRST, partition, "offset", batch, path'

export function toLetter(row: Row): Letter {
  const text = (column: string): string | null => (row[column] ?? null) as string | null
  const time = (column: string): string | null => {
    const micros = row[column]
    return typeof micros === 'bigint' ? new Date(Number(micros / 1000n)).toISOString() : null
  }
  return {
    id: text('id') ?? '',
    source: text('source') ?? '',
    incarnation: text('incarnation'),
    partition: Number(row['partition']),
    offset: Number(row['offset']),
    path: text('path'),
    key: text('key'),
    kind: text('error_kind') ?? '',
    message: text('message') ?? '',
    documentPath: text('document_path'),
    batch: text('batch') ?? '',
    landedAt: time('landed_at') ?? '',
    timestamp: time('timestamp'),
    bytes: Number(row['bytes']),
  }
}

export function toLetterWithRaw(row: Row): LetterWithRaw {
  return { ...toLetter(row), raw: row['raw'] as Uint8Array }
}

function selectionSql({ ids, source, kind, batch, sinceMs }: LetterSelection): string {
  const named = ids?.map((id) => quoteText(formatLetterId(id))).join(', ')
  const conditions = [
    ...(named === undefined ? [] : [`${letterIdSql('a')} IN (${named})`]),
    ...(source === undefined ? [] : [`a.source = ${quoteText(source)}`]),
    ...(kind === undefined ? [] : [`a.error_kind = ${quoteText(kind)}`]),
    ...(batch === undefined ? [] : [`a.batch = ${quoteText(batch)}`]),
    ...(sinceMs === undefined ? [] : [`a.landed_at >= make_timestamptz(${BigInt(sinceMs) * 1000n})`]),
  ]
  return conditions.length === 0 ? 'true' : conditions.join(' AND ')
}

/** The same, as far as it tells which files to read. */
function selectionFilter({ ids, source, kind, batch, sinceMs }: LetterSelection): Expression {
  return [
    ...(ids === undefined || ids.length === 0
      ? []
      : [
          isIn('source', [...new Set(ids.map((id) => id.source))]),
          isIn('offset', [...new Set(ids.map((id) => BigInt(id.offset)))]),
        ]),
    ...(source === undefined ? [] : [eq('source', source)]),
    ...(kind === undefined ? [] : [eq('error_kind', kind)]),
    ...(batch === undefined ? [] : [eq('batch', batch)]),
    ...(sinceMs === undefined ? [] : [gtEq('landed_at', BigInt(sinceMs) * 1000n)]),
  ].reduce<Expression>((all, one) => and(all, one), alwaysTrue)
}
