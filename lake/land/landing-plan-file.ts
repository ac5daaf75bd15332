import { z } from 'zod'
import { ifFound } from '../../iceberg/error.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { joinLocation } from '../../iceberg/io/location.js'
import { FirnError } from '../../schemas/error.js'
import type { FileLandingPlan } from '../../schemas/messages.js'

const count = z.number().int().nonnegative()

const landingPlanFile = z.object({
  pipeline: z.string(),
  source: z.string(),
  batch: z.string(),
  from: z.string(),
  incarnation: z.string().regex(/^[0-9a-f]{12}$/),
  first: count,
  end: count,
  warnings: z.array(z.string()),
  files: z.array(
    z.object({
      path: z.string(),
      ...{ size: count, mtimeMs: z.number().int(), etag: z.string().optional() },
      ...{ first: count, records: count },
    }),
  ),
})

/** A range as it was fixed before it was read: which files, and the offsets that their records get. */
export type LandingPlanFile = Readonly<z.infer<typeof landingPlanFile>>

/** Where the nth plan of a batch's landing lies. There is a second one where the first is landed or out of date. */
export function landingPlanLocation(
  warehouse: string,
  { pipeline, source, batch }: Pick<FileLandingPlan, 'pipeline' | 'source' | 'batch'>,
  n: number,
): string {
  return joinLocation(warehouse, '_landing', pipeline, batch, `${source}${n === 1 ? '' : `-${n}`}.json`)
}

/** `<warehouse>/_staging/<pipeline>/<batch>/landing-<name of the plan>`, beside what the batch's tables stage. */
export function stagedFilesLocation(planLocation: string): string {
  return planLocation.replace(/\/_landing\/([^/]+\/[^/]+)\/([^/]+)$/, '/_staging/$1/landing-$2')
}

/** Undefined where there is none. */
export async function readPlanFile(io: FileIO, location: string): Promise<LandingPlanFile | undefined> {
  const json = await readJsonIfThere(io, location)
  if (json === undefined) return undefined
  const parsed = landingPlanFile.safeParse(json)
  if (parsed.success) return parsed.data
  throw new FirnError('io', `${location} is not a landing plan; remove it and land again`, {
    cause: parsed.error,
  })
}

export async function readJsonIfThere(io: FileIO, location: string): Promise<unknown> {
  const bytes = await ifFound(io.read(location))
  if (bytes === undefined) return undefined
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown
  } catch (error) {
    throw new FirnError('io', `${location} is damaged; remove it and land again`, { cause: error })
  }
}
