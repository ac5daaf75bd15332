import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { readManifestEntries, readManifests } from '../../iceberg/scan/manifests.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { snapshotById } from '../../iceberg/spec/refs.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { FirnError } from '../../schemas/error.js'

/** The data files that one snapshot added, as its own manifests describe them. */
export async function addedFiles(
  io: FileIO,
  { identifier, metadata }: LoadedTable,
  snapshotId: string,
): Promise<readonly DataFile[]> {
  const id = toSnapshotId(snapshotId)
  const snapshot = snapshotById(metadata, id)
  if (snapshot === undefined) {
    throw new FirnError(
      'stage-expired',
      `snapshot ${snapshotId} of ${identifier.namespace}.${identifier.name}, which Spark wrote, is not there (any longer); build the batch again`,
    )
  }
  const manifests = (await readManifests(io, metadata, snapshot)).filter(
    (manifest) => manifest.content === 'data' && manifest.addedSnapshotId === id,
  )
  const entries = await Promise.all(manifests.map((manifest) => readManifestEntries(io, metadata, manifest)))
  return entries.flat().flatMap(({ status, file }) => (status === 'added' ? [file] : []))
}
