import { z } from 'zod'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { isIcebergError } from '../../iceberg/error.js'
import { dataFileFromJson, dataFileToJson } from '../../iceberg/format/data-file-json.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { FirnError } from '../../schemas/error.js'
import { readTextIfThere } from './landing-plan-file.js'

/** What a fetch wrote, for the commit to make visible. A lease: clean-up spares `files` until `expiresAt`. */
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

const stagedJson = z.object({
  expiresAt: z.number(),
  ledgerRows: count,
  objects: count,
  records: count,
  deadLetters: count,
  bytes: count,
  ledgerFiles: z.array(z.unknown()),
  deadLetterFiles: z.array(z.unknown()),
})

export function stagedLandingLocation(planLocation: string): string {
  return planLocation.replace(/\.json$/, '.staged.json')
}

export async function stagedLandingExists(io: FileIO, planLocation: string): Promise<boolean> {
  return (await readStagedLanding(io, planLocation)) !== undefined
}

/** Undefined where there is none, or where a file of it is gone. */
export async function readStagedLanding(
  io: FileIO,
  planLocation: string,
): Promise<StagedLanding | undefined> {
  const location = stagedLandingLocation(planLocation)
  const text = await readTextIfThere(io, location)
  if (text === undefined) return undefined
  const parsed = stagedJson.safeParse(JSON.parse(text))
  if (!parsed.success) {
    throw new FirnError('io', `${location} is not a staged landing; remove it and land again`, {
      cause: parsed.error,
    })
  }
  const { expiresAt: _, ...staged } = parsed.data
  const landing = {
    ...staged,
    ledgerFiles: staged.ledgerFiles.map(dataFileFromJson),
    deadLetterFiles: staged.deadLetterFiles.map(dataFileFromJson),
  }
  const files = [...landing.ledgerFiles, ...landing.deadLetterFiles]
  return (await allExist(io, files)) ? landing : undefined
}

/** The first attempt's counts; a stage whose files are gone is replaced. */
export async function stageLanding(
  io: FileIO,
  planLocation: string,
  landing: StagedLanding,
  expiresAt: number,
): Promise<StagedLanding> {
  const location = stagedLandingLocation(planLocation)
  const json = {
    expiresAt,
    ...landing,
    ledgerFiles: landing.ledgerFiles.map(dataFileToJson),
    deadLetterFiles: landing.deadLetterFiles.map(dataFileToJson),
  }
  const bytes = Buffer.from(JSON.stringify(json))
  try {
    await io.createIfAbsent(location, bytes)
    return landing
  } catch (error) {
    if (!isIcebergError(error, 'already-exists')) throw error
  }
  const earlier = await readStagedLanding(io, planLocation)
  if (earlier !== undefined) return earlier
  await io.write(location, bytes)
  return landing
}

async function allExist(io: FileIO, files: readonly DataFile[]): Promise<boolean> {
  for (const file of files) {
    try {
      if ((await io.stat(file.filePath)).sizeBytes !== file.fileSizeInBytes) return false
    } catch (error) {
      if (isIcebergError(error, 'not-found')) return false
      throw error
    }
  }
  return true
}
