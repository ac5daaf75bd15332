import { z } from 'zod'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { tryCreate } from '../../iceberg/io/try-create.js'
import { dataFileFromJson, dataFileToJson } from '../../iceberg/format/data-file-json.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { FirnError } from '../../schemas/error.js'
import { isIntact } from '../staging/is-intact.js'
import { readJsonIfThere } from './landing-plan-file.js'

/** What a fetch wrote, for the commit to make visible. */
export interface StagedLanding {
  readonly ledgerRows: number
  readonly objects: number
  readonly records: number
  readonly deadLetters: number
  readonly bytes: number
  readonly ledgerFiles: readonly DataFile[]
  readonly deadLetterFiles: readonly DataFile[]
}

const count = z.number().int().nonnegative()

/** A lease as those of staged tables: clean-up spares `files` until it expires. The ledger's files come first. */
const stagedJson = z.object({
  ...{ ledgerRows: count, objects: count, records: count, deadLetters: count, bytes: count },
  ledgerFiles: count,
  files: z.array(z.unknown()),
})

/** `<warehouse>/_staging/<pipeline>/<batch>/landing-<name of the plan>`, beside what the batch's tables stage. */
export function stagedLandingLocation(planLocation: string): string {
  return planLocation.replace(/\/_landing\/([^/]+\/[^/]+)\/([^/]+)$/, '/_staging/$1/landing-$2')
}

/** Undefined where there is none, or where a file of it is gone. */
export async function readStagedLanding(
  io: FileIO,
  planLocation: string,
): Promise<StagedLanding | undefined> {
  const location = stagedLandingLocation(planLocation)
  const json = await readJsonIfThere(io, location)
  if (json === undefined) return undefined
  const parsed = stagedJson.safeParse(json)
  if (!parsed.success) {
    throw new FirnError('io', `${location} is not a staged landing; remove it and land again`, {
      cause: parsed.error,
    })
  }
  const { files: written, ledgerFiles, ...counts } = parsed.data
  const files = written.map((file) => dataFileFromJson(file))
  if (!(await allExist(io, files))) return undefined
  return {
    ...counts,
    ledgerFiles: files.slice(0, ledgerFiles),
    deadLetterFiles: files.slice(ledgerFiles),
  }
}

/** The first attempt's counts; a stage whose files are gone is replaced. */
export async function stageLanding(
  io: FileIO,
  planLocation: string,
  landing: StagedLanding,
  lease: { readonly pipeline: string; readonly batch: string; readonly expiresAtMs: number },
): Promise<StagedLanding> {
  const location = stagedLandingLocation(planLocation)
  const { ledgerFiles, deadLetterFiles, ...counts } = landing
  const files = [...ledgerFiles, ...deadLetterFiles].map(dataFileToJson)
  const json = { ...lease, ...counts, ledgerFiles: ledgerFiles.length, files }
  const bytes = Buffer.from(JSON.stringify(json))
  if (await tryCreate(io, location, bytes)) return landing
  const earlier = await readStagedLanding(io, planLocation)
  if (earlier !== undefined) return earlier
  await io.write(location, bytes)
  return landing
}

async function allExist(io: FileIO, files: readonly DataFile[]): Promise<boolean> {
  for (const file of files) {
    if (!(await isIntact(io, file))) return false
  }
  return true
}
