import type { DataFile } from '../spec/data-file.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { SnapshotChanges } from './changes-since.js'
import type { OthersDid } from './decide-rebase.js'
import { filterMatcher } from './filter-match.js'
import { mayDelete } from './may-delete.js'
import { partitionMatcher } from './partition-match.js'
import type { Change, RewriteChange, RowDelta } from './table-change.js'

/** Boils the snapshots since a change's basis down to what the conflict rules ask. `undefined`: the ref has moved. */
export function othersDid(
  metadata: TableMetadata,
  change: Change,
  since: readonly SnapshotChanges[] | undefined,
): OthersDid {
  if (since === undefined) {
    return {
      refMoved: true,
      addedRows: true,
      changedPartitions: true,
      touchedInputs: true,
      changedFiltered: true,
    }
  }
  const changedRows = since.filter((snapshot) => snapshot.operation !== 'replace')
  return {
    refMoved: false,
    addedRows: changedRows.some((snapshot) => snapshot.added.some(isData)),
    changedPartitions: change.kind === 'overwrite-partitions' && touches(metadata, change.files, changedRows),
    touchedInputs:
      (change.kind === 'rewrite' && touchesRewritten(metadata, change, since)) ||
      (change.kind === 'row-delta' && touchesDelta(metadata, change, since)),
    changedFiltered: change.kind === 'row-delta' && changesFiltered(metadata, change, changedRows),
  }
}

/** The data files that others added with rows that the change has not seen. */
export function filesWithNewRows(since: readonly SnapshotChanges[]): readonly DataFile[] {
  return since
    .filter((snapshot) => snapshot.operation !== 'replace')
    .flatMap((snapshot) => snapshot.added.filter(isData))
}

function touches(
  metadata: TableMetadata,
  targets: readonly DataFile[],
  since: readonly SnapshotChanges[],
): boolean {
  const relation = partitionMatcher(metadata['partition-specs'], targets)
  return since.some((snapshot) =>
    [...snapshot.added, ...snapshot.removed].some((file) => relation(file) !== 'outside'),
  )
}

function touchesDelta(
  metadata: TableMetadata,
  { removed, deletedFrom, deletes }: RowDelta,
  since: readonly SnapshotChanges[],
): boolean {
  const inputs = [...removed, ...deletedFrom]
  const paths = new Set(inputs.map((file) => file.filePath))
  const deletesInput = mayDelete(metadata['partition-specs'], inputs.filter(isData))
  const isOutOfReach = outOfReach(metadata, deletes)
  return since.some(
    (snapshot) =>
      snapshot.removed.some((file) => paths.has(file.filePath)) ||
      snapshot.added.some((file) => (isData(file) ? isOutOfReach(file) : deletesInput(file))),
  )
}

/** Data files of another spec that may hold rows of the partitions of equality deletes, which reach their own spec only. */
function outOfReach(metadata: TableMetadata, deletes: readonly DataFile[]): (file: DataFile) => boolean {
  const specs = metadata['partition-specs']
  const scoped = specs.filter((spec) => spec.fields.some((field) => field.transform !== 'void'))
  const ids = new Set(scoped.map((spec) => spec['spec-id']))
  const bySpec = new Map<number, DataFile[]>()
  for (const file of deletes) {
    if (file.content === 'equality-deletes' && ids.has(file.specId))
      bySpec.set(file.specId, [...(bySpec.get(file.specId) ?? []), file])
  }
  const relations = [...bySpec].map(([id, files]) => ({ id, relation: partitionMatcher(specs, files) }))
  return (file) => relations.some(({ id, relation }) => file.specId !== id && relation(file) !== 'outside')
}

/** Under `snapshot`, rows beside the files that the change touches may come and go. */
function changesFiltered(
  metadata: TableMetadata,
  { filter, isolation }: RowDelta,
  changedRows: readonly SnapshotChanges[],
): boolean {
  if (isolation === 'snapshot' || changedRows.length === 0) return false
  const matches = filterMatcher(metadata, filter)
  return changedRows.some((snapshot) => [...snapshot.added, ...snapshot.removed].some(matches))
}

function touchesRewritten(
  metadata: TableMetadata,
  { removed, dataSequenceNumber }: RewriteChange,
  since: readonly SnapshotChanges[],
): boolean {
  const paths = new Set(removed.map((file) => file.filePath))
  const specs = metadata['partition-specs']
  const deletesInput = mayDelete(specs, removed.filter(isData))
  // Files that keep an old sequence number stay in reach of equality deletes that came after.
  const isLost = (file: DataFile) =>
    !(file.content === 'equality-deletes' && dataSequenceNumber !== undefined) && deletesInput(file)
  // Another compaction's files may keep a sequence number below that of the equality deletes that are to go. No file is
  // outside of an unpartitioned spec, nor of one whose fields are all void.
  const relation = partitionMatcher(
    specs,
    removed.filter((file) => file.content === 'equality-deletes'),
  )
  const needsRemoved = (file: DataFile) => relation(file) !== 'outside'
  return since.some(
    (snapshot) =>
      snapshot.removed.some((file) => paths.has(file.filePath)) ||
      snapshot.added.some((file) =>
        isData(file) ? snapshot.operation === 'replace' && needsRemoved(file) : isLost(file),
      ),
  )
}

function isData(file: DataFile): boolean {
  return file.content === 'data'
}
