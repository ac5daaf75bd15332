import { IcebergError } from '../error.js'
import {
  asNumber,
  asObject,
  asObjects,
  asString,
  asStringMap,
  asStrings,
  type Json,
} from '../spec/json-value.js'
import { stringifyJson } from '../spec/json.js'
import { snapshotIdOrNone, snapshotOf, withSnapshotId } from '../spec/metadata-json.js'
import type { PartitionField, PartitionSpec, SortField, SortOrder } from '../spec/partition-spec.js'
import { parseSchema } from '../spec/schema-json.js'
import type { SnapshotId, SnapshotRef } from '../spec/snapshot.js'
import type { StatisticsFile } from '../spec/table-metadata.js'
import type { TableRequirement, TableUpdate } from './table-update.js'

/**
 * An update of a commit, from what `parseJson` gave; `stringifyJson` writes one as it is. Throws `data-invalid` where it is
 * damaged, `unsupported` for an action that this library does not know.
 */
export function parseTableUpdate(document: unknown): TableUpdate {
  const update = asObject(document, 'an update')
  const action = asString(update['action'], 'the action of an update')
  if (Object.hasOwn(UPDATES, action)) return UPDATES[action as TableUpdate['action']](update)
  throw new IcebergError('unsupported', `there is no table update ${stringifyJson(action)} here`, {
    context: { action, known: Object.keys(UPDATES) },
  })
}

export function parseTableRequirement(document: unknown): TableRequirement {
  const requirement = asObject(document, 'a requirement')
  const type = asString(requirement['type'], 'the type of a requirement')
  if (Object.hasOwn(REQUIREMENTS, type)) return REQUIREMENTS[type as TableRequirement['type']](requirement)
  throw new IcebergError('unsupported', `there is no table requirement ${stringifyJson(type)} here`, {
    context: { type, known: Object.keys(REQUIREMENTS) },
  })
}

/** A field that says no id of its own gets -1: whoever adds the spec assigns one. */
export function parsePartitionSpec(document: unknown): PartitionSpec {
  const spec = asObject(document, 'a partition spec')
  const fields = asObjects(spec['fields'], 'the fields of a partition spec').map((field) => {
    asNumber(field['source-id'], 'the source-id of a partition field')
    asNumber(field['field-id'] ?? -1, 'the field-id of a partition field')
    asString(field['name'], 'the name of a partition field')
    asString(field['transform'], 'the transform of a partition field')
    return { 'field-id': -1, ...field } as unknown as PartitionField
  })
  return { ...spec, 'spec-id': asNumber(spec['spec-id'] ?? 0, 'spec-id'), fields }
}

export function parseSortOrder(document: unknown): SortOrder {
  const order = asObject(document, 'a sort order')
  const fields = asObjects(order['fields'], 'the fields of a sort order').map((field) => {
    asNumber(field['source-id'], 'the source-id of a sort field')
    asString(field['transform'], 'the transform of a sort field')
    oneOf(field['direction'], ['asc', 'desc'], 'the direction of a sort field')
    oneOf(field['null-order'], ['nulls-first', 'nulls-last'], 'the null-order of a sort field')
    return field as unknown as SortField
  })
  return { ...order, 'order-id': asNumber(order['order-id'] ?? 0, 'order-id'), fields }
}

type Readers<Union, Tag extends string> = {
  readonly [K in Tag]: (document: Json) => Union
}

const UPDATES: Readers<TableUpdate, TableUpdate['action']> = {
  'assign-uuid': (update) => ({ action: 'assign-uuid', uuid: asString(update['uuid'], 'uuid') }),
  'upgrade-format-version': (update) => ({
    action: 'upgrade-format-version',
    'format-version': formatVersion(update['format-version']),
  }),
  'add-schema': (update) => ({
    action: 'add-schema',
    schema: parseSchema(update['schema']),
    ...(update['last-column-id'] === undefined
      ? {}
      : { 'last-column-id': asNumber(update['last-column-id'], 'last-column-id') }),
  }),
  'set-current-schema': (update) => ({
    action: 'set-current-schema',
    'schema-id': asNumber(update['schema-id'], 'schema-id'),
  }),
  'add-spec': (update) => ({ action: 'add-spec', spec: parsePartitionSpec(update['spec']) }),
  'set-default-spec': (update) => ({
    action: 'set-default-spec',
    'spec-id': asNumber(update['spec-id'], 'spec-id'),
  }),
  'add-sort-order': (update) => ({
    action: 'add-sort-order',
    'sort-order': parseSortOrder(update['sort-order']),
  }),
  'set-default-sort-order': (update) => ({
    action: 'set-default-sort-order',
    'sort-order-id': asNumber(update['sort-order-id'], 'sort-order-id'),
  }),
  'add-snapshot': (update) => ({ action: 'add-snapshot', snapshot: snapshotOf(update['snapshot']) }),
  'set-snapshot-ref': (update) => ({
    action: 'set-snapshot-ref',
    'ref-name': asString(update['ref-name'], 'ref-name'),
    ...refOf(update),
  }),
  'remove-snapshots': (update) => ({
    action: 'remove-snapshots',
    'snapshot-ids': asSnapshotIds(update['snapshot-ids']),
  }),
  'remove-snapshot-ref': (update) => ({
    action: 'remove-snapshot-ref',
    'ref-name': asString(update['ref-name'], 'ref-name'),
  }),
  'set-location': (update) => ({
    action: 'set-location',
    location: asString(update['location'], 'location'),
  }),
  // Java's older clients say `updated` and `removed`.
  'set-properties': (update) => ({
    action: 'set-properties',
    updates: asStringMap(asObject(update['updates'] ?? update['updated'], 'updates'), 'updates'),
  }),
  'remove-properties': (update) => ({
    action: 'remove-properties',
    removals: asStrings(update['removals'] ?? update['removed'], 'removals'),
  }),
  'remove-schemas': (update) => ({
    action: 'remove-schemas',
    'schema-ids': asNumbers(update['schema-ids'], 'schema-ids'),
  }),
  'remove-partition-specs': (update) => ({
    action: 'remove-partition-specs',
    'spec-ids': asNumbers(update['spec-ids'], 'spec-ids'),
  }),
  'set-statistics': (update) => ({
    action: 'set-statistics',
    statistics: statisticsOf(update['statistics'], 'statistics'),
  }),
  'remove-statistics': (update) => ({
    action: 'remove-statistics',
    'snapshot-id': withSnapshotId(update)['snapshot-id'],
  }),
  'set-partition-statistics': (update) => ({
    action: 'set-partition-statistics',
    'partition-statistics': statisticsOf(update['partition-statistics'], 'partition-statistics'),
  }),
  'remove-partition-statistics': (update) => ({
    action: 'remove-partition-statistics',
    'snapshot-id': withSnapshotId(update)['snapshot-id'],
  }),
}

