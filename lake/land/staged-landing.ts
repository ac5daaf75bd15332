import { z } from 'zod'
import { ifFound } from '../../iceberg/error.js'
import { inParallel } from '../../iceberg/io/in-parallel.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { tryCreate } from '../../iceberg/io/try-create.js'
import { dataFileFromJson, dataFileToJson } from '../../iceberg/format/data-file-json.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { FirnError } from '../../schemas/error.js'
import { isIntact } from '../staging/is-intact.js'
import { readJsonIfThere } from './landing-plan-file.js'

const count = z.number().int().nonnegative()

const landedRange = z.object({
  /** Location of the raw object; `gap:…` where there is none. */
  path: z.string(),
  incarnation: z.string(),
  partition: count,
  first: count,
  /** One past the last offset. */
  nextOffset: count,
  records: count,
  deadLetters: count,
  bytes: count,
  sha256: z.string(),
  source: z
    .object({ path: z.string(), size: count, mtimeMs: z.number().int(), etag: z.string().optional() })
    .optional(),
  minEventTimeMs: z.number().optional(),
  maxEventTimeMs: z.number().optional(),
  lastRecord: z.string().optional(),
})

/** A ledger row as a fetch knows it; the commit gives it a number. */
export type LandedRange = Readonly<z.infer<typeof landedRange>>

/** What a fetch wrote, for the commit to make visible. */
export interface StagedLanding {
  /** In the order that they are numbered in. */
  readonly ranges: readonly LandedRange[]
  readonly objects: number
  readonly records: number
  readonly deadLetters: number
  readonly bytes: number
  readonly deadLetterFiles: readonly DataFile[]
  readonly deadLetterKinds: Readonly<Record<string, number>>
  /** First dead letters in words, at most five. */
  readonly causes: readonly string[]
  /** Members that were seen and nobody declared, at most twenty. */
  readonly undeclared: readonly string[]
}

/** A lease as those of staged tables: clean-up spares `files` until it expires, and the objects that `ranges` name. */
const stagedJson = z.object({
  ...{ objects: count, records: count, deadLetters: count, bytes: count },
  ranges: z.array(landedRange),
  deadLetterKinds: z.record(z.string(), count),
  causes: z.array(z.string()),
  undeclared: z.array(z.string()),
  files: z.array(z.unknown()),
  expiresAtMs: z.number(),
})

/** Undefined where there is none, where its lease is over, or where a file of it is gone. */
export async function readStagedLanding(
  io: FileIO,
  location: string,
  nowMs: number,
): Promise<StagedLanding | undefined> {
  const json = await readJsonIfThere(io, location)
  if (json === undefined) return undefined
  const parsed = stagedJson.safeParse(json)
  if (!parsed.success) {
    throw new FirnError('io', `${location} is not a staged landing; remove it and land again`, {
      cause: parsed.error,
    })
  }
  const { files: written, expiresAtMs, ...rest } = parsed.data
  if (expiresAtMs <= nowMs) return undefined
  const deadLetterFiles = written.map((file) => dataFileFromJson(file))
  if (!(await allIntact(io, deadLetterFiles)) || !(await objectsAreThere(io, rest.ranges))) return undefined
  return { ...rest, deadLetterFiles }
}

/** The first attempt's landing; a stage whose lease is over, or whose files are gone, is replaced. */
export async function stageLanding(
  io: FileIO,
  location: string,
  landing: StagedLanding,
  lease: { readonly pipeline: string; readonly batch: string; readonly expiresAtMs: number },
  nowMs: number,
): Promise<StagedLanding> {
  const { deadLetterFiles, ...rest } = landing
  const json = { ...lease, ...rest, files: deadLetterFiles.map(dataFileToJson) }
  const bytes = Buffer.from(JSON.stringify(json))
  if (await tryCreate(io, location, bytes)) return landing
  const earlier = await readStagedLanding(io, location, nowMs)
  if (earlier !== undefined) return earlier
  await io.write(location, bytes)
  return landing
}

/** Whether clean-up has left the raw objects that the ranges name. */
export async function objectsAreThere(
  io: FileIO,
  ranges: readonly Pick<LandedRange, 'path' | 'records'>[],
): Promise<boolean> {
  const paths = new Set(ranges.filter(({ records }) => records > 0).map(({ path }) => path))
  const found = await inParallel([...paths], STATS_AT_ONCE, async (path) => ifFound(io.stat(path)))
  return found.every((status) => status !== undefined)
}

const STATS_AT_ONCE = 8

export async function allIntact(io: FileIO, files: readonly DataFile[]): Promise<boolean> {
  for (const file of files) {
    if (!(await isIntact(io, file))) return false
  }
  return true
}
