import type { Catalog } from '../../../iceberg/catalog/catalog.js'
import { parseIdentifier } from '../../../iceberg/catalog/catalog.js'
import { toSnapshotId } from '../../../iceberg/spec/snapshot.js'

/** Sets a table's main branch to one of its snapshots, as a foreign writer does who rolls it back. */
export async function setHead(catalog: Catalog, table: string, snapshotId: bigint | string): Promise<void> {
  const update = {
    action: 'set-snapshot-ref',
    'ref-name': 'main',
    type: 'branch',
    'snapshot-id': toSnapshotId(BigInt(snapshotId)),
  } as const
  await catalog.commit([{ identifier: parseIdentifier(table), requirements: [], updates: [update] }])
}
