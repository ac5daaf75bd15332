import { snapshotById } from '../../iceberg/spec/refs.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { PublishedBatch } from './read-batches.js'

/** By which a batch's snapshots repeat their audit row. */
const SUMMARY = { batch: 'firn.batch-id', processingName: 'firn.pipeline' } as const

/**
 * The batch that a snapshot's newest rows came with: the first that recorded it, or what its summary says. A rewrite
 * changes no rows, so its parent counts. Undefined where rows came without a batch, or the metadata no longer says.
 */
export function writerOf(
  of: { readonly table: string; readonly snapshot: string; readonly metadata: TableMetadata | undefined },
  recorded: readonly PublishedBatch[],
): PublishedBatch | undefined {
  const { table, metadata } = of
  for (let id: string | undefined = of.snapshot; id !== undefined;) {
    const snapshot: string = id
    // They are in the order in which they were published.
    const first = recorded.find(({ tables }) =>
      tables.some((written) => written.table === table && written.snapshot === snapshot),
    )
    if (first !== undefined) return first
    const found = metadata === undefined ? undefined : snapshotById(metadata, BigInt(snapshot))
    const [batch, name] = [found?.summary?.[SUMMARY.batch], found?.summary?.[SUMMARY.processingName]]
    if (batch !== undefined) {
      return recorded.find((own) => own.batch === batch && own.processingName === name)
    }
    const parent = found?.['parent-snapshot-id']
    id = found?.summary?.operation === 'replace' && parent !== undefined ? String(parent) : undefined
  }
  return undefined
}
