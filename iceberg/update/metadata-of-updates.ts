import { IcebergError } from '../error.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import { applyUpdates } from './apply-updates.js'
import type { TableUpdate } from './table-update.js'

/** What an update may only do to a table that is there. */
const EMPTY: Omit<TableMetadata, 'location' | 'last-updated-ms'> = {
  'format-version': 1,
  'table-uuid': '',
  'last-sequence-number': 0,
  'last-column-id': 0,
  schemas: [],
  'current-schema-id': -1,
  'partition-specs': [],
  'default-spec-id': -1,
  'last-partition-id': 999,
  properties: {},
  snapshots: [],
  'snapshot-log': [],
  'metadata-log': [],
  'sort-orders': [],
  'default-sort-order-id': -1,
  refs: {},
}

/**
 * The first metadata of a table that a commit creates, made of the commit's updates alone. Throws `commit-rejected` where
 * they leave out what a table needs. `location` and `uuid` are taken where the updates say none.
 */
export function metadataOfUpdates(
  updates: readonly TableUpdate[],
  defaults: { readonly now: number; readonly location: string; readonly uuid: string },
): TableMetadata {
  const hasVersion = updates.some((update) => update.action === 'upgrade-format-version')
  const base: TableMetadata = {
    ...EMPTY,
    'format-version': hasVersion ? 1 : 2,
    location: defaults.location,
    'last-updated-ms': defaults.now,
  }
  const made = applyUpdates(base, updates, { now: defaults.now })
  const missing = [
    ...(made['current-schema-id'] < 0 ? ['a current schema'] : []),
    ...(made['default-spec-id'] < 0 ? ['a default partition spec'] : []),
    ...(made['default-sort-order-id'] < 0 ? ['a default sort order'] : []),
  ]
  if (missing.length > 0) {
    throw new IcebergError(
      'commit-rejected',
      `a table cannot be created from these updates: they set no ${missing.join(', no ')}`,
    )
  }
  return made['table-uuid'] === '' ? { ...made, 'table-uuid': defaults.uuid } : made
}
