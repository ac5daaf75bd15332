import { join } from 'node:path'
import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { inParallel } from '../../iceberg/io/in-parallel.js'
import { tryCreate } from '../../iceberg/io/try-create.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { FileLandingPlan } from '../../schemas/messages.js'
import { readStagedLanding } from './staged-landing.js'
import type { LandingPlanFile } from './landing-plan-file.js'
import { landingPlanLocation, readPlanFile, stagedFilesLocation } from './landing-plan-file.js'
import { ledgerPositions } from './ledger.js'
import { isBehind, listSettled } from './list-settled.js'
import { lastLanded, newFilesOf } from './new-files.js'
import { locateSource, openSourceFiles } from './open-source-files.js'
import { countDocuments, documentFormatOf } from './read-documents.js'
import type { NamedSource } from './source-of.js'
import { maxDocumentBytesOf } from './source-of.js'
import type { ListedFile, PlannedFile, SourceFiles } from './source-files.js'
import { incarnationOf, isSameState } from './source-files.js'

const MAX_WARNINGS = 10
const STATS_AT_ONCE = 16
/** Of large objects each holds a few MiB. */
const READS_AT_ONCE = 8

/**
 * Fixes what a landing of files reads: the new ones of a folder or prefix and the offsets of their records. A plan of the same
 * batch that is still to be landed is taken up again, so a retry lands exactly the same. Writes one plan file, and
 * nothing where nothing is new.
 */
export async function planFiles(
  deps: LakeDeps,
  source: NamedSource,
  ledger: LoadedTable,
  input: { readonly batch: string; readonly from: string | undefined },
): Promise<FileLandingPlan> {
  const { batch } = input
  const from = await locateSource(folderOf(deps, input.from, source))
  const incarnation = incarnationOf(from)
  const first = (await ledgerPositions(deps, ledger, incarnation)).get(0)?.next ?? 0
  const landing = { pipeline: source.pipeline.name, source: source.name, batch, from, incarnation }
  for (let n = 1; ; n++) {
    const location = landingPlanLocation(deps.warehouse, landing, n)
    const earlier = await readPlanFile(deps.catalog.io, location)
    if (earlier !== undefined) {
      // It goes on where the ledger stands: it is not landed yet, and nothing else was since.
      const isNext = earlier.incarnation === incarnation && earlier.first === first
      const due =
        isNext &&
        !(await isEmptyAndLanded(deps, ledger, earlier)) &&
        (await canBeLanded(deps, earlier, location))
      if (due) return toPlan(earlier, location)
    } else {
      const plan = await newPlan(deps, source, ledger, { ...landing, first })
      if (plan.files.length === 0) return toPlan(plan, undefined)
      const bytes = Buffer.from(JSON.stringify(plan))
      if (await tryCreate(deps.catalog.io, location, bytes)) return toPlan(plan, location)
      // Another attempt wrote one first: that one counts.
      n -= 1
    }
  }
}

function folderOf(deps: LakeDeps, from: string | undefined, { name, definition }: NamedSource): string {
  if (from !== undefined) return from
  const root = deps.settings.landingRoot
  if (root !== undefined) return join(root, definition.topic)
  throw new FirnError(
    'config',
    `source ${name} has no folder to land from: name one, or configure a landing root or Kafka`,
  )
}

/** Files without a record leave the ledger where it stood. */
async function isEmptyAndLanded(
  deps: LakeDeps,
  ledger: LoadedTable,
  { incarnation, first, end, files }: LandingPlanFile,
): Promise<boolean> {
  return first === end && (await newFilesOf(deps, ledger, incarnation, files)).files.length === 0
}

/** Its files are read already, or are still those that were planned. */
async function canBeLanded(deps: LakeDeps, plan: LandingPlanFile, location: string): Promise<boolean> {
  const staged = await readStagedLanding(deps.catalog.io, stagedFilesLocation(location), deps.now())
  if (staged !== undefined) return true
  const source = openSourceFiles(plan.from, deps.sourceStore)
  let isDue = true
  await inParallel(plan.files, STATS_AT_ONCE, async (file) => {
    if (!isDue) return
    const now = await source.stat(file.path)
    if (now === undefined || !isSameState(now, file)) isDue = false
  })
  return isDue
}

async function newPlan(
  deps: LakeDeps,
  source: NamedSource,
  ledger: LoadedTable,
  landing: Omit<LandingPlanFile, 'end' | 'files' | 'warnings'>,
): Promise<LandingPlanFile> {
  const { from, incarnation, batch } = landing
  const store = openSourceFiles(from, deps.sourceStore)
  const isRising = source.definition.fileNames === 'rising'
  const last = isRising ? await lastLanded(deps, ledger, incarnation) : undefined
  const listing = await listSettled(deps, store, { batch, from, isRising, last })
  const fresh = await newFilesOf(deps, ledger, incarnation, listing.files)
  const { files, end } = await withOffsets(store, fresh.files, landing.first, source)
  const late = last === undefined ? [] : fresh.files.filter((file) => !isBehind(file, last))
  const warnings = [
    ...fresh.changed.map(
      (path) => `${JSON.stringify(path)} changed after it was landed: it lands again as a new record`,
    ),
    ...late
      .filter(({ path }) => !fresh.changed.includes(path))
      .map(
        ({ path }) => `${JSON.stringify(path)} came late: it sorts before landed names, which are not rising`,
      ),
    ...listing.warnings,
  ]
  const more = warnings.length - MAX_WARNINGS
  if (more > 0) warnings.splice(MAX_WARNINGS - 1, more + 1, `${more + 1} more files changed, or wait`)
  return { ...landing, end, files: [...files], warnings }
}

/** Counts the records of files that may hold several, which are read for it. */
async function withOffsets(
  store: SourceFiles,
  files: readonly ListedFile[],
  first: number,
  { definition }: NamedSource,
): Promise<{ readonly files: readonly PlannedFile[]; readonly end: number }> {
  const maxBytes = maxDocumentBytesOf(definition)
  const counts = await inParallel(files, READS_AT_ONCE, async (file) => {
    const format = documentFormatOf(file.path)
    return format === undefined ? 0 : await countDocuments(store.read(file), format, maxBytes)
  })
  let end = first
  const planned = files.map((file, i) => {
    const records = counts[i] ?? 0
    end += records
    return { ...file, first: end - records, records }
  })
  return { files: planned, end }
}

function toPlan(plan: LandingPlanFile, planLocation: string | undefined): FileLandingPlan {
  const { pipeline, source, batch, from, incarnation, first, end, files, warnings } = plan
  const bytes = files.reduce((sum, file) => sum + file.size, 0)
  return {
    kind: 'files',
    ...{ pipeline, source, batch, from, incarnation, files: files.length, bytes, first, end },
    ...(planLocation === undefined ? {} : { planLocation }),
    ...(warnings.length === 0 ? {} : { warnings }),
  }
}
