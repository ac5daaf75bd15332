import type { Catalog } from '../../../iceberg/catalog/catalog.js'
import { parseIdentifier } from '../../../iceberg/catalog/catalog.js'

/** Lets a table's expiry take all but its head, where the table itself keeps an hour of snapshots or a hundred. */
export async function keepOneSnapshot(catalog: Catalog, table: string): Promise<void> {
  const updates = { 'history.expire.max-snapshot-age-ms': '0', 'history.expire.min-snapshots-to-keep': '1' }
  const identifier = parseIdentifier(table)
  await catalog.commit([{ identifier, requirements: [], updates: [{ action: 'set-properties', updates }] }])
}
