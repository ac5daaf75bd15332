import { assertNever, IcebergError } from '../error.js'
import { stringifyJson } from '../spec/json.js'
import type { PartitionSpec, SortOrder } from '../spec/partition-spec.js'
import { highestFieldId } from '../spec/schema.js'
import type { Snapshot, SnapshotId, SnapshotRef } from '../spec/snapshot.js'
import type { MetadataLogEntry, SnapshotLogEntry, TableMetadata } from '../spec/table-metadata.js'
import type { Schema } from '../spec/type.js'
import type { TableUpdate } from './table-update.js'

const PREVIOUS_VERSIONS_MAX = 'write.metadata.previous-versions-max'

export interface ApplyOptions {
  /** Milliseconds since 1970. */
  readonly now: number
  /** Where `metadata` lies: it enters the new document's metadata log. */
  readonly metadataLocation?: string
}

/**
 * The table's next metadata. Gives back `metadata` itself where the updates change nothing.
 * Errors: `commit-rejected` for an update that is not valid, `commit-conflict` where a snapshot's sequence number is taken.
 */
export function applyUpdates(
  metadata: TableMetadata,
  updates: readonly TableUpdate[],
  options: ApplyOptions,
): TableMetadata {
  // A table's clock never runs backwards: readers refuse logs that do.
  const nowMs = Math.max(options.now, metadata['last-updated-ms'])
  const draft: Draft = { metadata, nowMs, added: new Set(), touchedMs: undefined }
  for (const update of updates) applyUpdate(draft, update)
  if (draft.metadata === metadata) return metadata
  const next = {
    ...draft.metadata,
    'last-updated-ms': draft.touchedMs ?? nowMs,
    'snapshot-log': prunedSnapshotLog(draft),
  }
  return options.metadataLocation === undefined ? next : logged(next, metadata, options.metadataLocation)
}

/** What `applyUpdates` builds on. The last added ids resolve the wire's -1. */
interface Draft {
  metadata: TableMetadata
  readonly nowMs: number
  readonly added: Set<SnapshotId>
  touchedMs: number | undefined
  lastSchemaId?: number
  lastSpecId?: number
  lastSortOrderId?: number
}

function applyUpdate(draft: Draft, update: TableUpdate): void {
  switch (update.action) {
    case 'assign-uuid':
      change(draft, { 'table-uuid': update.uuid.toLowerCase() })
      break
    case 'upgrade-format-version':
      upgrade(draft, update['format-version'])
      break
    case 'add-schema':
      addSchema(draft, update.schema, update['last-column-id'])
      break
    case 'set-current-schema':
      setCurrentSchema(draft, update['schema-id'])
      break
    case 'add-spec':
      addSpec(draft, update.spec)
      break
    case 'set-default-spec':
      setDefaultSpec(draft, update['spec-id'])
      break
    case 'add-sort-order':
      addSortOrder(draft, update['sort-order'])
      break
    case 'set-default-sort-order':
      setDefaultSortOrder(draft, update['sort-order-id'])
      break
    case 'add-snapshot':
      addSnapshot(draft, update.snapshot)
      break
    case 'set-snapshot-ref': {
      const { 'ref-name': name, ...fields } = update
      setRef(draft, name, without(fields, 'action'))
      break
    }
    case 'remove-snapshots':
      removeSnapshots(draft, new Set(update['snapshot-ids']))
      break
    case 'remove-snapshot-ref':
      removeRef(draft, update['ref-name'])
      break
    case 'set-location':
      change(draft, { location: update.location.replace(/\/+$/, '') })
      break
    case 'set-properties':
      change(draft, { properties: { ...draft.metadata.properties, ...update.updates } })
      break
    case 'remove-properties':
      removeProperties(draft, update.removals)
      break
    case 'remove-schemas':
      removeSchemas(draft, new Set(update['schema-ids']))
      break
    case 'remove-partition-specs':
      removeSpecs(draft, new Set(update['spec-ids']))
      break
    case 'set-statistics':
    case 'remove-statistics':
    case 'set-partition-statistics':
    case 'remove-partition-statistics':
      changeStatistics(draft, update)
      break
    default:
      return assertNever(update)
  }
}

function change(draft: Draft, changes: Partial<TableMetadata>): void {
  draft.metadata = { ...draft.metadata, ...changes }
}

function upgrade(draft: Draft, version: 1 | 2 | 3): void {
  const current = draft.metadata['format-version']
  if (version < current) reject(`the table has format version ${current}; it can't go back to ${version}`)
  if (version === current) return
  // Rows of version 3 have ids, which are given out from here.
  const rowIds = version === 3 ? { 'next-row-id': 0 } : {}
  change(draft, { 'format-version': version, ...rowIds })
}

