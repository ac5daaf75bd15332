import type { FileIO } from '../../iceberg/io/file-io.js'
import { inParallel } from '../../iceberg/io/in-parallel.js'
import { eachNamedFile, namedManifests } from '../../iceberg/maintain/named-files.js'
import { headOf, snapshotById } from '../../iceberg/spec/refs.js'
import type { SnapshotId } from '../../iceberg/spec/snapshot.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { HeldByRef } from '../../schemas/maintenance.js'
import { modelOfTag } from './refs-to-drop.js'

export interface HeldBytes {
  /** Of data files that main's head does not need, but a tag or another branch does. */
  readonly bytes: number
  /** What each ref alone keeps, most first; refs on one snapshot share it, so neither keeps it alone. */
  readonly alone: readonly HeldByRef[]
}

interface HeldFile {
  readonly sizeBytes: number
  /** The one snapshot that needs it; undefined: several do. */
  only: SnapshotId | undefined
}

const READS_AT_ONCE = 16

/** Each manifest list and each manifest of the refs' snapshots is read once. Memory: the files that main has not. */
export async function heldBytes(
  io: FileIO,
  metadata: TableMetadata,
  droppedRefs: readonly string[],
): Promise<HeldBytes> {
  const head = headOf(metadata)?.['snapshot-id']
  const refs = Object.entries(metadata.refs).filter(([name]) => !droppedRefs.includes(name))
  const held = new Set(refs.map(([, ref]) => ref['snapshot-id']).filter((id) => id !== head))
  if (held.size === 0) return { bytes: 0, alone: [] }
  const users = await manifestUsers(io, metadata, [...held, ...(head === undefined ? [] : [head])])
  const needed = new Set<string>()
  const usedBy = ([, ids]: readonly [string, readonly SnapshotId[]]) => ids.some((id) => id === head)
  await inParallel([...users].filter(usedBy), READS_AT_ONCE, ([path]) =>
    eachNamedFile(io, path, (file) => file.isLive && needed.add(file.location)),
  )
  const files = new Map<string, HeldFile>()
  const others = [...users].filter((entry) => !usedBy(entry))
  await inParallel(others, READS_AT_ONCE, ([path, ids]) =>
    eachNamedFile(io, path, ({ location, sizeBytes, isLive }) => {
      if (!isLive || needed.has(location)) return
      const only = ids.length === 1 ? ids[0] : undefined
      const known = files.get(location)
      if (known === undefined) files.set(location, { sizeBytes, only })
      else if (known.only !== only) known.only = undefined
    }),
  )
  const bytesOf = new Map<SnapshotId, number>()
  let bytes = 0
  for (const { sizeBytes, only } of files.values()) {
    bytes += sizeBytes
    if (only !== undefined) bytesOf.set(only, (bytesOf.get(only) ?? 0) + sizeBytes)
  }
  const alone = refs.flatMap(([ref, { 'snapshot-id': id }]): HeldByRef[] => {
    const model = modelOfTag(ref)
    const others_ = refs.filter(([, other]) => other['snapshot-id'] === id).length > 1
    const own = others_ ? 0 : (bytesOf.get(id) ?? 0)
    return own === 0 ? [] : [{ ref, ...(model === undefined ? {} : { model }), bytes: own }]
  })
  return { bytes, alone: alone.sort((a, b) => b.bytes - a.bytes) }
}

/** Which of the snapshots have which manifest. */
async function manifestUsers(
  io: FileIO,
  metadata: TableMetadata,
  ids: readonly SnapshotId[],
): Promise<ReadonlyMap<string, readonly SnapshotId[]>> {
  const users = new Map<string, SnapshotId[]>()
  await inParallel(ids, READS_AT_ONCE, async (id) => {
    const snapshot = snapshotById(metadata, id)
    if (snapshot === undefined) return
    for (const { manifestPath } of await namedManifests(io, snapshot)) {
      const known = users.get(manifestPath)
      if (known === undefined) users.set(manifestPath, [id])
      else known.push(id)
    }
  })
  return users
}
