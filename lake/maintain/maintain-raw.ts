import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { inParallel } from '../../iceberg/io/in-parallel.js'
import { mayDeleteFiles } from '../../iceberg/maintain/reachable-files.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { isLedger } from '../../schemas/lake-tables.js'
import type { MaintainedFile } from '../../schemas/maintenance.js'
import type { RawMaintenance } from '../../schemas/messages.js'
import { listLeases } from '../staging/stage.js'
import { deleteOneByOne } from './delete-one-by-one.js'
import { landedStages } from './landed-stages.js'
import { rawOrphans } from './raw-orphans.js'
import { keptFromNote, retireRaw } from './raw-retention.js'
import { dropStagesOf, stalePlans } from './stale-plans.js'

const MAX_FILES = 100
const DELETES_AT_ONCE = 8

/**
 * Upkeep of what landing writes beside its tables: plans and stages that are over, raw objects that no ledger row names,
 * and those past their retention. Undefined for a table that is no ledger.
 */
export async function maintainRaw(
  deps: LakeDeps,
  ledger: LoadedTable,
  { dryRun }: { readonly dryRun: boolean },
): Promise<{ readonly raw: RawMaintenance; readonly notes: readonly string[] } | undefined> {
  const { name: source } = ledger.identifier
  if (!isLedger(ledger.identifier) || !mayDeleteFiles(ledger.metadata)) return undefined
  const { io } = deps.catalog
  const plans = await stalePlans(deps, source, ledger)
  if (!dryRun) await dropStagesOf(deps, plans.files)
  const all = await listLeases(deps)
  const landed = new Set(await landedStages(deps, ledger, all))
  if (!dryRun) await inParallel([...landed], DELETES_AT_ONCE, ({ location }) => io.delete(location))
  const leases = all.filter((lease) => !landed.has(lease))
  const orphans = await rawOrphans(deps, source, leases, plans.dates)
  const retired = await retireRaw(deps, ledger, { dryRun })
  const files = [
    ...(await deleteOneByOne(io, plans.files, 'plan', { dryRun })),
    ...(await deleteOneByOne(io, orphans, 'orphan', { dryRun })),
    ...retired.files,
  ]
  return { raw: summaryOf(files), notes: [...plans.notes, ...retired.notes, ...keptFromNote(ledger)] }
}

function summaryOf(files: readonly MaintainedFile[]): RawMaintenance {
  const gone = files.filter(({ result }) => result === 'deleted' || result === 'would-delete')
  const others = files.filter((file) => !gone.includes(file))
  const count = (why: MaintainedFile['why']): number => gone.filter((file) => file.why === why).length
  return {
    ...{ orphans: count('orphan'), retired: count('retention'), plans: count('plan') },
    bytes: gone.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    files: [...others.slice(0, MAX_FILES), ...gone.slice(0, MAX_FILES)],
  }
}
