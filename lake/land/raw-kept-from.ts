import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { FirnError } from '../../schemas/error.js'

/** Property of a ledger: raw objects of rows before this number are removed, or are about to be. */
export const RAW_KEPT_FROM = 'firn.raw-kept-from-row'

/** The first ledger row whose raw object is kept; 0 where retention never removed any. */
export function rawKeptFrom({ metadata }: Pick<LoadedTable, 'metadata'>): number {
  return Number(metadata.properties[RAW_KEPT_FROM] ?? 0)
}

/** Throws `not-found` where records are to be read from row `rowFrom` on and retention has removed some of them. */
export function refuseRemovedRaw(ledger: LoadedTable, rowFrom: number): void {
  const keptFrom = rawKeptFrom(ledger)
  if (rowFrom >= keptFrom) return
  const { name } = ledger.identifier
  throw new FirnError(
    'not-found',
    `raw objects of rows ${rowFrom} to ${keptFrom} of source ${name} were removed by retention (FIRN_RAW_RETENTION_DAYS): ` +
      `these records can't be built again. Read them from the tables that were built, or put the objects back from a ` +
      `backup and remove the property ${RAW_KEPT_FROM} of raw.${name}.`,
    { context: { source: name, rowFrom, keptFrom } },
  )
}
