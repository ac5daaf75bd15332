import type { DataFile } from '../spec/data-file.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { SnapshotChanges } from './changes-since.js'
import type { OthersDid } from './decide-rebase.js'
import { partitionMatcher } from './partition-match.js'
import type { Change } from './table-change.js'

/** Boils the snapshots since a change's basis down to what the conflict rules ask. `undefined`: the ref has moved. */
export function othersDid(
  metadata: TableMetadata,
  change: Change,
  since: readonly SnapshotChanges[] | undefined,
): OthersDid {
  if (since === undefined) {
    return { refMoved: true, addedRows: true, changedPartitions: true, touchedInputs: true }
  }
  const changedRows = since.filter((snapshot) => snapshot.operation !== 'replace')
  return {
    refMoved: false,
    addedRows: changedRows.some((snapshot) => snapshot.added.some(isData)),
    changedPartitions: change.kind === 'overwrite-partitions' && touches(metadata, change.files, changedRows),
    touchedInputs: change.kind === 'rewrite' && touchesInputs(metadata, change.removed, since),
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

function touchesInputs(
  metadata: TableMetadata,
  inputs: readonly DataFile[],
  since: readonly SnapshotChanges[],
): boolean {
  const paths = new Set(inputs.map((file) => file.filePath))
  const relation = partitionMatcher(metadata['partition-specs'], inputs)
  // A delete file of an unpartitioned spec reaches every partition; the matcher calls it `straddles`.
  const mayDelete = (file: DataFile) =>
    file.referencedDataFile === undefined ? relation(file) !== 'outside' : paths.has(file.referencedDataFile)
  return since.some(
    (snapshot) =>
      snapshot.removed.some((file) => paths.has(file.filePath)) ||
      snapshot.added.some((file) => !isData(file) && mayDelete(file)),
  )
}

function isData(file: DataFile): boolean {
  return file.content === 'data'
}
