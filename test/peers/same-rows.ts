import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { runSql } from '../../lake/query/sql.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { PeerRow } from './peer-process.js'

/** A table's rows as Firn reads them, in the spelling of `canonical`. */
export async function firnRows(
  deps: LakeDeps,
  table: string,
  options: { readonly at?: string; readonly where?: string } = {},
): Promise<readonly string[]> {
  const { at, where } = options
  const sql = `SELECT * FROM ${table}${where === undefined ? '' : ` WHERE ${where}`}`
  const { rows } = await runSql(deps, { sql, limit: 1_000_000, ...(at === undefined ? {} : { at }) })
  return canonical(rows)
}

export async function firnTables(deps: LakeDeps): Promise<readonly string[]> {
  const names: string[] = []
  for (const namespace of await deps.catalog.listNamespaces()) {
    names.push(...(await deps.catalog.listTables(namespace)).map(formatIdentifier))
  }
  return names
}

/** Sorted texts, one a row, alike for Firn's rows and peer.py's: integers as text, doubles with all their digits. */
export function canonical(rows: readonly PeerRow[]): readonly string[] {
  return rows
    .map((row) => JSON.stringify(Object.entries(row).map(([name, value]) => [name, plain(value)])))
    .sort()
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'number')
    return Number.isFinite(value) && !Number.isInteger(value) ? value : String(value)
  if (Array.isArray(value)) return value.every(isEntry) ? value.map(plain).sort(byText) : value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]))
}

/** Of a map, whose entries have no order. */
function isEntry(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).join() === 'key,value'
}

function byText(left: unknown, right: unknown): number {
  return JSON.stringify(left) < JSON.stringify(right) ? -1 : 1
}
