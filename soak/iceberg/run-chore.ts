import type { Catalog, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import { compactTable } from '../../iceberg/maintain/compact.js'
import { expireSnapshots } from '../../iceberg/maintain/expire.js'
import { removeOrphans } from '../../iceberg/maintain/orphans.js'
import { rewriteDeleteFiles } from '../../iceberg/maintain/rewrite-deletes.js'
import { rewriteManifests } from '../../iceberg/maintain/rewrite-manifests.js'
import { updateSchema, updateSpec } from '../../iceberg/evolve/evolve-table.js'
import { cherryPick } from '../../iceberg/write/cherry-pick.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { changeRefs, type RefChange } from '../../iceberg/write/refs.js'
import type { Chore } from './history.js'
import type { Lake } from './lake.js'

const HOUR_MS = 3_600_000

/** What may fail or die at any point, and is not done again: whatever became of it, nothing may be wrong. */
export async function runChore(lake: Lake, chore: Chore): Promise<void> {
  const { catalog, session } = lake.open(chore.faults)
  await Promise.race([session.crashed, ignoringErrors(work(lake, chore, catalog))])
  lake.faults += session.faultsMet
}

async function ignoringErrors(attempt: Promise<unknown>): Promise<void> {
  try {
    await attempt
  } catch (error) {
    if (!isIcebergError(error) || error.kind === 'data-invalid') throw error
  }
}

async function work(lake: Lake, chore: Chore, catalog: Catalog): Promise<unknown> {
  const identifier: TableIdentifier = { namespace: 's', name: chore.table }
  const { now, newUuid, newSnapshotId } = lake
  const retry = { sleep: () => lake.scheduler.turn() }
  const request = { catalog, identifier, now, newUuid, newSnapshotId, retry }
  switch (chore.kind) {
    case 'compact': {
      const table = await catalog.loadTable(identifier)
      const rewriter = lake.rewriter(catalog.io, table)
      return compactTable({ ...request, rewriter, minInputFiles: 2, rewriteAll: chore.choice % 2 === 0 })
    }
    case 'expire':
      return expireSnapshots({
        catalog,
        identifier,
        nowMs: lake.nowMs,
        maxSnapshotAgeMs: (chore.choice % 2) * (chore.choice % 100) * HOUR_MS,
      })
    case 'orphans':
      // Longer than any commit of a history is under way.
      return removeOrphans({ catalog, identifier, nowMs: lake.nowMs, olderThanMs: lake.nowMs - 48 * HOUR_MS })
    case 'rewrite-deletes': {
      const rewriter = lake.rewriter(catalog.io, await catalog.loadTable(identifier))
      return rewriteDeleteFiles({ ...request, rewriter, minInputFiles: 2 })
    }
    case 'rewrite-manifests':
      return rewriteManifests({ ...request, always: true })
    case 'evolve': {
      const name = `extra_${chore.id}`
      const changes = [{ kind: 'add', name, type: 'string' }] as const
      return updateSchema({ catalog, identifier, newUuid, retry, changes })
    }
    case 'evolve-spec': {
      const { metadata } = await catalog.loadTable(identifier)
      const isPartitioned = metadata['default-spec-id'] === 0
      const changes = [
        isPartitioned ? ({ kind: 'remove', name: 'p' } as const) : ({ kind: 'add', column: 'p' } as const),
      ]
      return updateSpec({ catalog, identifier, newUuid, retry, changes })
    }
    case 'cherry-pick': {
      const { snapshots } = (await catalog.loadTable(identifier)).metadata
      const source = snapshots.findLast((snapshot) => snapshot.summary?.['staged'] === 'true')
      if (source === undefined) return undefined
      return cherryPick({ ...request, sourceId: source['snapshot-id'], snapshotId: newSnapshotId() })
    }
    case 'fast-forward':
    case 'tag':
    case 'drop-tag':
    case 'rollback': {
      const changes = refChanges(chore, (await catalog.loadTable(identifier)).metadata)
      if (changes.length === 0) return undefined
      return changeRefs({ catalog, tables: [{ identifier, changes }], now, newUuid, retry })
    }
  }
}

function refChanges(
  { kind, id, choice }: Chore,
  metadata: Parameters<typeof headOf>[0],
): readonly RefChange[] {
  const chosen = metadata.snapshots.at(-1 - (choice % Math.max(metadata.snapshots.length, 1)))
  if (chosen === undefined) return []
  switch (kind) {
    case 'tag':
      return [{ kind: 'create-tag', name: `mark-${id}`, snapshotId: chosen['snapshot-id'] }]
    case 'drop-tag':
      return Object.keys(metadata.refs)
        .filter((name) => name.startsWith('mark-'))
        .slice(0, 1)
        .map((name) => ({ kind: 'drop', name }))
    case 'fast-forward':
      return metadata.refs['side'] === undefined ? [] : [{ kind, name: 'main', to: { ref: 'side' } }]
    default: {
      const parent = headOf(metadata)?.['parent-snapshot-id']
      if (parent === undefined) return []
      // Back to the parent, or sideways to any snapshot.
      return choice % 3 === 0
        ? [{ kind: 'set-current', snapshotId: chosen['snapshot-id'] }]
        : [{ kind: 'rollback', to: { snapshotId: parent } }]
    }
  }
}
