import { createHash } from 'node:crypto'
import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { tableResultDocument } from '../../iceberg/rest/table-documents.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import { answer, type Answer } from './call.js'
import { badRequest } from './problem.js'

export type SnapshotMode = 'all' | 'refs'

/** A table as clients load it: with all snapshots, or with those that a branch or tag points to. */
export function tableAnswer(table: LoadedTable, mode: SnapshotMode = 'all'): Answer {
  const metadata = mode === 'all' ? table.metadata : referencedOnly(table.metadata)
  return answer(tableResultDocument({ ...table, metadata }), etagOf(table.metadataLocation, mode))
}

/** `snapshots=all|refs` of a query. */
export function parseSnapshotMode(text: string | undefined): SnapshotMode {
  const mode = (text ?? 'all').toLowerCase()
  if (mode === 'all' || mode === 'refs') return mode
  throw badRequest(`snapshots=${text} is not known; ask for all or refs`)
}

/** Metadata files never change, so their name says whether a client has the newest. */
export function etagOf(metadataLocation: string, mode: SnapshotMode): string {
  return `"${createHash('sha256').update(`${mode} ${metadataLocation}`).digest('hex').slice(0, 32)}"`
}

/** Whether an `If-None-Match` header names the tag, weak or strong. */
export function matchesEtag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  return header.split(',').some((one) => one.trim().replace(/^W\//, '') === etag)
}

function referencedOnly(metadata: TableMetadata): TableMetadata {
  const held = new Set<bigint>(Object.values(metadata.refs).map((ref) => ref['snapshot-id']))
  return {
    ...metadata,
    snapshots: metadata.snapshots.filter((snapshot) => held.has(snapshot['snapshot-id'])),
  }
}
