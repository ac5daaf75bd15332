import { ifFound } from '../../iceberg/error.js'
import { ancestorsOf, headOf } from '../../iceberg/spec/refs.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { LateSource } from '../../schemas/alerts.js'
import { parseDuration } from '../../schemas/duration.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { ledgerIdentifier } from '../../schemas/lake-tables.js'
import type { Pipeline } from '../../schemas/pipeline.js'

/** Sources that say `lateAfter` and whose ledger got nothing for longer. Reads metadata only. */
export async function lateSources(
  deps: Pick<LakeDeps, 'catalog' | 'now'>,
  pipeline: Pipeline,
): Promise<readonly LateSource[]> {
  const late: LateSource[] = []
  for (const [source, { lateAfter }] of Object.entries(pipeline.sources)) {
    if (lateAfter === undefined) continue
    const ledger = await ifFound(deps.catalog.loadTable(ledgerIdentifier(source)))
    const landed = ledger === undefined ? { kind: 'never' as const } : lastLanding(ledger.metadata)
    const dueMs = deps.now() - (parseDuration(lateAfter) ?? 0)
    if (landed.kind === 'at' && landed.ms >= dueMs) continue
    if (landed.kind === 'before' && landed.ms >= dueMs) continue
    const at = landed.kind === 'at' ? { lastLandedAt: new Date(landed.ms).toISOString() } : {}
    late.push({ source, lateAfter, ...at })
  }
  return late
}

type Landing =
  | { readonly kind: 'at'; readonly ms: number }
  /** Every snapshot that is left is of maintenance: it was before the oldest of them. */
  | { readonly kind: 'before'; readonly ms: number }
  | { readonly kind: 'never' }

function lastLanding(metadata: TableMetadata): Landing {
  const head = headOf(metadata)
  if (head === undefined) return { kind: 'never' }
  let oldest = head['timestamp-ms']
  for (const snapshot of ancestorsOf(metadata, head['snapshot-id'])) {
    oldest = snapshot['timestamp-ms']
    if (snapshot.summary?.operation === 'append') return { kind: 'at', ms: oldest }
  }
  return { kind: 'before', ms: oldest }
}
