import { IcebergError } from '../error.js'
import type { DataFile, ManifestEntry, ManifestFile } from '../spec/data-file.js'
import { snapshotById } from '../spec/refs.js'
import type { Snapshot, SnapshotId } from '../spec/snapshot.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { FilteredManifest } from './filter-manifests.js'
import { filterManifests } from './filter-manifests.js'
import type { ManifestFiles } from './manifest-files.js'
import { manifestMayHold } from './manifest-may-hold.js'
import { referencedFile } from './may-delete.js'
import { partitionMatcher } from './partition-match.js'
import type { Change, RewriteChange, RowDelta } from './table-change.js'

export interface RemoveRequest {
  readonly files: ManifestFiles
  readonly metadata: TableMetadata
  /** The table's name, for messages. */
  readonly table: string
  readonly change: Change
  readonly snapshotId: SnapshotId
  readonly base: Snapshot | undefined
  /** Of the base, those with live files. */
  readonly manifests: readonly ManifestFile[]
  /** Of the files that the change adds. */
  readonly added: readonly ManifestFile[]
  readonly filtered: Map<string, FilteredManifest>
}

/**
 * The base's manifests without the files that a change removes, and without delete files that can't apply to anything any
 * more: those that name a removed data file only, and those older than all data. Errors: `rebuild-needed` where a file that
 * has to be there is gone, `commit-rejected`.
 */
export async function removeFiles(request: RemoveRequest): Promise<readonly FilteredManifest[]> {
  const { change, manifests } = request
  switch (change.kind) {
    case 'overwrite-partitions': {
      const removes = liesInPartitions(request, change.files)
      return filter(request, change.files, removes)
    }
    case 'row-delta': {
      if (change.deletedFrom.length > 0 && request.base?.['snapshot-id'] !== change.basis) {
        await checkPresent(request, change)
      }
      return removeListed(request, change)
    }
    case 'rewrite':
      return removeListed(request, change)
    default:
      return manifests.map((manifest) => ({ manifest, removed: [] }))
  }
}

async function filter(
  request: RemoveRequest,
  targets: readonly DataFile[],
  removes: (file: DataFile) => boolean,
): Promise<readonly FilteredManifest[]> {
  const { files, metadata, snapshotId, filtered: known } = request
  const mayHold = manifestMayHold(metadata, targets)
  const isNew = addedSince(request)
  const mayRemove = (manifest: ManifestFile) => targets.length > 0 && !isNew(manifest) && mayHold(manifest)
  const ofContent = (content: ManifestFile['content']) =>
    request.manifests.filter((manifest) => manifest.content === content)
  const data = await filterManifests(files, metadata, ofContent('data'), {
    snapshotId,
    mayRemove,
    removes: ({ file }) => removes(file),
    known,
  })
  const least = leastSequenceNumber(files, [...data.map((one) => one.manifest), ...request.added])
  const deletes = await filterManifests(files, metadata, ofContent('deletes'), {
    snapshotId,
    mayRemove: (manifest) => mayRemove(manifest) || isOlder(manifest.minSequenceNumber, least),
    removes: (entry: ManifestEntry) => removes(entry.file) || isOlder(entry.sequenceNumber, least),
    known,
    // How old the oldest data is may differ from attempt to attempt.
    variant: String(least),
  })
  return [...data, ...deletes]
}

/** Manifests with nothing but data files that came after what a rewrite read; without reading them. */
function addedSince({ metadata, change }: RemoveRequest): (manifest: ManifestFile) => boolean {
  const basis = change.kind === 'rewrite' ? snapshotById(metadata, change.basis) : undefined
  if (basis === undefined) return () => false
  return ({ content, existingFilesCount, sequenceNumber }) =>
    content === 'data' && existingFilesCount === 0 && sequenceNumber > basis['sequence-number']
}

/** Of all live data; added files without an own number take the commit's, which is above that of every delete file. */
function leastSequenceNumber(files: ManifestFiles, manifests: readonly ManifestFile[]): number {
  return manifests
    .filter((manifest) => manifest.content === 'data')
    .reduce((least, manifest) => Math.min(least, files.leastSequenceNumber(manifest)), Infinity)
}

/** Numbers of 0 come from v1 writers, where they say nothing. */
function isOlder(sequenceNumber: number, least: number): boolean {
  return sequenceNumber > 0 && sequenceNumber < least
}

async function removeListed(
  request: RemoveRequest,
  change: RowDelta | RewriteChange,
): Promise<readonly FilteredManifest[]> {
  const wanted = new Set(change.removed.map((file) => file.filePath))
  const removes = (file: DataFile) => {
    const named = referencedFile(file)
    return wanted.has(file.filePath) || (named !== undefined && wanted.has(named))
  }
  const result = await filter(request, change.removed, removes)
  for (const { removed } of result) for (const file of removed) wanted.delete(file.filePath)
  if (wanted.size > 0) throw gone(request, wanted)
  return result
}

/** Position deletes of a file that is gone would delete nothing: its rows live on elsewhere. */
async function checkPresent(request: RemoveRequest, change: RowDelta): Promise<void> {
  const { files, metadata } = request
  const wanted = new Set(change.deletedFrom.map((file) => file.filePath))
  const mayHold = manifestMayHold(metadata, change.deletedFrom)
  const candidates = request.manifests.filter((manifest) => manifest.content === 'data' && mayHold(manifest))
  for (const manifest of candidates) {
    for (const { status, file } of await files.entries(metadata, manifest)) {
      if (status !== 'deleted') wanted.delete(file.filePath)
    }
    if (wanted.size === 0) return
  }
  throw gone(request, wanted)
}

function gone({ table, change }: RemoveRequest, paths: ReadonlySet<string>): IcebergError {
  const [first = ''] = paths
  const others = paths.size > 1 ? ` and ${paths.size - 1} more` : ''
  const isRewrite = change.kind === 'rewrite'
  const advice = isRewrite ? 'plan again later' : 'compute the change again from the new state'
  return new IcebergError(
    'rebuild-needed',
    `${table}: ${first}${others} to be ${isRewrite ? 'replaced' : 'changed'} is no longer part of the table; ${advice}`,
    { context: { tables: [table], giveUp: isRewrite ? [table] : [], files: [...paths].slice(0, 10) } },
  )
}

function liesInPartitions(
  { table, metadata }: RemoveRequest,
  targets: readonly DataFile[],
): (file: DataFile) => boolean {
  const relation = partitionMatcher(metadata['partition-specs'], targets)
  return (file) => {
    const where = relation(file)
    if (where === 'straddles' && file.content === 'data') {
      throw new IcebergError(
        'commit-rejected',
        `${table}: ${file.filePath} of partition spec ${file.specId} may hold rows of a replaced partition and of others; compact the table to its current spec first`,
        { context: { table, file: file.filePath } },
      )
    }
    return where === 'inside'
  }
}
