import { z } from 'zod'
import { columns, name, sqlFile, text } from './shape-parts.js'

const described = {
  description: text.optional(),
  tags: z.record(text, z.string()).optional(),
  owner: text.optional(),
}

const rowsFrom = {
  table: name.optional(),
  sql: sqlFile.optional(),
  reads: z.array(name).min(1, 'must name the tables that its SQL reads').optional(),
  parameters: z.record(name, z.union([z.number(), z.string()])).optional(),
}

/** `table`, or `sql` with `reads`; never both. */
function fromOnePlace<Shape extends z.ZodType<RowsFromFields>>(shape: Shape): Shape {
  return shape.check((context) => {
    const { table, sql, reads, parameters } = context.value
    const wrong = (path: string, message: string): void => {
      context.issues.push({ code: 'custom', path: [path], message, input: context.value })
    }
    if (table === undefined && sql === undefined) wrong('table', 'name a table, or a sql file with its reads')
    if (table !== undefined && sql !== undefined)
      wrong('sql', 'its rows come from a table or from sql, not both')
    if (sql !== undefined && reads === undefined) wrong('reads', 'name the tables that its SQL reads')
    if (sql === undefined && reads !== undefined) wrong('reads', 'only a view of sql has it')
    if (sql === undefined && parameters !== undefined) wrong('parameters', 'only a view of sql has them')
  })
}

interface RowsFromFields {
  readonly table?: string | undefined
  readonly sql?: string | undefined
  readonly reads?: readonly string[] | undefined
  readonly parameters?: object | undefined
}

const names = z.array(name).min(1, 'must name at least one')

const entity = z.strictObject({ joinKeys: names, ...described })

const featureView = fromOnePlace(
  z.strictObject({
    ...rowsFrom,
    entities: names,
    timestampField: name,
    createdTimestampField: name.optional(),
    ttl: text.optional(),
    schema: columns.refine((schema) => Object.keys(schema).length > 0, 'must name a feature'),
    ...described,
  }),
)

const labelView = fromOnePlace(
  z.strictObject({
    ...rowsFrom,
    entities: names,
    timestampField: name,
    label: name,
    type: z.enum(['boolean', 'string', 'double']),
    maturity: text.optional(),
    group: name.optional(),
    batch: name.optional(),
    ...described,
  }),
)

const featureService = z.strictObject({
  features: z.array(text).min(1, 'must name at least one feature, e.g. view:feature or view:*'),
  fullFeatureNames: z.boolean().optional(),
  ...described,
})

const share = z.number().min(0, 'must be from 0 to 1').max(1, 'must be from 0 to 1')
const fractions = z.strictObject({ train: share, val: share, test: share })

const split = z.strictObject({
  labels: name,
  method: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('hash'), by: z.enum(['entity', 'group']), fractions }),
    z.strictObject({ kind: z.literal('stratified'), fractions }),
    z.strictObject({ kind: z.literal('time'), valFrom: text, testFrom: text }),
  ]),
  seed: z.number().int().nonnegative(),
  ...described,
})

/** The parts of a pipeline that say what its features are. */
export const featureShapes = {
  entities: z.record(name, entity).optional(),
  featureViews: z.record(name, featureView).optional(),
  labelViews: z.record(name, labelView).optional(),
  featureServices: z.record(name, featureService).optional(),
  splits: z.record(name, split).optional(),
}
