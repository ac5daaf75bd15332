import { IcebergError } from '../error.js'
import type { SnapshotId } from '../spec/snapshot.js'
import type { StatisticsFile, TableMetadata } from '../spec/table-metadata.js'
import type { TableUpdate } from '../update/table-update.js'
import { evolutionOf, type Evolution } from './evolution.js'

/** Table properties to set, and keys to remove. */
export interface PropertyChanges {
  readonly set?: Readonly<Record<string, string>>
  readonly remove?: readonly string[]
}

/** Properties that are no properties: the catalog makes them up from the metadata. */
const RESERVED = new Set([
  'format-version',
  'uuid',
  'snapshot-count',
  'current-snapshot-summary',
  'current-snapshot-id',
  'current-snapshot-timestamp-ms',
  'current-schema',
  'default-partition-spec',
  'default-sort-order',
])

/** Throws `invalid-argument` for reserved names, and for one that is both set and removed. */
export function planProperties(metadata: TableMetadata, changes: PropertyChanges): Evolution {
  const { set = {}, remove = [] } = changes
  const both = remove.find((name) => Object.hasOwn(set, name))
  if (both !== undefined) throw invalid(`property ${both} can't be both set and removed`)
  const reserved = [...Object.keys(set), ...remove].find((name) => RESERVED.has(name))
  if (reserved !== undefined) {
    const hint = reserved === 'format-version' ? 'use upgradeFormat' : 'it follows from the metadata'
    throw invalid(`${reserved} can't be changed as a property: ${hint}`)
  }
  const { properties } = metadata
  const news = Object.entries(set).filter(([name, value]) => properties[name] !== value)
  const gone = remove.filter((name) => Object.hasOwn(properties, name))
  const updates: TableUpdate[] = []
  if (news.length > 0) updates.push({ action: 'set-properties', updates: Object.fromEntries(news) })
  if (gone.length > 0) updates.push({ action: 'remove-properties', removals: gone })
  return evolutionOf(metadata, updates)
}

/** Only upward: what newer readers need can't be taken back. */
export function planFormat(metadata: TableMetadata, version: 2): Evolution {
  const current = metadata['format-version']
  if (version < current) {
    throw invalid(`the table has format version ${current}; it can't go back to ${version}`)
  }
  if (version === current) return evolutionOf(metadata, [])
  return evolutionOf(metadata, [{ action: 'upgrade-format-version', 'format-version': version }])
}

/** Where new files go; those written stay where they are. */
export function planLocation(metadata: TableMetadata, location: string): Evolution {
  const trimmed = location.replace(/\/+$/, '')
  if (trimmed === '') throw invalid('a location is an absolute path or a URI, not empty')
  return evolutionOf(
    metadata,
    trimmed === metadata.location ? [] : [{ action: 'set-location', location: trimmed }],
  )
}

/** Statistics files of snapshots: one for each, which replaces what that snapshot had. */
export interface StatisticsChanges {
  readonly set?: readonly StatisticsFile[]
  /** Of these snapshots none is left. */
  readonly remove?: readonly SnapshotId[]
}

/** Throws `invalid-argument` where a file is of a snapshot that the table does not have. */
export function planStatistics(metadata: TableMetadata, changes: StatisticsChanges): Evolution {
  const { set = [], remove = [] } = changes
  const known = new Set(metadata.snapshots.map((snapshot) => snapshot['snapshot-id']))
  const stray = set.find((file) => !known.has(file['snapshot-id']))
  if (stray !== undefined) {
    throw invalid(
      `${stray['statistics-path']} is of snapshot ${String(stray['snapshot-id'])}, which is not there`,
    )
  }
  const had = new Set(metadata.statistics?.map((file) => file['snapshot-id']))
  return evolutionOf(metadata, [
    ...set.map((statistics): TableUpdate => ({ action: 'set-statistics', statistics })),
    ...remove
      .filter((id) => had.has(id))
      .map((id): TableUpdate => ({ action: 'remove-statistics', 'snapshot-id': id })),
  ])
}

function invalid(message: string): IcebergError {
  return new IcebergError('invalid-argument', message)
}
