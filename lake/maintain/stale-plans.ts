import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import type { FileStatus } from '../../iceberg/io/file-io.js'
import { joinLocation } from '../../iceberg/io/location.js'
import { isBatchId, processingDateOf } from '../../schemas/batch.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { readPlanFile, stagedFilesLocation } from '../land/landing-plan-file.js'
import { ledgerPositions } from '../land/ledger.js'

export interface StalePlans {
  /** Files that go. */
  readonly files: readonly FileStatus[]
  /** Batch dates of all plans of the source, for a look at what their fetches left. */
  readonly dates: ReadonlySet<string>
  readonly notes: readonly string[]
}

/**
 * Landing plans of a source that are older than the orphan age and can't be landed any more: the ledger has passed where
 * they begin. Those still due stay.
 */
export async function stalePlans(deps: LakeDeps, source: string, ledger: LoadedTable): Promise<StalePlans> {
  const olderThanMs = deps.now() - deps.settings.orphanMinAgeMs
  const positions = new Map<string, number>()
  const files: FileStatus[] = []
  const dates = new Set<string>()
  const notes: string[] = []
  for await (const file of deps.catalog.io.list(joinLocation(deps.warehouse, '_landing', ''))) {
    const [, batch = '', name = ''] =
      /\/_landing\/[^/]+\/([^/]+)\/([^/]+?)(-\d+)?\.json$/.exec(file.location) ?? []
    if (name !== source) continue
    if (isBatchId(batch)) dates.add(processingDateOf(batch))
    if (file.modifiedMs >= olderThanMs) continue
    const plan = await readPlanFile(deps.catalog.io, file.location).catch((error: unknown) => String(error))
    if (typeof plan === 'string') notes.push(`kept ${file.location}: ${plan}`)
    if (plan === undefined || typeof plan === 'string') continue
    const { incarnation, first } = plan
    const next =
      positions.get(incarnation) ?? (await ledgerPositions(deps, ledger, incarnation)).get(0)?.next ?? 0
    positions.set(incarnation, next)
    if (next > first) files.push(file)
  }
  return { files, dates, notes }
}

/** The stage of a plan goes before it: a later plan of the same name must not find what was staged for this one. */
export async function dropStagesOf(deps: LakeDeps, plans: readonly FileStatus[]): Promise<void> {
  for (const { location } of plans) await deps.catalog.io.delete(stagedFilesLocation(location))
}
