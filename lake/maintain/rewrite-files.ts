import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { compactTable, type CompactRequest, type CompactResult } from '../../iceberg/maintain/compact.js'
import { rewriteDeleteFiles } from '../../iceberg/maintain/rewrite-deletes.js'
import { rewriteManifests } from '../../iceberg/maintain/rewrite-manifests.js'
import type { RetryOptions } from '../../iceberg/write/retry.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { MaintainedFile, MaintenanceStep } from '../../schemas/maintenance.js'
import { listLeases } from '../staging/stage.js'
import { repeatedMarker } from '../windows/window-marker.js'
import { closedPartitions } from './closed-partitions.js'
import { stagedPartitions } from './staged-partitions.js'

/**
 * A writer's commit goes first; what is worth rewriting now is so the next time as well. Waits don't grow: right after a
 * writer's commit is when the next one is farthest off.
 */
const YIELDING: RetryOptions = { tries: 100, maxWaitMs: 20, totalTimeoutMs: 30_000 }
const COMPACTIONS = 2
/**
 * In the summaries of what a run rewrites: an attempt after one that died tells of that one's work too. Another name than the
 * record's, whose own table is rewritten as well.
 */
const RUN = 'firn.rewritten-by-run'

export interface Rewritten {
  readonly counts: {
    readonly compactedFiles: number
    readonly writtenFiles: number
    readonly rewrittenDeleteFiles: number
    readonly writtenDeleteFiles: number
    readonly rewrittenManifests: number
    readonly writtenManifests: number
    readonly bytesRead: number
    readonly bytesWritten: number
  }
  readonly commits: number
  /** Steps that gave way to a writer. */
  readonly yielded: readonly MaintenanceStep[]
  readonly replaced: readonly MaintainedFile[]
  readonly notes: readonly string[]
}

/**
 * Compaction, then what it leaves of delete files, then the manifests. What a writer changes meanwhile is planned once
 * more and then left: writers never wait for maintenance.
 */
export async function rewriteFiles(
  deps: LakeDeps,
  loaded: LoadedTable,
  run: {
    readonly dryRun: boolean
    readonly isDue: (step: MaintenanceStep) => boolean
    readonly runId?: string
  },
): Promise<Rewritten> {
  const { dryRun, isDue, runId } = run
  const { catalog, rewriter, now, newUuid, newSnapshotId } = deps
  const common = () => ({
    ...{ catalog, identifier: loaded.identifier, rewriter, now, newUuid, newSnapshotId, dryRun },
    retry: YIELDING,
    summary: {
      'firn.operation-id': newUuid(),
      ...(runId === undefined ? {} : { [RUN]: runId }),
      ...repeatedMarker(loaded.metadata),
    },
  })
  const leases = isDue('compact') ? await listLeases(deps) : []
  const { isClosed, notes } = closedPartitions(loaded.metadata, stagedPartitions(deps, loaded, leases))
  const compacted = isDue('compact')
    ? await compactOnceMore(() => ({ ...common(), isClosed }))
    : NOTHING_COMPACTED
  const deletes = isDue('rewriteDeletes') ? await rewriteDeleteFiles(common()) : NO_DELETES
  const manifests = isDue('rewriteManifests') ? await rewriteManifests(common()) : NO_MANIFESTS
  const mergedDeletes = deletes.mergedFiles + deletes.danglingFiles
  const left =
    compacted.removedFiles === 0 ? 'not compacted' : `${compacted.givenUpGroups} groups not compacted`
  const results = [
    { step: 'compact', what: left, conflict: compacted.conflict },
    { step: 'rewriteDeletes', what: 'delete files not merged', conflict: deletes.conflict },
    { step: 'rewriteManifests', what: 'manifests not rewritten', conflict: manifests.conflict },
  ] as const
  const yielded = results.filter(({ conflict }) => conflict)
  const before = committedBefore(loaded, runId)
  return {
    counts: {
      compactedFiles: compacted.removedFiles + before('deleted-data-files'),
      writtenFiles: compacted.addedFiles + before('added-data-files'),
      rewrittenDeleteFiles: compacted.removedDeleteFiles + mergedDeletes + before('removed-delete-files'),
      writtenDeleteFiles: deletes.addedFiles + before('added-delete-files'),
      rewrittenManifests: manifests.rewrittenManifests + before('manifests-replaced'),
      writtenManifests: manifests.addedManifests + before('manifests-created'),
      bytesRead: compacted.bytes + deletes.bytes + before('removed-files-size'),
      bytesWritten: compacted.addedBytes + deletes.addedBytes + before('added-files-size'),
    },
    commits: dryRun
      ? 0
      : compacted.commits + Number(mergedDeletes > 0) + Number(manifests.rewrittenManifests > 0),
    yielded: yielded.map(({ step }) => step),
    replaced: compacted.replaced.map((file) => ({
      ...file,
      why: 'replaced',
      result: dryRun ? 'would-replace' : 'replaced',
    })),
    notes: [
      ...yielded.map(({ what }) => `${what}: a writer came in between, left for the next run`),
      ...notes(),
    ],
  }
}

const NOTHING_COMPACTED: CompactResult = {
  ...{ groups: 0, commits: 0, removedFiles: 0, addedFiles: 0, removedDeleteFiles: 0, bytes: 0 },
  ...{ addedBytes: 0, replaced: [], conflict: false, givenUpGroups: 0 },
}
const NO_DELETES = {
  ...{ mergedFiles: 0, danglingFiles: 0, addedFiles: 0, bytes: 0, addedBytes: 0, conflict: false },
}
const NO_MANIFESTS = { rewrittenManifests: 0, addedManifests: 0, conflict: false }

/** Sums of what an earlier attempt at the same run committed, by a field of the summaries. */
function committedBefore({ metadata }: LoadedTable, runId: string | undefined): (field: string) => number {
  const own = metadata.snapshots.filter(({ summary }) => runId !== undefined && summary?.[RUN] === runId)
  return (field) => own.reduce((sum, { summary }) => sum + Number(summary?.[field] ?? 0), 0)
}

/** What a writer got ahead of is planned anew once, with its files as they are then. */
async function compactOnceMore(request: () => CompactRequest): Promise<CompactResult> {
  let all = NOTHING_COMPACTED
  for (let round = 1; ; round += 1) {
    const one = await compactTable(request())
    all = {
      groups: all.groups + one.groups,
      commits: all.commits + one.commits,
      removedFiles: all.removedFiles + one.removedFiles,
      addedFiles: all.addedFiles + one.addedFiles,
      removedDeleteFiles: all.removedDeleteFiles + one.removedDeleteFiles,
      bytes: all.bytes + one.bytes,
      addedBytes: all.addedBytes + one.addedBytes,
      replaced: [...all.replaced, ...one.replaced],
      conflict: one.conflict,
      givenUpGroups: one.givenUpGroups,
    }
    if (!one.conflict || round === COMPACTIONS) return all
  }
}
