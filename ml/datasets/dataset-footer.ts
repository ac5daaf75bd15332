import { z } from 'zod'
import type { Type } from '../../iceberg/spec/type.js'
import { FirnError } from '../../schemas/error.js'
import { typeText, type DatasetColumn } from './dataset-columns.js'

/** What a data set's file says of itself, as metadata of the schema in its footer. */
export interface DatasetFooter {
  readonly columns: readonly DatasetColumn[]
  readonly digest: string
  readonly orderedDigest: string
  /** Rows of each record batch. */
  readonly blocks: readonly number[]
}

const KEY = 'firn.dataset'

export function writeFooterText({ columns, ...footer }: DatasetFooter): Map<string, string> {
  const text = { ...footer, columns: columns.map(({ name, type }) => [name, typeText(type)]) }
  return new Map([[KEY, JSON.stringify(text)]])
}

/** Errors: FirnError `contract-broken`. */
export function readFooterText(path: string, metadata: ReadonlyMap<string, string>): DatasetFooter {
  const text = metadata.get(KEY)
  if (text === undefined) throw notADataset(path, `its schema has no metadata "${KEY}"`)
  const parsed = FOOTER.safeParse(parseJson(text))
  if (!parsed.success) throw notADataset(path, z.prettifyError(parsed.error))
  const columns = parsed.data.columns.map(([name, type]) => ({ name, type: parseType(type) }))
  return { ...parsed.data, columns }
}

export function notADataset(path: string, reason: string, cause?: unknown): FirnError {
  return new FirnError(
    'contract-broken',
    `${path} is not a whole file of a data set: ${reason}. It is scratch: remove it and build the data set again.`,
    { context: { path }, ...(cause === undefined ? {} : { cause }) },
  )
}

const FOOTER = z.object({
  columns: z.array(z.tuple([z.string(), z.string()])),
  digest: z.string(),
  orderedDigest: z.string(),
  blocks: z.array(z.number()),
})

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What `typeText` writes of the types that a data set has. */
function parseType(text: string): Type {
  const element = /^list<(.*)>$/.exec(text)?.[1]
  if (element === undefined) return text as Type
  return { type: 'list', 'element-id': 0, 'element-required': false, element: parseType(element) }
}
