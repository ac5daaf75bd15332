import type { LoadedTable } from '../catalog/catalog.js'
import { formatIdentifier } from '../catalog/catalog.js'
import { assertNever, IcebergError } from '../error.js'
import { ancestorsOf, headOf, resolveTarget, snapshotById } from '../spec/refs.js'
import type { Snapshot, SnapshotId, SnapshotRef } from '../spec/snapshot.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import type { TableUpdate } from '../update/table-update.js'
import type { BranchRetention, RefChange, RefTarget } from './ref-change.js'
import { tagUpdate } from './stage-change.js'

export interface RefContext {
  readonly loaded: LoadedTable
  /** The table as the caller first saw it. */
  readonly seen: LoadedTable
  readonly now: number
}

/** What a ref change does to a table as it stands; nothing where it is done already. */
export function refUpdates(context: RefContext, change: RefChange): readonly TableUpdate[] {
  const { loaded, now } = context
  const { metadata } = loaded
  switch (change.kind) {
    case 'drop':
      if (change.name === 'main') throw notMain('dropped')
      return metadata.refs[change.name] === undefined
        ? []
        : [{ action: 'remove-snapshot-ref', 'ref-name': change.name }]
    case 'create-tag':
    case 'replace-tag': {
      if (change.name === 'main') throw notMain('a tag')
      const target = targetOf(loaded, change.name, change.snapshotId)
      return isDone(loaded, change, target, 'tag') ? [] : [tagUpdate(change, target, now)]
    }
    case 'create-branch':
    case 'replace-branch': {
      if (change.name === 'main' && (change.kind === 'create-branch' || change.snapshotId === undefined)) {
        throw notMain('created')
      }
      const target = targetOf(loaded, change.name, change.snapshotId)
      if (change.name === 'main') return moveBack(context, 'main', target)
      return isDone(loaded, change, target, 'branch')
        ? []
        : [branchUpdate(metadata, change.name, target, change)]
    }
    case 'set-retention': {
      const head = headOf(metadata, change.name)
      if (head === undefined) throw noRef(loaded, change.name)
      return [branchUpdate(metadata, change.name, head, change)]
    }
    case 'fast-forward':
      return fastForward(loaded, change.name, change.to)
    case 'rollback': {
      const name = change.name ?? 'main'
      return moveBack(context, name, rollbackTarget(context.seen, name, change.to))
    }
    case 'set-current':
      return moveBack(context, 'main', targetOf(loaded, 'main', change.snapshotId))
    default:
      return assertNever(change)
  }
}

/** Throws where the name is taken by another kind of ref, or at another snapshot by one that is to be created. */
function isDone(
  loaded: LoadedTable,
  change: RefChange & { readonly name: string },
  target: Snapshot,
  type: SnapshotRef['type'],
): boolean {
  const known = loaded.metadata.refs[change.name]
  const isCreation = change.kind === 'create-tag' || change.kind === 'create-branch'
  const isSame = known?.type === type && known['snapshot-id'] === target['snapshot-id']
  if (known !== undefined && (known.type !== type || (isCreation && !isSame)))
    throw refExists(loaded, change.name)
  return isCreation && isSame
}

function branchUpdate(
  metadata: TableMetadata,
  name: string,
  target: Snapshot,
  retention: BranchRetention = {},
): TableUpdate {
  const known = metadata.refs[name]
  if (name === 'main' && typeof retention.maxRefAgeMs === 'number') throw notMain('given an age')
  const kept = {
    'max-ref-age-ms': chosen(retention.maxRefAgeMs, known?.['max-ref-age-ms']),
    'min-snapshots-to-keep': chosen(retention.minSnapshotsToKeep, known?.['min-snapshots-to-keep']),
    'max-snapshot-age-ms': chosen(retention.maxSnapshotAgeMs, known?.['max-snapshot-age-ms']),
  }
  for (const [key, value] of Object.entries(kept)) {
    if (value !== undefined && value <= 0) {
      throw new IcebergError(
        'invalid-argument',
        `${key} of branch ${name} is ${value}; it has to be positive`,
      )
    }
  }
  return {
    action: 'set-snapshot-ref',
    'ref-name': name,
    type: 'branch',
    'snapshot-id': target['snapshot-id'],
    ...Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined)),
  }
}

function chosen<T>(wanted: number | null | undefined, known: T | undefined): number | T | undefined {
  return wanted === undefined ? known : (wanted ?? undefined)
}

