import type { LoadedTable, TableCommit, TableIdentifier } from '../catalog/catalog.js'
import { formatIdentifier } from '../catalog/catalog.js'
import { IcebergError } from '../error.js'
import type { DataFile, ManifestFile } from '../spec/data-file.js'
import { headOf } from '../spec/refs.js'
import type { Operation, Snapshot, SnapshotId } from '../spec/snapshot.js'
import { NEVER_EXPIRES_MS } from '../spec/snapshot.js'
import type { TableRequirement, TableUpdate } from '../update/table-update.js'
import type { ClusteredManifests } from './cluster-manifests.js'
import { clusterManifests } from './cluster-manifests.js'
import type { FilteredManifest } from './filter-manifests.js'
import type { ManifestFiles } from './manifest-files.js'
import { mergeManifests } from './merge-manifests.js'
import type { PreparedChange } from './prepare-change.js'
import { removeFiles } from './remove-files.js'
import { snapshotSummary } from './summary.js'
import type { Change, TagChange, TagRename } from './table-change.js'

export interface StageOptions {
  readonly files: ManifestFiles
  /** Milliseconds since 1970. */
  readonly now: number
  readonly attempt: number
  readonly memo: StageMemo
}

/** Work on one table that the next attempt need not do again. */
export interface StageMemo {
  readonly filtered: Map<string, FilteredManifest>
  clustered?: ClusteredManifests
}

/** The head that a change is committed onto. A branch that does not exist starts at main's. */
export function baseOf({ metadata }: LoadedTable, branch: string): Snapshot | undefined {
  return metadata.refs[branch] === undefined ? headOf(metadata) : headOf(metadata, branch)
}

/** One attempt's commit of one table: a new snapshot on the branch's head, and the tags. */
export async function stageChange(
  prepared: PreparedChange,
  loaded: LoadedTable,
  options: StageOptions,
): Promise<TableCommit> {
  const { identifier, metadata } = loaded
  const {
    branch = 'main',
    tags = [],
    renames = [],
    snapshotId,
    stageOnly = false,
    picks,
    change,
  } = prepared.table
  const ref = metadata.refs[branch]
  const base = baseOf(loaded, branch)
  const snapshot =
    prepared.change.kind === 'none' ? undefined : await newSnapshot(prepared, loaded, base, options)
  const tagged = snapshot ?? base
  const updates: TableUpdate[] = picks === undefined ? [] : [...requireSnapshot(picks)]
  if (snapshot !== undefined) {
    updates.push({ action: 'add-snapshot', snapshot })
  }
  if (snapshot !== undefined && !stageOnly) {
    // A branch keeps its own retention.
    updates.push({
      action: 'set-snapshot-ref',
      'ref-name': branch,
      ...ref,
      type: 'branch',
      'snapshot-id': snapshotId,
    })
  }
  if (change.kind === 'set-head') {
    updates.push({
      action: 'set-snapshot-ref',
      'ref-name': 'main',
      ...ref,
      type: 'branch',
      'snapshot-id': change.to,
    })
  }
  updates.push(...renames.flatMap((rename) => renameUpdates(metadata, rename, options.now)))
  // An empty table has nothing to tag.
  if (tagged !== undefined) updates.push(...tags.map((tag) => tagUpdate(tag, tagged, options.now)))
  const named = renames.flatMap(({ from, name }) => [from, name])
  return {
    identifier,
    requirements: [
      ...requirementsOf(loaded, branch, tags),
      ...named.map((name) => requireRef(metadata, name)),
    ],
    updates,
  }
}

function renameUpdates(
  metadata: LoadedTable['metadata'],
  { from, ...tag }: TagRename,
  now: number,
): readonly TableUpdate[] {
  const snapshot = metadata.refs[from]?.type === 'tag' ? headOf(metadata, from) : undefined
  return snapshot === undefined
    ? []
    : [{ action: 'remove-snapshot-ref', 'ref-name': from }, tagUpdate(tag, snapshot, now)]
}

function requireRef({ refs }: LoadedTable['metadata'], ref: string): TableRequirement {
  return { type: 'assert-ref-snapshot-id', ref, 'snapshot-id': refs[ref]?.['snapshot-id'] ?? null }
}

/** Throws `commit-rejected` where a tag of a change is there already, which computing it again would not help. */
export function refuseTakenTags({ identifier, metadata }: LoadedTable, tags: readonly TagChange[]): void {
  for (const { name } of tags) {
    const taken = metadata.refs[name]
    if (taken === undefined) continue
    const at = String(taken['snapshot-id'])
    throw new IcebergError(
      'commit-rejected',
      `${formatIdentifier(identifier)} has a ${taken.type} ${name} already, at snapshot ${at}; choose another name or drop it`,
      { context: { table: formatIdentifier(identifier), tag: name, snapshotId: at } },
    )
  }
}

function requirementsOf(
  { metadata }: LoadedTable,
  branch: string,
  tags: readonly TagChange[],
): readonly TableRequirement[] {
  // A branch that does not exist yet starts at main, so main has to stand as well.
  const heads = branch in metadata.refs || branch === 'main' ? [branch] : [branch, 'main']
  return [
    { type: 'assert-table-uuid', uuid: metadata['table-uuid'] },
    ...heads.map((ref) => requireRef(metadata, ref)),
    ...tags.map(({ name }) => ({ type: 'assert-ref-snapshot-id', ref: name, 'snapshot-id': null }) as const),
  ]
}

