import { z } from 'zod'
import { parseDuration } from '../../schemas/duration.js'
import { featureShapes } from './feature-shape.js'
import { modelShape } from './model-shape.js'
import { columns, name, sqlFile, text } from './shape-parts.js'

const source = z.strictObject({
  kind: z.literal('json'),
  topic: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,249}$/, 'must be a topic name: letters, digits, dots, _ and -')
    .refine((topic) => !/^\.+$/.test(topic), 'must not be dots only'),
  schema: z.record(z.string(), text),
  identity: z.array(text).min(1, 'must name at least one path that identifies a record'),
  maxDocumentBytes: z
    .number()
    .int()
    .positive()
    .max(256 * 1024 * 1024, 'must be at most 256 MiB')
    .optional(),
  contract: z.enum(['evolve', 'discard-row', 'freeze']).optional(),
  eventTime: text.optional(),
  startAt: z.enum(['earliest', 'latest']).optional(),
  fileNames: z.enum(['any', 'rising']).optional(),
  lateAfter: text
    .refine((span) => (parseDuration(span) ?? 0) > 0, 'must be a time span such as 26h, more than nothing')
    .optional(),
})

const engine = z.enum(['duckdb', 'spark']).optional()

const table = z.strictObject({
  sql: sqlFile.optional(),
  schema: columns,
  key: z.array(name).min(1, 'must name at least one column'),
  partition: z.array(text),
  write: z.enum(['insert-new', 'append', 'overwrite-partitions']),
  newBy: name.optional(),
  window: z
    .strictObject({
      size: text,
      lateness: text.optional(),
      mode: z.enum(['copy-on-write', 'merge-on-read']).optional(),
    })
    .optional(),
  engine,
})

const check = z.strictObject({
  severity: z.enum(['blocking', 'warning']),
  sql: text,
  description: text.optional(),
})

/** The shape of a definition; unknown fields are refused. What its parts say of each other is checked after. */
export const pipelineShape = z.strictObject({
  name,
  namespace: name.optional(),
  sources: z.record(name, source).refine((sources) => Object.keys(sources).length > 0, 'must name a source'),
  tables: z.record(name, table),
  checks: z.record(name, check).optional(),
  ...featureShapes,
  models: z.record(name, modelShape).optional(),
  engine,
  schedule: z
    .strictObject({
      nightly: z.string().regex(/^\S+( \S+){4}$/, 'must be a cron expression of five fields'),
      timezone: z.string().refine(isTimeZone, 'must be an IANA time zone, e.g. Europe/Berlin').optional(),
      jitter: text.optional(),
      catchUp: text.optional(),
      paused: z.boolean().optional(),
      note: text.max(1000).optional(),
    })
    .optional(),
})

function isTimeZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