const REQUIREMENTS: Readers<TableRequirement, TableRequirement['type']> = {
  'assert-create': () => ({ type: 'assert-create' }),
  'assert-table-uuid': (requirement) => ({
    type: 'assert-table-uuid',
    uuid: asString(requirement['uuid'], 'uuid'),
  }),
  'assert-ref-snapshot-id': (requirement) => ({
    type: 'assert-ref-snapshot-id',
    ref: asString(requirement['ref'], 'ref'),
    'snapshot-id': snapshotIdOrNone(requirement['snapshot-id']) ?? null,
  }),
  'assert-last-assigned-field-id': (requirement) => ({
    type: 'assert-last-assigned-field-id',
    'last-assigned-field-id': asNumber(requirement['last-assigned-field-id'], 'last-assigned-field-id'),
  }),
  'assert-current-schema-id': (requirement) => ({
    type: 'assert-current-schema-id',
    'current-schema-id': asNumber(requirement['current-schema-id'], 'current-schema-id'),
  }),
  'assert-last-assigned-partition-id': (requirement) => ({
    type: 'assert-last-assigned-partition-id',
    'last-assigned-partition-id': asNumber(
      requirement['last-assigned-partition-id'],
      'last-assigned-partition-id',
    ),
  }),
  'assert-default-spec-id': (requirement) => ({
    type: 'assert-default-spec-id',
    'default-spec-id': asNumber(requirement['default-spec-id'], 'default-spec-id'),
  }),
  'assert-default-sort-order-id': (requirement) => ({
    type: 'assert-default-sort-order-id',
    'default-sort-order-id': asNumber(requirement['default-sort-order-id'], 'default-sort-order-id'),
  }),
}

function formatVersion(value: unknown): 1 | 2 | 3 {
  const version = asNumber(value, 'format-version')
  if (version === 1 || version === 2 || version === 3) return version
  throw new IcebergError('unsupported', `there is no format version ${version} here; it may be 1, 2 or 3`)
}

function refOf(update: Json): SnapshotRef {
  const ref = withSnapshotId(update)
  return {
    'snapshot-id': ref['snapshot-id'],
    type: oneOf(update['type'], ['tag', 'branch'], 'the type of a ref'),
    ...milliseconds(update, 'max-ref-age-ms'),
    ...milliseconds(update, 'max-snapshot-age-ms'),
    ...(typeof update['min-snapshots-to-keep'] === 'number' && {
      'min-snapshots-to-keep': update['min-snapshots-to-keep'],
    }),
  }
}

function milliseconds<K extends string>(update: Json, key: K): { readonly [P in K]?: number | bigint } {
  const value = update[key]
  if (value === undefined || value === null) return {}
  const exact = typeof value === 'bigint' ? value : asNumber(value, key)
  return { [key]: exact } as { readonly [P in K]: number | bigint }
}

function asSnapshotIds(value: unknown): readonly SnapshotId[] {
  if (!Array.isArray(value)) throw new IcebergError('data-invalid', 'snapshot-ids is missing or not a list')
  return value.map((item) => withSnapshotId({ 'snapshot-id': item as unknown })['snapshot-id'])
}

function asNumbers(value: unknown, what: string): readonly number[] {
  if (!Array.isArray(value)) throw new IcebergError('data-invalid', `${what} is missing or not a list`)
  return value.map((item) => asNumber(item, `an item of ${what}`))
}

/** What else a statistics file says (blobs, sizes) is kept as it is. */
function statisticsOf(value: unknown, what: string): StatisticsFile {
  const file = asObject(value, what)
  return { ...withSnapshotId(file), 'statistics-path': asString(file['statistics-path'], 'statistics-path') }
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[], what: string): T {
  const found = allowed.find((one) => one === (typeof value === 'string' ? value.toLowerCase() : value))
  if (found !== undefined) return found
  throw new IcebergError('data-invalid', `${what} is not one of ${allowed.join(', ')}`)
}
