import { z } from 'zod'

/** Names of pipelines, sources, tables, columns, checks, views and models: they become SQL names, file names and tags. */
export const NAME = /^[a-z][a-z0-9_]*$/
const MAX_NAME = 64

export const name = z
  .string()
  .max(MAX_NAME)
  .regex(NAME, 'must be lower case: a letter, then letters, digits and _')
export const text = z.string().min(1, 'must not be empty')
export const columns = z.record(name, text)
export const sqlFile = text
  .regex(/\.sql$/, 'must name a .sql file')
  .refine(
    (path) => isInside(path),
    'must be a path inside the folder of the pipeline, without .. and not absolute',
  )
export const positive = z.number().int().positive()

function isInside(path: string): boolean {
  return !path.startsWith('/') && !/^[A-Za-z]:|\\|\0/.test(path) && !path.split('/').includes('..')
}