function addSchema(draft: Draft, schema: Schema, lastColumnId?: number): void {
  const { schemas } = draft.metadata
  const same = schemas.find((known) => sameJson({ ...schema, 'schema-id': known['schema-id'] }, known))
  const id = same?.['schema-id'] ?? 1 + Math.max(-1, ...schemas.map((known) => known['schema-id']))
  draft.lastSchemaId = id
  if (same !== undefined) return
  change(draft, {
    schemas: [...schemas, { ...schema, 'schema-id': id }],
    'last-column-id': Math.max(draft.metadata['last-column-id'], highestFieldId(schema), lastColumnId ?? 0),
  })
}

function setCurrentSchema(draft: Draft, wanted: number): void {
  const id = resolveLast(wanted, draft.lastSchemaId, 'schema')
  if (!draft.metadata.schemas.some((schema) => schema['schema-id'] === id)) reject(`there is no schema ${id}`)
  if (id !== draft.metadata['current-schema-id']) change(draft, { 'current-schema-id': id })
}

function addSpec(draft: Draft, given: PartitionSpec): void {
  const specs = draft.metadata['partition-specs']
  const spec = withFieldIds(draft.metadata, given)
  const same = specs.find((known) => sameJson(known.fields, spec.fields))
  const id = same?.['spec-id'] ?? 1 + Math.max(-1, ...specs.map((known) => known['spec-id']))
  draft.lastSpecId = id
  if (same !== undefined) return
  change(draft, {
    'partition-specs': [...specs, { ...spec, 'spec-id': id }],
    'last-partition-id': Math.max(
      draft.metadata['last-partition-id'],
      ...spec.fields.map((field) => field['field-id']),
    ),
  })
}

/** Fields without an id of their own (-1) get that of the same field in another spec, else the next free one. */
function withFieldIds(metadata: TableMetadata, spec: PartitionSpec): PartitionSpec {
  if (spec.fields.every((field) => field['field-id'] >= 0)) return spec
  const known = metadata['partition-specs'].flatMap((other) => other.fields)
  let last = Math.max(metadata['last-partition-id'], ...spec.fields.map((field) => field['field-id']))
  const fields = spec.fields.map((field) => {
    if (field['field-id'] >= 0) return field
    const same = known.find(
      (other) => other['source-id'] === field['source-id'] && other.transform === field.transform,
    )
    return { ...field, 'field-id': same?.['field-id'] ?? ++last }
  })
  return { ...spec, fields }
}

function setDefaultSpec(draft: Draft, wanted: number): void {
  const id = resolveLast(wanted, draft.lastSpecId, 'partition spec')
  if (!draft.metadata['partition-specs'].some((spec) => spec['spec-id'] === id)) {
    reject(`there is no partition spec ${id}`)
  }
  if (id !== draft.metadata['default-spec-id']) change(draft, { 'default-spec-id': id })
}

function addSortOrder(draft: Draft, order: SortOrder): void {
  const orders = draft.metadata['sort-orders']
  const same = orders.find((known) => sameJson(known.fields, order.fields))
  // 0 is the unsorted order's own id.
  const fresh = order.fields.length === 0 ? 0 : 1 + Math.max(0, ...orders.map((known) => known['order-id']))
  const id = same?.['order-id'] ?? fresh
  draft.lastSortOrderId = id
  if (same === undefined) change(draft, { 'sort-orders': [...orders, { ...order, 'order-id': id }] })
}

function setDefaultSortOrder(draft: Draft, wanted: number): void {
  const id = resolveLast(wanted, draft.lastSortOrderId, 'sort order')
  if (!draft.metadata['sort-orders'].some((order) => order['order-id'] === id)) {
    reject(`there is no sort order ${id}`)
  }
  if (id !== draft.metadata['default-sort-order-id']) change(draft, { 'default-sort-order-id': id })
}

function resolveLast(wanted: number, last: number | undefined, what: string): number {
  if (wanted !== -1) return wanted
  return last ?? reject(`-1 means the ${what} added last, but this commit adds none`)
}