function fastForward(loaded: LoadedTable, name: string, to: RefTarget): readonly TableUpdate[] {
  const { identifier, metadata } = loaded
  const target = 'ref' in to ? headOf(metadata, to.ref) : targetOf(loaded, name, to.snapshotId)
  if (target === undefined) throw noRef(loaded, 'ref' in to ? to.ref : name)
  const head = headOf(metadata, name)
  if (metadata.refs[name]?.type === 'tag') throw refExists(loaded, name)
  if (head !== undefined && isAncestor(metadata, target, head)) return []
  if (head !== undefined && !isAncestor(metadata, head, target)) {
    const table = formatIdentifier(identifier)
    const [from, where] = [String(head['snapshot-id']), String(target['snapshot-id'])]
    throw new IcebergError(
      'commit-rejected',
      `${table}: ${name} can't be fast-forwarded to ${where}, since its head ${from} is not an ancestor of that; cherry-pick instead`,
      { context: { table, ref: name, head: from, target: where } },
    )
  }
  return [branchUpdate(metadata, name, target)]
}

/** Never takes back what came after `seen`: its writers were told that it is there to stay. */
function moveBack({ loaded, seen }: RefContext, name: string, target: Snapshot): readonly TableUpdate[] {
  const { identifier, metadata } = loaded
  const head = headOf(metadata, name)
  const before = headOf(seen.metadata, name)
  if (head?.['snapshot-id'] === target['snapshot-id']) return []
  if (head === undefined || head['snapshot-id'] === before?.['snapshot-id']) {
    return [branchUpdate(metadata, name, target)]
  }
  // An earlier attempt, whose answer was lost, has happened, and others went on from there.
  if (before !== undefined && !isAncestor(metadata, before, head)) return []
  const table = formatIdentifier(identifier)
  throw new IcebergError(
    'commit-conflict',
    `${table}: ${name} got new commits while it was to be set to ${String(target['snapshot-id'])}; look at them and decide again`,
    { context: { table, ref: name, head: String(head['snapshot-id']) } },
  )
}

function rollbackTarget(
  loaded: LoadedTable,
  name: string,
  to: { readonly snapshotId: SnapshotId } | { readonly timestampMs: number },
): Snapshot {
  const { identifier, metadata } = loaded
  const target =
    'snapshotId' in to
      ? targetOf(loaded, name, to.snapshotId)
      : name === 'main'
        ? resolveTarget(metadata, { kind: 'timestamp', timestampMs: to.timestampMs })
        : ancestorAsOf(metadata, name, to.timestampMs)
  const head = headOf(metadata, name)
  if (head === undefined) throw noRef(loaded, name)
  if (target !== undefined && isAncestor(metadata, target, head)) return target
  const table = formatIdentifier(identifier)
  const wanted = target === undefined ? 'no snapshot of that time' : String(target['snapshot-id'])
  throw new IcebergError(
    'commit-rejected',
    `${table}: ${name} can't be rolled back to ${wanted}, which is not an ancestor of its head ${String(head['snapshot-id'])}; set it as current instead`,
    { context: { table, ref: name, target: wanted } },
  )
}

/** Only main has a log of its heads. */
function ancestorAsOf(metadata: TableMetadata, name: string, timestampMs: number): Snapshot | undefined {
  const head = headOf(metadata, name)
  const ancestors = head === undefined ? [] : [...ancestorsOf(metadata, head['snapshot-id'])]
  return ancestors.find((snapshot) => snapshot['timestamp-ms'] <= timestampMs)
}

/** Also of itself. */
export function isAncestor(metadata: TableMetadata, ancestor: Snapshot, of: Snapshot): boolean {
  for (const snapshot of ancestorsOf(metadata, of['snapshot-id'])) {
    if (snapshot['snapshot-id'] === ancestor['snapshot-id']) return true
  }
  return false
}

function targetOf({ identifier, metadata }: LoadedTable, name: string, snapshotId?: SnapshotId): Snapshot {
  const target = snapshotId === undefined ? headOf(metadata) : snapshotById(metadata, snapshotId)
  if (target !== undefined) return target
  const table = formatIdentifier(identifier)
  const reason = snapshotId === undefined ? 'the table is empty' : `it has no snapshot ${String(snapshotId)}`
  throw new IcebergError('not-found', `${table}: nothing to point ${name} to, ${reason}`, {
    context: { table, ref: name },
  })
}

function notMain(what: string): IcebergError {
  return new IcebergError(
    'invalid-argument',
    `main can't be ${what}: it is the branch of the table itself, and can only be moved to a snapshot`,
  )
}

function noRef({ identifier, metadata }: LoadedTable, name: string): IcebergError {
  const table = formatIdentifier(identifier)
  const known = Object.keys(metadata.refs).join(', ') || 'none'
  return new IcebergError('not-found', `${table} has no branch ${name}; it has ${known}`, {
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
