import type { Catalog, LoadedTable, TableCommit, TableIdentifier } from '../catalog/catalog.js'
import { formatIdentifier } from '../catalog/catalog.js'
import { assertNever, IcebergError, isIcebergError } from '../error.js'
import { headOf, snapshotById } from '../spec/refs.js'
import type { Snapshot, SnapshotId } from '../spec/snapshot.js'
import type { TableUpdate } from '../update/table-update.js'
import type { RetryOptions } from './retry.js'
import { backOffMs, retryPolicy } from './retry.js'
import { tagUpdate } from './stage-change.js'

/** A ref to set or drop. Without `snapshotId` it points to main's head. */
export type RefChange =
  /** The name must be free, or have this very target already. */
  | {
      readonly kind: 'create-tag'
      readonly name: string
      readonly snapshotId?: SnapshotId
      /** From now on. Absent: never expires. */
      readonly retainMs?: number
    }
  | {
      readonly kind: 'replace-tag'
      readonly name: string
      readonly snapshotId?: SnapshotId
      readonly retainMs?: number
    }
  | { readonly kind: 'create-branch'; readonly name: string; readonly snapshotId?: SnapshotId }
  /** On main: a rollback, which needs the `snapshotId`. */
  | { readonly kind: 'replace-branch'; readonly name: string; readonly snapshotId?: SnapshotId }
  /** Resolves also where there is no such ref. */
  | { readonly kind: 'drop'; readonly name: string }

export interface TableRefChanges {
  readonly identifier: TableIdentifier
  readonly changes: readonly RefChange[]
}

export interface RefOptions {
  readonly catalog: Catalog
  readonly tables: readonly TableRefChanges[]
  readonly now: () => number
  readonly newUuid: () => string
  readonly retry?: RetryOptions
}

/**
 * Creates, moves and drops tags and branches of many tables in one commit. Doing it twice is doing it once, so a lost
 * answer is simply asked again. Errors: `already-exists`, `not-found` (the snapshot, or an empty table's head), and those of
 * a commit.
 */
export async function changeRefs(options: RefOptions): Promise<readonly LoadedTable[]> {
  const identifiers = options.tables.map((table) => table.identifier)
  let loaded = await options.catalog.loadTables(identifiers)
  const policy = retryPolicy(options.retry ?? {}, loaded[0]?.metadata.properties ?? {})
  for (let attempt = 1; ; attempt++) {
    const now = options.now()
    const commits = options.tables.flatMap((table, at) => {
      const current = loaded[at]
      return current === undefined ? [] : [refCommit(current, table.changes, now)]
    })
    try {
      return await options.catalog.commit(commits)
    } catch (error) {
      const isTransient = isIcebergError(error, 'commit-conflict') || isIcebergError(error, 'commit-unknown')
      if (!isTransient || attempt >= policy.tries) throw error
    }
    await policy.sleep(backOffMs(policy, attempt, options.newUuid()))
    loaded = await options.catalog.loadTables(identifiers)
  }
}

function refCommit(loaded: LoadedTable, changes: readonly RefChange[], now: number): TableCommit {
  const { identifier, metadata } = loaded
  const names = [...new Set(changes.map((change) => change.name))]
  return {
    identifier,
    requirements: [
      { type: 'assert-table-uuid', uuid: metadata['table-uuid'] },
      ...names.map((name) => ({
        type: 'assert-ref-snapshot-id' as const,
        ref: name,
        'snapshot-id': metadata.refs[name]?.['snapshot-id'] ?? null,
      })),
    ],
    updates: changes.flatMap((change) => refUpdates(loaded, change, now)),
  }
}

function refUpdates(loaded: LoadedTable, change: RefChange, now: number): readonly TableUpdate[] {
  if (change.name === 'main' && !(change.kind === 'replace-branch' && change.snapshotId !== undefined)) {
    throw new IcebergError('invalid-argument', 'main can be set to a snapshot (a rollback), nothing else')
  }
  const known = loaded.metadata.refs[change.name]
  if (change.kind === 'drop') {
    return known === undefined ? [] : [{ action: 'remove-snapshot-ref', 'ref-name': change.name }]
  }
  const target = targetOf(loaded, change)
  const type = change.kind === 'create-tag' || change.kind === 'replace-tag' ? 'tag' : 'branch'
  const isSame = known?.type === type && known['snapshot-id'] === target['snapshot-id']
  switch (change.kind) {
    case 'create-tag':
    case 'create-branch':
      if (isSame) return []
      if (known !== undefined) throw refExists(loaded, change.name)
      break
    case 'replace-tag':
    case 'replace-branch':
      if (known !== undefined && known.type !== type) throw refExists(loaded, change.name)
      break
    default:
      return assertNever(change)
  }
  if (change.kind === 'create-tag' || change.kind === 'replace-tag') return [tagUpdate(change, target, now)]
  return [
    {
      action: 'set-snapshot-ref',
      'ref-name': change.name,
      ...known,
      type: 'branch',
      'snapshot-id': target['snapshot-id'],
    },
  ]
}

function targetOf(
  { identifier, metadata }: LoadedTable,
  { name, snapshotId }: { readonly name: string; readonly snapshotId?: SnapshotId },
): Snapshot {
  const target = snapshotId === undefined ? headOf(metadata) : snapshotById(metadata, snapshotId)
  if (target !== undefined) return target
  const table = formatIdentifier(identifier)
  const reason = snapshotId === undefined ? 'the table is empty' : `it has no snapshot ${String(snapshotId)}`
  throw new IcebergError('not-found', `${table}: nothing to point ${name} to, ${reason}`, {
    context: { table, ref: name },
  })
}

function refExists({ identifier, metadata }: LoadedTable, name: string): IcebergError {
  const table = formatIdentifier(identifier)
  const known = metadata.refs[name]
  const at = String(known?.['snapshot-id'])
  return new IcebergError(
    'already-exists',
    `${table} has a ${known?.type ?? 'ref'} ${name} already, at snapshot ${at}; drop it or choose another name`,
    { context: { table, ref: name, snapshotId: at } },
  )
}
