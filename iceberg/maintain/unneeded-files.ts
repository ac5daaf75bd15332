import { isIcebergError } from '../error.js'
import type { FileIO } from '../io/file-io.js'
import type { Snapshot, SnapshotId } from '../spec/snapshot.js'
import type { StatisticsFile, TableMetadata } from '../spec/table-metadata.js'
import { inParallel } from '../io/in-parallel.js'
import type { NamedFile, NamedManifest } from './named-files.js'
import { eachNamedFile, namedManifests } from './named-files.js'
import { fileName } from './reachable-files.js'

/** A file that nothing reachable needs any more. */
export interface UnneededFile {
  readonly location: string
  /** 0 for manifest lists, statistics and metadata, whose sizes nothing tells. */
  readonly sizeBytes: number
  /** The last of the expired snapshots that named it. */
  readonly snapshotId?: SnapshotId
}

/** A manifest, and the last of the snapshots asked about that has it. */
interface SnapshotManifest extends NamedManifest {
  readonly snapshot: Snapshot
}

interface Candidate extends Pick<UnneededFile, 'location' | 'sizeBytes'> {
  snapshot: Snapshot
}

const READS_AT_ONCE = 16

/**
 * Files that the expired snapshots of `before` named and that no snapshot of `newest` needs. Each manifest list and each
 * manifest is read once at most: of the expired only those that no kept snapshot has, of the kept only until nothing is left
 * in question. Memory: the names of files in question. What another clean-up has deleted already is passed over.
 */
export async function unneededFiles(
  io: FileIO,
  before: TableMetadata,
  expired: ReadonlySet<SnapshotId>,
  newest: TableMetadata,
): Promise<readonly UnneededFile[]> {
  if (expired.size === 0) return []
  const gone = before.snapshots.filter((snapshot) => expired.has(snapshot['snapshot-id']))
  const kept = await manifestsOf(io, newest.snapshots)
  const lists = newest.snapshots.flatMap((snapshot) => snapshot['manifest-list'] ?? [])
  const needed = new Set([...kept.keys(), ...lists.map(fileName)])
  const absent = new Set<string>()
  const dropped = await manifestsOf(io, gone, { except: needed, absent })
  const candidates = await candidatesOf(io, dropped.values(), absent)
  await spareLive(io, candidates, kept.values())
  return [
    ...[...candidates.values()]
      .flat()
      .map(({ snapshot, ...file }) => ({ ...file, snapshotId: snapshot['snapshot-id'] })),
    ...[...dropped.values()]
      .filter(({ manifestPath }) => !absent.has(manifestPath))
      .map(({ manifestPath, sizeBytes, snapshot }) => ({
        location: manifestPath,
        sizeBytes,
        snapshotId: snapshot['snapshot-id'],
      })),
    ...gone.flatMap(({ 'manifest-list': list, 'snapshot-id': snapshotId }) =>
      list === undefined || needed.has(fileName(list)) || absent.has(list)
        ? []
        : [{ location: list, sizeBytes: 0, snapshotId }],
    ),
    ...unneededStatistics(before, expired, newest),
  ]
}

interface ExpiredOnly {
  readonly except: ReadonlySet<string>
  /** Gets the locations of what is not there any more; without it that is an error. */
  readonly absent: Set<string>
}

/** Manifests by file name. */
async function manifestsOf(
  io: FileIO,
  snapshots: readonly Snapshot[],
  only?: ExpiredOnly,
): Promise<ReadonlyMap<string, SnapshotManifest>> {
  const manifests = new Map<string, SnapshotManifest>()
  await inParallel(snapshots, READS_AT_ONCE, async (snapshot) => {
    await unlessAbsent(only?.absent, snapshot['manifest-list'] ?? '', async () => {
      for (const manifest of await namedManifests(io, snapshot)) {
        const name = fileName(manifest.manifestPath)
        const known = manifests.get(name)
        const isLater = known === undefined || isAfter(snapshot, known.snapshot)
        if (isLater && only?.except.has(name) !== true) manifests.set(name, { ...manifest, snapshot })
      }
    })
  })
  return manifests
}

function isAfter(a: Snapshot, b: Snapshot): boolean {
  return a['sequence-number'] > b['sequence-number']
}

/** By file name, since one file may be spelled in several ways. */
async function candidatesOf(
  io: FileIO,
  manifests: Iterable<SnapshotManifest>,
  absent: Set<string>,
): Promise<Map<string, Candidate[]>> {
  const candidates = new Map<string, Candidate[]>()
  const add = ({ location, sizeBytes }: NamedFile, snapshot: Snapshot): void => {
    const name = fileName(location)
    const same = candidates.get(name) ?? []
    const known = same.find((file) => file.location === location)
    if (known === undefined) candidates.set(name, [...same, { location, sizeBytes, snapshot }])
    else if (isAfter(snapshot, known.snapshot)) known.snapshot = snapshot
  }
  await inParallel([...manifests], READS_AT_ONCE, ({ manifestPath, snapshot }) =>
    unlessAbsent(absent, manifestPath, () => eachNamedFile(io, manifestPath, (file) => add(file, snapshot))),
  )
  return candidates
}

/** Newest first: what an expired manifest had is most often in one that was written in its place. */
async function spareLive(
  io: FileIO,
  candidates: Map<string, Candidate[]>,
  kept: Iterable<NamedManifest>,
): Promise<void> {
  const live = [...kept].filter((manifest) => manifest.mayHaveLive).reverse()
  await inParallel(live, READS_AT_ONCE, async ({ manifestPath }) => {
    if (candidates.size === 0) return
    await eachNamedFile(io, manifestPath, (file) => {
      if (file.isLive) candidates.delete(fileName(file.location))
    })
  })
}

function unneededStatistics(
  before: TableMetadata,
  expired: ReadonlySet<SnapshotId>,
  newest: TableMetadata,
): readonly UnneededFile[] {
  const needed = new Set(statisticsOf(newest).map((file) => fileName(file['statistics-path'])))
  const unneeded = statisticsOf(before).filter(
    (file) => expired.has(file['snapshot-id']) && !needed.has(fileName(file['statistics-path'])),
  )
  // One file may hold the statistics of several snapshots.
  const locations = new Set(unneeded.map((file) => file['statistics-path']))
  return [...locations].map((location) => ({ location, sizeBytes: 0 }))
}

export function statisticsOf(metadata: TableMetadata): readonly StatisticsFile[] {
  return [...(metadata.statistics ?? []), ...(metadata['partition-statistics'] ?? [])]
}

async function unlessAbsent(
  absent: Set<string> | undefined,
  location: string,
  read: () => Promise<void>,
): Promise<void> {
  try {
    await read()
  } catch (error) {
    if (absent === undefined || !isIcebergError(error, 'not-found')) throw error
    absent.add(location)
  }
}
