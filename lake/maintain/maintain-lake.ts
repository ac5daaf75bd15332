import type { LoadedTable, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { formatIdentifier, parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { ifFound } from '../../iceberg/error.js'
import { compactTable } from '../../iceberg/maintain/compact.js'
import { expireSnapshots } from '../../iceberg/maintain/expire.js'
import { removeOrphans, type OrphanFile } from '../../iceberg/maintain/orphans.js'
import { mayDeleteFiles, sameLocation } from '../../iceberg/maintain/reachable-files.js'
import { rewriteDeleteFiles } from '../../iceberg/maintain/rewrite-deletes.js'
import { rewriteManifests } from '../../iceberg/maintain/rewrite-manifests.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier, CHECK_RESULTS, DEAD_LETTERS, ledgerIdentifier } from '../../schemas/lake-tables.js'
import type { MaintainLakeInput, TableMaintenance } from '../../schemas/messages.js'
import { sourceOf } from '../land/source-of.js'
import { featureTables } from '../tables/feature-tables.js'
import { listLeases, type Lease } from '../staging/stage.js'
import { repeatedMarker } from '../windows/window-marker.js'
import { bringBackRows } from './bring-back-rows.js'
import { closedPartitions } from './closed-partitions.js'
import { isLiveLease, leasedFiles } from './live-leases.js'
import { maintainRaw } from './maintain-raw.js'
import { keptNotes, refsToDrop } from './refs-to-drop.js'
import { taggedBytes } from './tagged-bytes.js'

/** Says the table itself how long, that counts. */
const SNAPSHOT_AGE = 'history.expire.max-snapshot-age-ms'

/** Tables to maintain: those of a pipeline with the lake's own that it writes to, or all there are; audit tables last. */
export async function listMaintainable(deps: LakeDeps, input: MaintainLakeInput): Promise<readonly string[]> {
  const all: TableIdentifier[] = []
  for (const namespace of await deps.catalog.listNamespaces())
    all.push(...(await deps.catalog.listTables(namespace)))
  const names = all.map(formatIdentifier).sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
  if (input.pipeline === undefined) return names
  const wanted = new Set(pipelineTables(deps, input.pipeline))
  return names.filter((name) => wanted.has(name))
}

/**
 * Maintains one table: thins batch tags, drops branches of old failures and expires snapshots, then compacts closed
 * partitions, merges small delete files, clusters manifests where that helps, and removes orphans; what tags, branches,
 * models and live leases need stays. With `dryRun` it reports the same and changes nothing. Done again it finds nothing more
 * to do, but for snapshots that its own compaction has made old. Errors: IcebergError `commit-*`, `not-found`.
 */
export async function maintainTable(
  deps: LakeDeps,
  table: string,
  { dryRun }: { readonly dryRun: boolean },
): Promise<TableMaintenance> {
  const identifier = parseIdentifier(table)
  const found = await deps.catalog.loadTable(identifier)
  const { table: loaded, notes } = dryRun ? { table: found, notes: [] } : await bringBackRows(deps, found)
  const audit = await ifFound(deps.catalog.loadTable(auditIdentifier(identifier.namespace)))
  const dropRefs = refsToDrop(deps, loaded, audit)
  const common = { catalog: deps.catalog, identifier, dryRun }
  const expired = await expireSnapshots({
    ...common,
    nowMs: deps.now(),
    ...(SNAPSHOT_AGE in loaded.metadata.properties
      ? {}
      : { maxSnapshotAgeMs: deps.settings.snapshotMaxAgeMs }),
    dropRefs: dropRefs.map((ref) => ref.name),
  })
  const rewritten = await rewriteFiles(deps, loaded, dryRun)
  const leases = await removeExpiredLeases(deps, loaded, dryRun)
  const orphans = await removeOrphans({
    ...common,
    nowMs: deps.now(),
    olderThanMs: deps.now() - deps.settings.orphanMinAgeMs,
    // The lake's own setting is the promise that no batch takes longer.
    force: true,
    prefixMismatch: 'ignore',
    spare: () => leasedFiles(deps),
  })
  const removed = orphans.filter((file) => file.result === 'deleted' || file.result === 'would-delete')
  const dropped = dropRefs.filter((ref) => expired.droppedRefs.includes(ref.name))
  const after = dryRun ? loaded : await deps.catalog.loadTable(identifier)
  const landing = await maintainRaw(deps, after, { dryRun })
  return {
    table,
    ...rewritten.counts,
    expiredSnapshots: expired.removedSnapshots.length,
    droppedTags: expired.droppedRefs,
    deletedFiles: expired.deletedFiles.length + removed.length,
    deletedBytes: [...expired.deletedFiles, ...removed].reduce((sum, file) => sum + file.sizeBytes, 0),
    orphans: removed.length,
    taggedBytes: await taggedBytes(deps.catalog.io, after.metadata, expired.droppedRefs),
    ...(landing === undefined ? {} : { raw: landing.raw }),
    notes: [
      ...notes,
      ...rewritten.notes,
      ...(landing?.notes ?? []),
      ...(mayDeleteFiles(loaded.metadata) ? [] : ['nothing expired or deleted: gc.enabled is false']),
      ...dropped.map((ref) => `${dryRun ? 'would drop' : 'dropped'} ${ref.name}: ${ref.why}`),
      ...keptNotes(deps, after, expired.droppedRefs),
      ...leaseNotes(leases),
      ...(expired.failedFiles ?? []).map(({ location, error }) => `kept ${location}: ${error}`),
      ...orphans.flatMap((file) => {
        const why = file.error ?? KEPT[file.result]
        return why === undefined ? [] : [`kept ${file.location}: ${why}`]
      }),
    ],
  }
}

/** Why an orphan stayed. */
const KEPT: Partial<Record<OrphanFile['result'], string>> = {
  'needed-after-all': 'it is needed after all',
  'prefix-mismatch': 'the table names it under another scheme or authority',
}

/** Compaction, then what it leaves of delete files, then the manifests. */
async function rewriteFiles(deps: LakeDeps, loaded: LoadedTable, dryRun: boolean) {
  const { catalog, rewriter, now, newUuid, newSnapshotId } = deps
  const { isClosed, notes } = closedPartitions(loaded.metadata)
  const common = () => ({
    ...{ catalog, identifier: loaded.identifier, rewriter, now, newUuid, newSnapshotId, dryRun },
    summary: { 'firn.operation-id': newUuid(), ...repeatedMarker(loaded.metadata) },
  })
  const compacted = await compactTable({ ...common(), isClosed })
  const deletes = await rewriteDeleteFiles(common())
  const manifests = await rewriteManifests(common())
  const busy = (what: string, conflict: boolean): readonly string[] =>
    conflict ? [`${what}: a writer came in between, left for the next run`] : []
  return {
    counts: {
      compactedFiles: compacted.removedFiles,
      writtenFiles: compacted.addedFiles,
      rewrittenDeleteFiles: compacted.removedDeleteFiles + deletes.mergedFiles + deletes.danglingFiles,
      writtenDeleteFiles: deletes.addedFiles,
      rewrittenManifests: manifests.rewrittenManifests,
      writtenManifests: manifests.addedManifests,
    },
    notes: [
      ...busy(
        compacted.removedFiles === 0
          ? 'not compacted'
          : `${compacted.givenUpGroups} of ${compacted.groups} groups not compacted`,
        compacted.conflict,
      ),
      ...busy('delete files not merged', deletes.conflict),
      ...busy('manifests not rewritten', manifests.conflict),
      ...notes(),
    ],
  }
}

/** Leases of this table, live ones left; a lease with no files protects nothing and goes when its time is over. */
async function removeExpiredLeases(
  deps: LakeDeps,
  { metadata }: LoadedTable,
  dryRun: boolean,
): Promise<readonly Lease[]> {
  const home = `${sameLocation(metadata.location)}/`
  const isOwn = ({ files }: Lease): boolean =>
    files.length === 0 || files.some((file) => sameLocation(file.filePath).startsWith(home))
  const own = (await listLeases(deps)).filter(isOwn)
  const live = own.filter((lease) => isLiveLease(deps, lease))
  if (!dryRun) {
    for (const lease of own) if (!live.includes(lease)) await deps.catalog.io.delete(lease.location)
  }
  return live.filter((lease) => lease.files.length > 0)
}

function leaseNotes(leases: readonly Lease[]): readonly string[] {
  return leases.map(({ location, files, expiresAtMs }) => {
    const name = location.split('/').slice(-3).join('/')
    return `kept ${files.length} staged files of ${name}: leased until ${new Date(expiresAtMs).toISOString()}`
  })
}

function pipelineTables(deps: LakeDeps, name: string): readonly string[] {
  const source = sourceOf(deps, { pipeline: name })
  return [...featureTables(source), ledgerIdentifier(source.name), DEAD_LETTERS, CHECK_RESULTS].map(
    formatIdentifier,
  )
}

function rank(table: string): number {
  return table.endsWith('.processing_metadata') ? 1 : 0
}
