import { join } from 'node:path'
import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { tryCreate } from '../../iceberg/io/try-create.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { FileLandingPlan } from '../../schemas/messages.js'
import { readStagedLanding } from './staged-landing.js'
import type { ListedFile, PlannedFile } from './landing-files.js'
import { incarnationOf, listFolder, resolveFolder, statFile } from './landing-files.js'
import type { LandingPlanFile } from './landing-plan-file.js'
import { landingPlanLocation, readPlanFile, stagedFilesLocation } from './landing-plan-file.js'
import { ledgerPositions } from './ledger.js'
import { newFilesOf } from './new-files.js'
import { countDocuments, documentFormatOf } from './read-documents.js'
import type { NamedSource } from './source-of.js'
import { maxDocumentBytesOf } from './source-of.js'

const MAX_WARNINGS = 10

/**
 * Fixes what a landing of files reads: the new ones of a folder and the offsets of their records. A plan of the same
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
  const from = await resolveFolder(folderOf(deps, input.from, source))
  const incarnation = incarnationOf(from)
  const first = (await ledgerPositions(deps, ledger, incarnation)).get(0)?.next ?? 0
  const landing = { pipeline: source.pipeline.name, source: source.name, batch, from, incarnation }
  for (let n = 1; ; n++) {
    const location = landingPlanLocation(deps.warehouse, landing, n)
    const earlier = await readPlanFile(deps.catalog.io, location)
    if (earlier !== undefined) {
      // It goes on where the ledger stands: it is not landed yet, and nothing else was since.
      const isNext = earlier.incarnation === incarnation && earlier.first === first
      const due = isNext && (await canBeLanded(deps, earlier, location))
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

/** Its files are read already, or are still those that were planned. */
async function canBeLanded(deps: LakeDeps, plan: LandingPlanFile, location: string): Promise<boolean> {
  if ((await readStagedLanding(deps.catalog.io, stagedFilesLocation(location))) !== undefined) return true
  for (const file of plan.files) {
    const now = statFile(plan.from, file.path)
    if (now?.size !== file.size || now.mtimeMs !== file.mtimeMs) return false
  }
  return true
}

async function newPlan(
  deps: LakeDeps,
  source: NamedSource,
  ledger: LoadedTable,
  landing: Omit<LandingPlanFile, 'end' | 'files' | 'warnings'>,
): Promise<LandingPlanFile> {
  const settledBeforeMs = deps.settings.settleMs === 0 ? Infinity : deps.now() - deps.settings.settleMs
  const listing = await listFolder(landing.from, settledBeforeMs)
  const fresh = await newFilesOf(deps, ledger, landing.incarnation, listing.files)
  const maxBytes = maxDocumentBytesOf(source.definition)
  const files: PlannedFile[] = []
  let end = landing.first
  for (const file of fresh.files) {
    const records = await recordsOf(landing.from, file, maxBytes)
    files.push({ ...file, first: end, records })
    end += records
  }
  const warnings = fresh.changed.map(
    (path) => `${JSON.stringify(path)} changed after it was landed: it lands again as a new record`,
  )
  const unnamed = listing.gone.filter((path) => path.includes('\ufffd'))
  warnings.push(
    ...unnamed.map((path) => `${JSON.stringify(path)} can't be opened: its name is not UTF-8; rename it`),
  )
  if (listing.waiting > 0)
    warnings.push(`${listing.waiting} files are too young and wait for the next landing`)
  const more = warnings.length - MAX_WARNINGS
  if (more > 0) warnings.splice(MAX_WARNINGS - 1, more + 1, `${more + 1} more files changed, or wait`)
  return { ...landing, end, files, warnings }
}

async function recordsOf(folder: string, file: ListedFile, maxBytes: number): Promise<number> {
  const format = documentFormatOf(file.path)
  if (format === undefined) return 0
  try {
    return await countDocuments(join(folder, file.path), format, maxBytes)
  } catch (error) {
    throw new FirnError('io', `${JSON.stringify(join(folder, file.path))} can't be read`, { cause: error })
  }
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
