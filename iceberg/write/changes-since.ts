import { ancestorsOf } from '../spec/refs.js'
import type { DataFile } from '../spec/data-file.js'
import type { Operation, Snapshot, SnapshotId } from '../spec/snapshot.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { ManifestFiles } from './manifest-files.js'

/** What one snapshot did: the data and delete files that it added and removed. */
export interface SnapshotChanges {
  /** Where a writer did not say (v1), the one that may have done anything. */
  readonly operation: Operation
  readonly added: readonly DataFile[]
  readonly removed: readonly DataFile[]
}

/**
 * What happened from `basis` (null: the empty table) to `head`, newest first. Undefined where the basis is not an ancestor
 * of the head, or the history between has expired. With `passAppends` files that were only added are not looked up.
 */
export async function changesSince(
  files: ManifestFiles,
  metadata: TableMetadata,
  head: Snapshot | undefined,
  basis: SnapshotId | null,
  { passAppends = false }: { readonly passAppends?: boolean } = {},
): Promise<readonly SnapshotChanges[] | undefined> {
  const between = snapshotsSince(metadata, head, basis)
  if (between === undefined || head === undefined) return between && []
  const passes = passAppends && !(await hasNewDeletes(files, metadata, head, between))
  return Promise.all(
    between.map(async (snapshot): Promise<SnapshotChanges> => {
      const isPassed = passes && snapshot.summary?.operation === 'append'
      return isPassed
        ? { operation: 'append', added: [], removed: [] }
        : await changesOf(files, metadata, snapshot)
    }),
  )
}

/** Some writers call it an append also where delete files came with it. */
async function hasNewDeletes(
  files: ManifestFiles,
  metadata: TableMetadata,
  head: Snapshot,
  between: readonly Snapshot[],
): Promise<boolean> {
  const first = Math.min(...between.map((snapshot) => snapshot['sequence-number']))
  const manifests = await files.list(metadata, head)
  return manifests.some(({ content, sequenceNumber }) => content === 'deletes' && sequenceNumber >= first)
}

function snapshotsSince(
  metadata: TableMetadata,
  head: Snapshot | undefined,
  basis: SnapshotId | null,
): readonly Snapshot[] | undefined {
  if (head === undefined) return basis === null ? [] : undefined
  if (head['snapshot-id'] === basis) return []
  const between: Snapshot[] = []
  for (const snapshot of ancestorsOf(metadata, head['snapshot-id'])) {
    between.push(snapshot)
    const parent = snapshot['parent-snapshot-id'] ?? null
    // The basis itself may have expired: its child still names it.
    if (parent === basis) return between
  }
  return undefined
}

/** What one snapshot did, by the manifests that it wrote. */
export async function changesOf(
  files: ManifestFiles,
  metadata: TableMetadata,
  snapshot: Snapshot,
): Promise<SnapshotChanges> {
  const id = snapshot['snapshot-id']
  const written = (await files.list(metadata, snapshot)).filter((manifest) => manifest.addedSnapshotId === id)
  const entries = await Promise.all(written.map((manifest) => files.entries(metadata, manifest)))
  // Rewritten manifests repeat entries of older snapshots: those are not this one's doing.
  const own = entries.flat().filter((entry) => entry.snapshotId === id)
  return {
    operation: snapshot.summary?.operation ?? 'overwrite',
    added: own.filter((entry) => entry.status === 'added').map((entry) => entry.file),
    removed: own.filter((entry) => entry.status === 'deleted').map((entry) => entry.file),
  }
}
