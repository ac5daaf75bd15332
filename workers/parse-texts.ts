import { z } from 'zod'
import { FirnError } from '../schemas/error.js'

/** The JSON object of texts that a setting holds; none where it is not set. Throws `config` with the example. */
export function parseTexts(
  setting: string,
  given: string | undefined,
  example: string,
): Readonly<Record<string, string>> {
  if (given === undefined) return {}
  const parsed = z.record(z.string(), z.string()).safeParse(jsonOrUndefined(given))
  if (parsed.success) return parsed.data
  throw new FirnError('config', `${setting} is not a JSON object of texts, such as ${example}.`)
}

function jsonOrUndefined(given: string): unknown {
  try {
    return JSON.parse(given)
  } catch {
    return undefined
  }
}