function addSnapshot(draft: Draft, snapshot: Snapshot): void {
  const { metadata } = draft
  const id = snapshot['snapshot-id']
  if (metadata.snapshots.some((known) => known['snapshot-id'] === id)) {
    reject(`snapshot ${String(id)} exists already`)
  }
  // Version 1 has no sequence numbers, and a commit that begins main anew may have been staged on an older table.
  const isFresh = snapshot['parent-snapshot-id'] === undefined && metadata.refs['main'] === undefined
  const isTaken = snapshot['sequence-number'] <= metadata['last-sequence-number']
  if (isTaken && !isFresh && metadata['format-version'] > 1) {
    throw new IcebergError(
      'commit-conflict',
      `sequence number ${snapshot['sequence-number']} is taken, the table is at ${metadata['last-sequence-number']}; stage again`,
      { context: { snapshotId: String(id) } },
    )
  }
  draft.added.add(id)
  draft.touchedMs = Math.max(snapshot['timestamp-ms'], draft.touchedMs ?? metadata['last-updated-ms'])
  change(draft, {
    snapshots: [...metadata.snapshots, snapshot],
    'last-sequence-number': Math.max(snapshot['sequence-number'], metadata['last-sequence-number']),
    ...(metadata['format-version'] < 3 ? {} : { 'next-row-id': nextRowId(metadata, snapshot) }),
  })
}

/** Where the ids of a v3 snapshot's rows end. Those of its first manifest start at or after the last one's end. */
function nextRowId(metadata: TableMetadata, snapshot: Snapshot): number | bigint {
  const { 'first-row-id': first, 'added-rows': added } = snapshot
  const next = metadata['next-row-id'] ?? 0
  if (first === undefined || added === undefined)
    return reject('a snapshot of format version 3 says first-row-id and added-rows')
  if (BigInt(first) < BigInt(next)) {
    throw new IcebergError(
      'commit-conflict',
      `row ids from ${first} are taken, the table is at ${next}; stage again`,
      { context: { snapshotId: String(snapshot['snapshot-id']) } },
    )
  }
  const end = BigInt(next) + BigInt(added)
  return end <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(end) : end
}

function setRef(draft: Draft, name: string, ref: SnapshotRef): void {
  const { metadata } = draft
  const id = ref['snapshot-id']
  const snapshot = metadata.snapshots.find((known) => known['snapshot-id'] === id)
  if (snapshot === undefined)
    return reject(`ref ${name} can't point to snapshot ${String(id)}: it does not exist`)
  if (name === 'main' && ref.type !== 'branch') reject('main is a branch, it cannot become a tag')
  // A branch may be called `constructor`, which every object has.
  const known = Object.hasOwn(metadata.refs, name) ? metadata.refs[name] : undefined
  if (known !== undefined && known.type !== ref.type)
    reject(`ref ${name} is a ${known.type}, not a ${ref.type}`)
  if (known !== undefined && sameRef(known, ref)) return
  change(draft, { refs: { ...metadata.refs, [name]: ref } })
  if (name !== 'main' || metadata['current-snapshot-id'] === id) return
  const timestampMs = draft.added.has(id) ? snapshot['timestamp-ms'] : draft.nowMs
  change(draft, {
    'current-snapshot-id': id,
    'snapshot-log': [...metadata['snapshot-log'], { 'snapshot-id': id, 'timestamp-ms': timestampMs }],
  })
}

function sameRef(left: SnapshotRef, right: SnapshotRef): boolean {
  return (
    left['snapshot-id'] === right['snapshot-id'] &&
    left.type === right.type &&
    left['max-ref-age-ms'] === right['max-ref-age-ms'] &&
    left['max-snapshot-age-ms'] === right['max-snapshot-age-ms'] &&
    left['min-snapshots-to-keep'] === right['min-snapshots-to-keep']
  )
}

function removeRef(draft: Draft, name: string): void {
  if (!Object.hasOwn(draft.metadata.refs, name)) return
  change(draft, { refs: without(draft.metadata.refs, name) })
  if (name === 'main') dropCurrentSnapshot(draft)
}

function dropCurrentSnapshot(draft: Draft): void {
  draft.metadata = without(draft.metadata, 'current-snapshot-id')
}

/** A snapshot that a ref holds stays: a tag may have been set since the removal was planned. */
function removeSnapshots(draft: Draft, removed: ReadonlySet<SnapshotId>): void {
  const { metadata } = draft
  const held = Object.entries(metadata.refs).find(([, ref]) => removed.has(ref['snapshot-id']))
  if (held !== undefined) {
    const [ref, { 'snapshot-id': id }] = held
    throw new IcebergError(
      'commit-conflict',
      `${ref} holds snapshot ${String(id)}, so it can't be removed; plan again, or drop the ref first`,
      { context: { ref, snapshotId: String(id) } },
    )
  }
  const snapshots = metadata.snapshots.filter((snapshot) => !removed.has(snapshot['snapshot-id']))
  if (snapshots.length === metadata.snapshots.length) return
  const keeps = (entry: { readonly 'snapshot-id': SnapshotId }) => !removed.has(entry['snapshot-id'])
  change(draft, {
    snapshots,
    ...(metadata.statistics && { statistics: metadata.statistics.filter(keeps) }),
    ...(metadata['partition-statistics'] && {
      'partition-statistics': metadata['partition-statistics'].filter(keeps),
    }),
  })
}

