import type { Catalog, LoadedTable, TableIdentifier } from '../catalog/catalog.js'
import { formatIdentifier } from '../catalog/catalog.js'
import { IcebergError, isIcebergError } from '../error.js'
import { ancestorsOf, headOf, snapshotById } from '../spec/refs.js'
import type { Snapshot, SnapshotId } from '../spec/snapshot.js'
import { changesOf } from './changes-since.js'
import { ManifestFiles } from './manifest-files.js'
import { isAncestor } from './ref-updates.js'
import type { RetryOptions } from './retry.js'
import { backOffMs, retryPolicy } from './retry.js'
import type { Change, CommittedTable } from './table-change.js'
import { commitTransaction } from './transaction.js'

/** Which snapshot to publish onto which branch. */
export interface CherryPickOptions {
  readonly catalog: Catalog
  readonly identifier: TableIdentifier
  /** What to publish, usually a staged snapshot. */
  readonly sourceId: SnapshotId
  /** Default `main`. */
  readonly branch?: string
  /** Of the snapshot that is made where the branch has moved on; survives retries. */
  readonly snapshotId: SnapshotId
  readonly summary?: Readonly<Record<string, string>>
  readonly now: () => number
  readonly newUuid: () => string
  readonly retry?: RetryOptions
}

/**
 * Publishes a snapshot on a branch: by moving the branch to it where it was made from the head, else by doing again what it
 * did, an append or a dynamic overwrite under its own conflict rules. Errors: `already-exists` where it, or another snapshot
 * of its `wap.id`, is published already; `not-found`; `commit-rejected` where it can't be done again; `rebuild-needed`; those
 * of a commit.
 */
export async function cherryPick(options: CherryPickOptions): Promise<CommittedTable> {
  const { catalog, identifier, sourceId, branch = 'main', snapshotId } = options
  let loaded = await catalog.loadTable(identifier)
  const policy = retryPolicy(options.retry ?? {}, loaded.metadata.properties)
  let isMaybeDone = false
  for (let attempt = 1; ; attempt++) {
    const { metadata } = loaded
    const source = sourceOf(loaded, sourceId)
    const head = headOf(metadata, branch)
    if (isMaybeDone && head !== undefined && isAncestor(metadata, source, head)) {
      return { identifier, snapshotId: sourceId, table: loaded }
    }
    if (snapshotById(metadata, snapshotId) === undefined) checkUnpublished(loaded, branch, source)
    if (source['parent-snapshot-id'] !== head?.['snapshot-id']) return reapply(options, loaded, source)
    try {
      const [table = loaded] = await catalog.commit([moveCommit(loaded, branch, source)])
      return { identifier, snapshotId: sourceId, table }
    } catch (error) {
      const isTransient = isIcebergError(error, 'commit-conflict') || isIcebergError(error, 'commit-unknown')
      if (!isTransient || attempt >= policy.tries) throw error
      isMaybeDone ||= error.kind === 'commit-unknown'
    }
    await policy.sleep(backOffMs(policy, attempt, options.newUuid()))
    loaded = await catalog.loadTable(identifier)
  }
}

function moveCommit({ identifier, metadata }: LoadedTable, branch: string, source: Snapshot) {
  const ref = metadata.refs[branch]
  return {
    identifier,
    requirements: [
      { type: 'assert-table-uuid', uuid: metadata['table-uuid'] },
      { type: 'assert-ref-snapshot-id', ref: branch, 'snapshot-id': ref?.['snapshot-id'] ?? null },
    ],
    updates: [
      {
        action: 'set-snapshot-ref',
        'ref-name': branch,
        ...ref,
        type: 'branch',
        'snapshot-id': source['snapshot-id'],
      },
    ],
  } as const
}

