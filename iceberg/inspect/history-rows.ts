import { ancestorsOf, snapshotById } from '../spec/refs.js'
import type { InspectRequest, InspectRow } from './inspect-row.js'
import { columnsOf, mapOf, micros } from './inspect-row.js'

export const snapshotColumns = columnsOf([
  ['committed_at', 'timestamptz'],
  ['snapshot_id', 'long'],
  ['parent_id', 'long'],
  ['operation', 'string'],
  ['manifest_list', 'string'],
  ['summary', mapOf('string', 'string')],
])

export function* snapshotRows({ metadata }: InspectRequest): Iterable<InspectRow> {
  for (const snapshot of metadata.snapshots) {
    const { operation, ...summary } = snapshot.summary ?? { operation: null }
    yield {
      committed_at: micros(snapshot['timestamp-ms']),
      snapshot_id: snapshot['snapshot-id'],
      parent_id: snapshot['parent-snapshot-id'] ?? null,
      operation,
      manifest_list: snapshot['manifest-list'] ?? null,
      summary: Object.entries(summary).map(([key, value]) => ({ key, value })),
    }
  }
}

export const historyColumns = columnsOf([
  ['made_current_at', 'timestamptz'],
  ['snapshot_id', 'long'],
  ['parent_id', 'long'],
  ['is_current_ancestor', 'boolean'],
])

export function* historyRows({ metadata }: InspectRequest): Iterable<InspectRow> {
  const current = metadata['current-snapshot-id']
  const ancestors = new Set(
    current === undefined
      ? []
      : Array.from(ancestorsOf(metadata, current), (snapshot) => snapshot['snapshot-id']),
  )
  for (const { 'snapshot-id': id, 'timestamp-ms': at } of metadata['snapshot-log']) {
    yield {
      made_current_at: micros(at),
      snapshot_id: id,
      parent_id: snapshotById(metadata, id)?.['parent-snapshot-id'] ?? null,
      is_current_ancestor: ancestors.has(id),
    }
  }
}

export const refColumns = columnsOf([
  ['name', 'string'],
  ['type', 'string'],
  ['snapshot_id', 'long'],
  ['max_reference_age_in_ms', 'long'],
  ['min_snapshots_to_keep', 'int'],
  ['max_snapshot_age_in_ms', 'long'],
])

export function* refRows({ metadata }: InspectRequest): Iterable<InspectRow> {
  const long = (value: number | bigint | undefined) => (value === undefined ? null : BigInt(value))
  for (const [name, ref] of Object.entries(metadata.refs)) {
    yield {
      name,
      type: ref.type.toUpperCase(),
      snapshot_id: ref['snapshot-id'],
      max_reference_age_in_ms: long(ref['max-ref-age-ms']),
      min_snapshots_to_keep: ref['min-snapshots-to-keep'] ?? null,
      max_snapshot_age_in_ms: long(ref['max-snapshot-age-ms']),
    }
  }
}

export const metadataLogColumns = columnsOf([
  ['timestamp', 'timestamptz'],
  ['file', 'string'],
  ['latest_snapshot_id', 'long'],
  ['latest_schema_id', 'int'],
  ['latest_sequence_number', 'long'],
])

/** The newest entry is the metadata itself, where its location is given. */
export function* metadataLogRows(request: InspectRequest): Iterable<InspectRow> {
  const { metadata, metadataLocation } = request
  const current = { 'metadata-file': metadataLocation ?? '', 'timestamp-ms': metadata['last-updated-ms'] }
  const entries = [...metadata['metadata-log'], ...(metadataLocation === undefined ? [] : [current])]
  for (const { 'metadata-file': file, 'timestamp-ms': at } of entries) {
    const logged = metadata['snapshot-log'].findLast((entry) => entry['timestamp-ms'] <= at)
    const snapshot = logged && snapshotById(metadata, logged['snapshot-id'])
    yield {
      timestamp: micros(at),
      file,
      latest_snapshot_id: logged?.['snapshot-id'] ?? null,
      latest_schema_id: snapshot?.['schema-id'] ?? null,
      latest_sequence_number: snapshot === undefined ? null : BigInt(snapshot['sequence-number']),
    }
  }
}
