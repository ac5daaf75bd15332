import type { Catalog, LoadedTable, TableIdentifier } from '../catalog/catalog.js'
import { formatIdentifier } from '../catalog/catalog.js'
import { IcebergError, isIcebergError } from '../error.js'
import type { FileStatus } from '../io/file-io.js'
import { deleteFiles } from './delete-files.js'
import type { EqualPrefixes } from './location-parts.js'
import { locationParts } from './location-parts.js'
import type { Need } from './needed-files.js'
import { NeededFiles } from './needed-files.js'
import { mayDeleteFiles } from './reachable-files.js'

/** Which table's folder to look through, and what counts as an orphan there. */
export interface OrphanRequest extends EqualPrefixes {
  readonly catalog: Catalog
  readonly identifier: TableIdentifier
  readonly nowMs: number
  /**
   * Only files last written before this moment can be orphans: younger ones may belong to a commit under way. Default 3
   * days ago; less than 24 hours ago is refused without `force`.
   */
  readonly olderThanMs?: number
  readonly force?: boolean
  /** Default the table's location. */
  readonly location?: string
  /**
   * What becomes of a file whose path the table names under another scheme or authority (`s3a://old/x`, `s3://new/x`): it
   * is an `error` (default), told of and kept (`ignore`), or an orphan all the same (`delete`).
   */
  readonly prefixMismatch?: 'error' | 'ignore' | 'delete'
  /** Locations that something outside the metadata names, e.g. live staging leases. Asked again before deleting. */
  readonly spare?: () => Promise<Iterable<string>>
  readonly dryRun?: boolean
}

/** A file below the table that no metadata names, and what became of it. */
export interface OrphanFile extends FileStatus {
  /** Why it is one, or what became of it. `prefix-mismatch`: kept, by `prefixMismatch: 'ignore'`. */
  readonly result: 'would-delete' | 'deleted' | 'needed-after-all' | 'prefix-mismatch' | 'failed'
  readonly error?: string
}

const BATCH = 1000
const HOUR_MS = 3_600_000
const DEFAULT_AGE_MS = 72 * HOUR_MS
const LEAST_AGE_MS = 24 * HOUR_MS

/** `streamOrphans` to its end, as one report. */
export async function removeOrphans(request: OrphanRequest): Promise<readonly OrphanFile[]> {
  const report: OrphanFile[] = []
  for await (const file of streamOrphans(request)) report.push(file)
  return report
}

/**
 * Files under a table's location that no snapshot, no metadata log entry, no statistics and no lease name, and that are old
 * enough; one after another as they are found and deleted, so a listing of any length takes the same memory. What is
 * needed, also by other tables that have files in the same folder, is brought up to date before every batch of deletes.
 * Hidden files and folders (`_x`, `.x`) are nobody's orphans, as with Java, but those of a partition and our own temporary
 * ones. Finds nothing where `gc.enabled` is false.
 */
export async function* streamOrphans(request: OrphanRequest): AsyncGenerator<OrphanFile> {
  const olderThanMs = checkedAge(request)
  const table = await request.catalog.loadTable(request.identifier)
  if (!mayDeleteFiles(table.metadata)) return
  const root = checkedRoot(request, table)
  const { spare = () => Promise.resolve([]) } = request
  const needed = new NeededFiles({ ...request, root, spare })
  await refreshed(needed)
  const isHidden = hiddenRule(table, root)
  let batch: FileStatus[] = []
  for await (const file of request.catalog.io.list(root)) {
    if (file.modifiedMs >= olderThanMs || isHidden(file.location)) continue
    const need = decide(request, file, needed)
    if (need === 'other-prefix') yield { ...file, result: 'prefix-mismatch' }
    if (need !== 'none') continue
    if (request.dryRun === true) yield { ...file, result: 'would-delete' }
    else batch.push(file)
    if (batch.length < BATCH) continue
    yield* deleteBatch(request, batch, needed)
    batch = []
  }
  yield* deleteBatch(request, batch, needed)
}

async function* deleteBatch(
  request: OrphanRequest,
  batch: readonly FileStatus[],
  needed: NeededFiles,
): AsyncGenerator<OrphanFile> {
  if (batch.length === 0) return
  await refreshed(needed)
  const orphans = batch.filter((file) => decide(request, file, needed) === 'none')
  const failed = new Map(
    (
      await deleteFiles(
        request.catalog.io,
        orphans.map((file) => file.location),
      )
    ).map(({ location, error }) => [location, error]),
  )
  const isOrphan = new Set(orphans)
  for (const file of batch) {
    const error = failed.get(file.location)
    if (!isOrphan.has(file)) yield { ...file, result: 'needed-after-all' }
    else if (error === undefined) yield { ...file, result: 'deleted' }
    else yield { ...file, result: 'failed', error }
  }
}

/** History can expire, and its files go, between the metadata and them. */
async function refreshed(needed: NeededFiles): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await needed.refresh()
      return
    } catch (error) {
      if (attempt >= 3 || !isIcebergError(error, 'not-found')) throw error
    }
  }
}

function decide(request: OrphanRequest, file: FileStatus, needed: NeededFiles): Need {
  const need = needed.need(file.location)
  if (need !== 'other-prefix') return need
  const { prefixMismatch = 'error' } = request
  if (prefixMismatch === 'delete') return 'none'
  if (prefixMismatch === 'ignore') return need
  const { prefix } = locationParts(file.location, request)
  throw new IcebergError(
    'invalid-argument',
    `table ${formatIdentifier(request.identifier)} names ${file.location} under another scheme or authority than ${prefix || 'the local disk'}; say which are the same (equalSchemes, equalAuthorities), or prefixMismatch: 'ignore' to keep such files, 'delete' to remove them`,
    { context: { location: file.location } },
  )
}

function checkedAge({ nowMs, olderThanMs = nowMs - DEFAULT_AGE_MS, force, dryRun }: OrphanRequest): number {
  if (force === true || dryRun === true || nowMs - olderThanMs >= LEAST_AGE_MS) return olderThanMs
  const hours = Math.round((nowMs - olderThanMs) / HOUR_MS)
  throw new IcebergError(
    'invalid-argument',
    `orphans of ${hours} hours may belong to a write under way, which would break the table: leave 24 hours at least, or say force when nobody writes`,
  )
}

/** With a slash at its end. */
function checkedRoot(request: OrphanRequest, { metadata }: LoadedTable): string {
  const root = (request.location ?? metadata.location).replace(/\/+$/, '')
  if (locationParts(root).path.length > 1 || /^[a-z0-9]+:\/\/[^/]+$/i.test(root)) return `${root}/`
  throw new IcebergError(
    'invalid-argument',
    `table ${formatIdentifier(request.identifier)} lies at "${root}": refusing to look for orphans there`,
  )
}

const OWN_TEMPORARY = /\/\.[^/]*\.\d+-\d+\.tmp$/

/** Java's rule: a part of the path that starts with `_` or `.` is hidden, unless it is a partition's. */
function hiddenRule({ metadata }: LoadedTable, root: string): (location: string) => boolean {
  const names = metadata['partition-specs'].flatMap((spec) => spec.fields.map((field) => field.name))
  const partitions = names.filter((name) => /^[_.]/.test(name)).map((name) => `${name}=`)
  return (location) => {
    const below = location.slice(root.length)
    if (!/(^|\/)[_.]/.test(below) || OWN_TEMPORARY.test(location)) return false
    return below
      .split('/')
      .some((part) => /^[_.]/.test(part) && !partitions.some((partition) => part.startsWith(partition)))
  }
}
