import { z } from 'zod'
import { isIcebergError } from '../../iceberg/error.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { joinLocation } from '../../iceberg/io/location.js'
import { FirnError } from '../../schemas/error.js'
import type { LandingPlan } from '../../schemas/messages.js'

const count = z.number().int().nonnegative()

const landingPlanFile = z.object({
  pipeline: z.string(),
  source: z.string(),
  batch: z.string(),
  from: z.string(),
  incarnation: z.string().regex(/^[0-9a-f]{12}$/),
  first: count,
  end: count,
  rowNumberFrom: count,
  warnings: z.array(z.string()),
  files: z.array(
    z.object({ path: z.string(), size: count, mtimeMs: z.number().int(), first: count, records: count }),
  ),
})

/** A range as it was fixed before it was read: which files, and the offsets that their records get. */
export type LandingPlanFile = Readonly<z.infer<typeof landingPlanFile>>

/** Where the nth plan of a batch's landing lies. There is a second one where the first is landed or out of date. */
export function landingPlanLocation(
  warehouse: string,
  { pipeline, source, batch }: Pick<LandingPlan, 'pipeline' | 'source' | 'batch'>,
  n: number,
): string {
  return joinLocation(warehouse, '_landing', pipeline, batch, `${source}${n === 1 ? '' : `-${n}`}.json`)
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

/** False where another attempt wrote one first: that one counts. */
export async function createPlanFile(io: FileIO, location: string, plan: LandingPlanFile): Promise<boolean> {
  try {
    await io.createIfAbsent(location, Buffer.from(JSON.stringify(plan)))
    return true
  } catch (error) {
    if (isIcebergError(error, 'already-exists')) return false
    throw error
  }
}

export async function readJsonIfThere(io: FileIO, location: string): Promise<unknown> {
  try {
    return JSON.parse(new TextDecoder().decode(await io.read(location))) as unknown
  } catch (error) {
    if (isIcebergError(error, 'not-found')) return undefined
    if (!(error instanceof SyntaxError)) throw error
    throw new FirnError('io', `${location} is damaged; remove it and land again`, { cause: error })
  }
}