/** No requirement asks whether a snapshot is there, but no ref can be set to one that is not, even for a moment. */
function requireSnapshot(id: SnapshotId): readonly TableUpdate[] {
  const name = `picking_${String(id)}`
  return [
    { action: 'set-snapshot-ref', 'ref-name': name, type: 'tag', 'snapshot-id': id },
    { action: 'remove-snapshot-ref', 'ref-name': name },
  ]
}

/** Refs age from their snapshot's time, not from when they were set. */
export function tagUpdate(tag: TagChange, snapshot: Snapshot, now: number): TableUpdate {
  const ageMs = Math.max(0, now - snapshot['timestamp-ms'])
  return {
    action: 'set-snapshot-ref',
    'ref-name': tag.name,
    type: 'tag',
    'snapshot-id': snapshot['snapshot-id'],
    'max-ref-age-ms': tag.retainMs === undefined ? NEVER_EXPIRES_MS : tag.retainMs + ageMs,
  }
}

/** Undefined where manifests are to be clustered that lie so already. */
async function newSnapshot(
  prepared: PreparedChange,
  loaded: LoadedTable,
  base: Snapshot | undefined,
  options: StageOptions,
): Promise<Snapshot | undefined> {
  const { files, now, attempt } = options
  const { identifier, metadata } = loaded
  requireWritable(identifier, metadata['format-version'])
  const { snapshotId, summary = {} } = prepared.table
  const existing = base === undefined ? [] : await files.list(metadata, base)
  // Manifests without live files are history of their own snapshot only.
  const live = existing.filter((manifest) => manifest.addedFilesCount + manifest.existingFilesCount !== 0)
  const next =
    prepared.change.kind === 'rewrite-manifests'
      ? await clustered(prepared.change, metadata, live, { ...options, snapshotId })
      : await changed(prepared, loaded, base, live, options)
  if (next === undefined) return undefined
  const sequenceNumber = metadata['last-sequence-number'] + 1
  const manifestList = files.writeList(metadata, {
    attempt,
    snapshotId,
    parentSnapshotId: base?.['snapshot-id'],
    sequenceNumber,
    manifests: next.manifests,
  })
  return {
    'snapshot-id': snapshotId,
    ...(base && { 'parent-snapshot-id': base['snapshot-id'] }),
    'sequence-number': sequenceNumber,
    'timestamp-ms': Math.max(now, metadata['last-updated-ms']),
    summary: snapshotSummary({
      operation: operationOf(prepared.change),
      added: prepared.added,
      removed: next.removed,
      ...(base?.summary && { previous: base.summary }),
      isFirst: base === undefined,
      replacesPartitions: prepared.change.kind === 'overwrite-partitions',
      properties: { ...summary, ...next.properties },
    }),
    'manifest-list': manifestList,
    'schema-id': metadata['current-schema-id'],
  }
}

interface NextManifests {
  readonly manifests: readonly ManifestFile[]
  readonly removed: readonly DataFile[]
  readonly properties?: Readonly<Record<string, string>>
}

async function changed(
  { change, table, manifests: added }: PreparedChange,
  { identifier, metadata }: LoadedTable,
  base: Snapshot | undefined,
  live: readonly ManifestFile[],
  { files, memo }: StageOptions,
): Promise<NextManifests> {
  const { snapshotId } = table
  const filtered = await removeFiles({
    files,
    metadata,
    table: formatIdentifier(identifier),
    change,
    snapshotId,
    base,
    manifests: live,
    added,
    filtered: memo.filtered,
  })
  const manifests = [...added, ...filtered.map((one) => one.manifest)]
  return {
    manifests: await mergeManifests(files, metadata, manifests, snapshotId),
    removed: filtered.flatMap((one) => one.removed),
  }
}

/** What others added since an earlier attempt is kept beside what that attempt wrote. */
async function clustered(
  { targetSizeBytes }: Change & { readonly kind: 'rewrite-manifests' },
  metadata: LoadedTable['metadata'],
  live: readonly ManifestFile[],
  { files, memo, snapshotId }: StageOptions & { readonly snapshotId: SnapshotId },
): Promise<NextManifests | undefined> {
  const paths = new Set(live.map((manifest) => manifest.manifestPath))
  if (memo.clustered === undefined || [...memo.clustered.replaced].some((path) => !paths.has(path))) {
    memo.clustered = await clusterManifests({
      files,
      metadata,
      manifests: live,
      snapshotId,
      ...(targetSizeBytes !== undefined && { targetSizeBytes }),
    })
  }
  const { created, replaced, entriesProcessed } = memo.clustered
  if (replaced.size === 0) return undefined
  const kept = live.filter((manifest) => !replaced.has(manifest.manifestPath))
  return {
    manifests: [...created, ...kept],
    removed: [],
    properties: {
      'manifests-created': String(created.length),
      'manifests-kept': String(kept.length),
      'manifests-replaced': String(replaced.size),
      'entries-processed': String(entriesProcessed),
    },
  }
}

function operationOf(change: Change): Operation {
  switch (change.kind) {
    case 'rewrite':
    case 'rewrite-manifests':
      return 'replace'
    case 'overwrite-partitions':
      return 'overwrite'
    case 'row-delta': {
      const removes = change.removed.length + change.deletes.length > 0
      if (!removes) return 'append'
      return change.added.length === 0 ? 'delete' : 'overwrite'
    }
    default:
      return 'append'
  }
}

function requireWritable(identifier: TableIdentifier, version: 1 | 2 | 3): void {
  if (version === 2) return
  const advice = version === 1 ? 'upgrade it to 2 first' : 'let another engine write it'
  throw new IcebergError(
    'unsupported',
    `${formatIdentifier(identifier)} is of format version ${version}, and only version 2 is written; ${advice}`,
    { context: { table: formatIdentifier(identifier), formatVersion: version } },
  )
}