function without<T extends object, K extends keyof T>(object: T, key: K): Omit<T, K> {
  const copy = { ...object }
  Reflect.deleteProperty(copy, key)
  return copy
}

function removeProperties(draft: Draft, removals: readonly string[]): void {
  const gone = new Set(removals)
  const kept = Object.entries(draft.metadata.properties).filter(([key]) => !gone.has(key))
  if (kept.length === Object.keys(draft.metadata.properties).length) return
  change(draft, { properties: Object.fromEntries(kept) })
}

function removeSchemas(draft: Draft, removed: ReadonlySet<number>): void {
  const { schemas, 'current-schema-id': current } = draft.metadata
  if (removed.has(current)) reject(`schema ${current} is the current one, it can't be removed`)
  const kept = schemas.filter((schema) => !removed.has(schema['schema-id']))
  if (kept.length < schemas.length) change(draft, { schemas: kept })
}

function removeSpecs(draft: Draft, removed: ReadonlySet<number>): void {
  const { 'partition-specs': specs, 'default-spec-id': current } = draft.metadata
  if (removed.has(current)) reject(`partition spec ${current} is the default, it can't be removed`)
  const kept = specs.filter((spec) => !removed.has(spec['spec-id']))
  if (kept.length < specs.length) change(draft, { 'partition-specs': kept })
}

/** One file of each kind a snapshot. */
function changeStatistics(
  draft: Draft,
  update: TableUpdate & { readonly action: `${'set' | 'remove'}-${string}statistics` },
): void {
  const key = update.action.endsWith('partition-statistics') ? 'partition-statistics' : 'statistics'
  const file =
    'statistics' in update
      ? update.statistics
      : 'partition-statistics' in update
        ? update['partition-statistics']
        : undefined
  const id = file?.['snapshot-id'] ?? ('snapshot-id' in update ? update['snapshot-id'] : undefined)
  const known = draft.metadata[key] ?? []
  const others = known.filter((one) => one['snapshot-id'] !== id)
  if (file !== undefined || others.length < known.length) {
    change(draft, { [key]: file === undefined ? others : [...others, file] })
  }
}

/**
 * A log with gaps would answer "as of" wrongly, so what precedes a removed snapshot's entry goes too. Snapshots that one
 * commit added and left again were never current for anybody.
 */
function prunedSnapshotLog(draft: Draft): readonly SnapshotLogEntry[] {
  const log = draft.metadata['snapshot-log']
  const known = new Set(draft.metadata.snapshots.map((snapshot) => snapshot['snapshot-id']))
  const current = draft.metadata['current-snapshot-id']
  const lasting = log.filter(({ 'snapshot-id': id }) => !(draft.added.has(id) && id !== current))
  const gap = lasting.findLastIndex((entry) => !known.has(entry['snapshot-id']))
  return gap === -1 && lasting.length === log.length ? log : lasting.slice(gap + 1)
}

function logged(next: TableMetadata, previous: TableMetadata, location: string): TableMetadata {
  const text = next.properties[PREVIOUS_VERSIONS_MAX]
  const parsed = text === undefined ? 100 : Number.parseInt(text, 10)
  const max = Number.isNaN(parsed) ? 100 : Math.max(1, parsed)
  const entry: MetadataLogEntry = { 'metadata-file': location, 'timestamp-ms': previous['last-updated-ms'] }
  return { ...next, 'metadata-log': [...previous['metadata-log'], entry].slice(-max) }
}

function sameJson(left: unknown, right: unknown): boolean {
  return stringifyJson(sortKeys(left)) === stringifyJson(sortKeys(right))
}

/** Schemas and specs hold no 64-bit integers but in defaults, which count as different. */
function sortKeys(value: unknown): unknown {
  if (typeof value === 'bigint') return { bigint: String(value) }
  if (Array.isArray(value)) return value.map(sortKeys)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, child]) => [key, sortKeys(child)]),
  )
}

function reject(reason: string): never {
  throw new IcebergError('commit-rejected', `the commit is not valid: ${reason}`)
}
