import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { batchOfTag } from '../training/pin-training.js'
import { digestOf } from '../views/digest-of.js'

/**
 * Tags the snapshots that a scoring reads, so that expiry keeps them as long as the predictions are kept. Done again, it
 * finds its tags.
 */
export async function holdFeatures(
  deps: Pick<LakeDeps, 'catalog' | 'now' | 'newUuid' | 'settings'>,
  of: {
    readonly model: string
    readonly batch: string
    /** That the features were read at. */
    readonly tag: string
    readonly snapshots: Readonly<Record<string, string>>
  },
): Promise<void> {
  // A batch's tag stands for the same snapshots always; a branch moves, so what was read is part of the name.
  const read = batchOfTag(of.tag) === undefined ? `_${digestOf(of.snapshots).slice(0, 12)}` : ''
  const name = `scored_${of.model}_${of.batch}_${of.tag}${read}`
  await changeRefs({
    ...{ catalog: deps.catalog, now: deps.now, newUuid: deps.newUuid },
    tables: Object.entries(of.snapshots).map(([table, id]) => ({
      identifier: parseIdentifier(table),
      changes: [
        { kind: 'create-tag', name, snapshotId: toSnapshotId(id), retainMs: deps.settings.tagRetentionMs },
      ],
    })),
  })
}
