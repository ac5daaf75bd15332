import { IcebergError } from '../error.js'
import type { Schema } from '../spec/type.js'
import { entryColumns, entryRows, fileColumns, fileRows } from './file-rows.js'
import { historyColumns, historyRows, metadataLogColumns, metadataLogRows } from './history-rows.js'
import { refColumns, refRows, snapshotColumns, snapshotRows } from './history-rows.js'
import type { InspectRequest, InspectRow } from './inspect-row.js'
import { allManifestColumns, allManifestRows, manifestColumns, manifestRows } from './manifest-rows.js'
import { partitionColumns, partitionRows } from './partition-rows.js'

/** What a table says of itself, as a table: names, columns and values as Java's metadata tables have them. */
export interface MetadataTable {
  readonly schema: Schema
  /** Computed while they are asked for: read them with `for await`. Values are an engine's rows: 64-bit integers bigint, timestamps µs, maps {key, value}. */
  readonly rows: () => AsyncIterable<InspectRow> | Iterable<InspectRow>
}

/**
 * From the metadata alone: `snapshots`, `history`, `refs`, `metadata_log_entries`. One manifest list: `manifests`; one for
 * each snapshot: `all_manifests`. The manifests of one snapshot, a few at a time: `entries`, `files`, `data_files`,
 * `delete_files`, and `partitions`, which holds a row for each partition. Each manifest of every snapshot once:
 * `all_entries`, `all_files`, `all_data_files`, `all_delete_files`.
 */
export const METADATA_TABLES = [
  'snapshots',
  'history',
  'refs',
  'metadata_log_entries',
  'manifests',
  'all_manifests',
  'entries',
  'all_entries',
  'files',
  'data_files',
  'delete_files',
  'all_files',
  'all_data_files',
  'all_delete_files',
  'partitions',
] as const

/** Name of a metadata table, as Java and PyIceberg call it. */
export type MetadataTableName = (typeof METADATA_TABLES)[number]

/** Throws `not-found` for a name that is none of `METADATA_TABLES`. */
export function metadataTable(name: string, request: InspectRequest): MetadataTable {
  const make = MAKERS.get(name)
  if (make === undefined) {
    const known = METADATA_TABLES.join(', ')
    throw new IcebergError('not-found', `there is no metadata table '${name}'; there are ${known}`)
  }
  return make(request)
}

type Make = (request: InspectRequest) => MetadataTable

const MAKERS: ReadonlyMap<string, Make> = new Map<MetadataTableName, Make>([
  ['snapshots', (request) => ({ schema: snapshotColumns, rows: () => snapshotRows(request) })],
  ['history', (request) => ({ schema: historyColumns, rows: () => historyRows(request) })],
  ['refs', (request) => ({ schema: refColumns, rows: () => refRows(request) })],
  [
    'metadata_log_entries',
    (request) => ({ schema: metadataLogColumns, rows: () => metadataLogRows(request) }),
  ],
  ['manifests', (request) => ({ schema: manifestColumns, rows: () => manifestRows(request) })],
  ['all_manifests', (request) => ({ schema: allManifestColumns, rows: () => allManifestRows(request) })],
  ['entries', entriesOf('one')],
  ['all_entries', entriesOf('all')],
  ['files', filesOf('one', 'any')],
  ['data_files', filesOf('one', 'data')],
  ['delete_files', filesOf('one', 'deletes')],
  ['all_files', filesOf('all', 'any')],
  ['all_data_files', filesOf('all', 'data')],
  ['all_delete_files', filesOf('all', 'deletes')],
  [
    'partitions',
    (request) => ({ schema: partitionColumns(request.metadata), rows: () => partitionRows(request) }),
  ],
])

function entriesOf(snapshots: 'one' | 'all'): Make {
  return (request) => ({
    schema: entryColumns(request.metadata),
    rows: () => entryRows(request, snapshots),
  })
}

function filesOf(snapshots: 'one' | 'all', content: 'any' | 'data' | 'deletes'): Make {
  return (request) => ({
    schema: fileColumns(request.metadata),
    rows: () => fileRows(request, snapshots, content),
  })
}
