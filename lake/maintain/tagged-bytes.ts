import type { FileIO } from '../../iceberg/io/file-io.js'
import { filesOf, reachableManifests } from '../../iceberg/maintain/reachable-files.js'
import { headOf, snapshotById } from '../../iceberg/spec/refs.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'

/** Bytes of data files that main's head does not need, but a tag or another branch does. */
export async function taggedBytes(
  io: FileIO,
  metadata: TableMetadata,
  droppedRefs: readonly string[],
): Promise<number> {
  const head = headOf(metadata)
  const held = Object.entries(metadata.refs)
    .filter(([name]) => !droppedRefs.includes(name))
    .flatMap(([, ref]) => snapshotById(metadata, ref['snapshot-id']) ?? [])
    .filter((snapshot) => snapshot !== head)
  if (held.length === 0) return 0
  const tagged = await reachableManifests(io, metadata, held)
  const needed = await reachableManifests(io, metadata, head === undefined ? [] : [head])
  const only = [...tagged.manifests.values()].filter(
    (manifest) => !needed.manifests.has(manifest.manifestPath),
  )
  const mainFiles = await filesOf(io, metadata, needed.manifests.values(), { live: true })
  const files = await filesOf(io, metadata, only, { live: true })
  return [...files].reduce((sum, [location, size]) => (mainFiles.has(location) ? sum : sum + size), 0)
}