async function reapply(
  options: CherryPickOptions,
  loaded: LoadedTable,
  source: Snapshot,
): Promise<CommittedTable> {
  const { catalog, identifier, sourceId } = options
  try {
    return await commitAgain(options, loaded, source)
  } catch (error) {
    // It may have expired meanwhile, and its files are gone with it.
    if (isIcebergError(error, 'commit-rejected')) sourceOf(await catalog.loadTable(identifier), sourceId)
    throw error
  }
}

async function commitAgain(
  options: CherryPickOptions,
  loaded: LoadedTable,
  source: Snapshot,
): Promise<CommittedTable> {
  const { catalog, identifier, branch = 'main', now, newUuid, retry, sourceId } = options
  const wapId = source.summary?.['wap.id']
  const result = await commitTransaction({
    catalog,
    now,
    newUuid,
    ...(retry && { retry }),
    changes: [
      {
        identifier,
        branch,
        change: await changeOf(catalog, loaded, source),
        snapshotId: options.snapshotId,
        picks: sourceId,
        summary: {
          ...options.summary,
          'source-snapshot-id': String(sourceId),
          ...(wapId !== undefined && { 'published-wap-id': wapId }),
        },
      },
    ],
    // Another process may be publishing the same.
    beforeAttempt: ([table]) => {
      if (table !== undefined) checkUnpublished(table, branch, source)
      return Promise.resolve(undefined)
    },
  })
  const committed = result.kind === 'committed' ? result.tables[0] : undefined
  return committed ?? { identifier, table: loaded }
}

async function changeOf(catalog: Catalog, loaded: LoadedTable, source: Snapshot): Promise<Change> {
  const { metadata, identifier } = loaded
  const { added } = await changesOf(new ManifestFiles(catalog.io, () => ''), metadata, source)
  const operation = source.summary?.operation
  const replaces = source.summary?.['replace-partitions']
  const isDataOnly = added.every((file) => file.content === 'data')
  if (operation === 'append' && isDataOnly) return { kind: 'append', files: added }
  if (operation === 'overwrite' && replaces === 'true' && isDataOnly) {
    return { kind: 'overwrite-partitions', files: added, basis: source['parent-snapshot-id'] ?? null }
  }
  const table = formatIdentifier(identifier)
  const id = String(source['snapshot-id'])
  throw new IcebergError(
    'commit-rejected',
    `${table}: snapshot ${id} (${operation ?? 'of no operation'}) can't be picked, since the branch has moved on since it was made; only appends and dynamic overwrites can be done again: make the change anew`,
    { context: { table, snapshotId: id } },
  )
}

function sourceOf({ identifier, metadata }: LoadedTable, id: SnapshotId): Snapshot {
  const source = snapshotById(metadata, id)
  if (source !== undefined) return source
  const table = formatIdentifier(identifier)
  throw new IcebergError(
    'not-found',
    `${table} has no snapshot ${String(id)} to pick; it may have expired, or its write never happened`,
    { context: { table, snapshotId: String(id) } },
  )
}

function checkUnpublished({ identifier, metadata }: LoadedTable, branch: string, source: Snapshot): void {
  const head = headOf(metadata, branch)
  if (head === undefined) return
  const id = source['snapshot-id']
  const wapId = source.summary?.['wap.id']
  for (const known of ancestorsOf(metadata, head['snapshot-id'])) {
    const { summary } = known
    const isSource = known['snapshot-id'] === id || summary?.['source-snapshot-id'] === String(id)
    const isSameWork =
      wapId !== undefined && (summary?.['wap.id'] === wapId || summary?.['published-wap-id'] === wapId)
    if (!isSource && !isSameWork) continue
    const table = formatIdentifier(identifier)
    const what = isSource ? `snapshot ${String(id)}` : `wap.id ${String(wapId)}`
    throw new IcebergError(
      'already-exists',
      `${table}: ${what} is published on ${branch} already, by snapshot ${String(known['snapshot-id'])}`,
      { context: { table, snapshotId: String(known['snapshot-id']), wapId } },
    )
  }
}
