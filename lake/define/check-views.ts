import type { Engine, EngineSession } from '../../engine/engine.js'
import type {
  FeatureViewDefinition,
  LabelViewDefinition,
  RowsFrom,
} from '../../schemas/feature-definitions.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { parseTableSchema } from '../../schemas/table-schema.js'
import { columnsOf, sqlProblems, type Problem } from './check-sql.js'
import { fitsColumn, isNumber } from '../../schemas/column-types.js'
import { sqlOf } from './dependencies.js'
import { joinKeysOf } from './feature-problems.js'

/**
 * What the SQL of views and label views shows: that they read what they say, that they bind on empty tables and give the
 * columns they declare, and that a join key has one type wherever it is.
 */
export async function viewProblems(engine: Engine, pipeline: Pipeline): Promise<readonly Problem[]> {
  const found: Found = { problems: [], keyTypes: new Map() }
  for (const [name, view] of Object.entries(pipeline.featureViews ?? {})) {
    await checkView(engine, pipeline, { where: `featureViews.${name}`, view, judge: featureColumns }, found)
  }
  for (const [name, view] of Object.entries(pipeline.labelViews ?? {})) {
    await checkView(engine, pipeline, { where: `labelViews.${name}`, view, judge: labelColumns }, found)
  }
  return [...found.problems, ...keyTypeProblems(found.keyTypes)]
}

interface Found {
  readonly problems: Problem[]
  /** Join key → engine type → the first view that has it so. */
  readonly keyTypes: Map<string, Map<string, string>>
}

type View = FeatureViewDefinition | LabelViewDefinition
/** Engine types by column. */
type Columns = ReadonlyMap<string, string>

interface Checked<V extends View> {
  readonly where: string
  readonly view: V
  readonly judge: (view: V, columns: Columns) => readonly string[]
}

async function checkView<V extends View>(
  engine: Engine,
  pipeline: Pipeline,
  { where, view, judge }: Checked<V>,
  { problems, keyTypes }: Found,
): Promise<void> {
  const sql = 'sql' in view ? sqlOf(pipeline, view.sql) : `SELECT * FROM ${view.table}`
  if ('sql' in view) {
    const wrong = await sqlProblems(
      pipeline,
      where,
      sql,
      (names) => readProblems(view, names),
      'the tables, or `parameters`',
    )
    if (wrong.length > 0) {
      problems.push(...wrong)
      return
    }
  }
  const session = await engine.openSession({ threads: 1 })
  try {
    await addReads(session, pipeline, view)
    const found = await columnsOf(session, where, sql, (result) => {
      const columns = new Map(result.columns.map(({ name, type }) => [name, type]))
      const keys = joinKeysOf(pipeline, view.entities)
      for (const key of keys) noteType(keyTypes, { key, type: columns.get(key), where })
      if (!('sql' in view)) return []
      return [
        ...keys.filter((key) => !columns.has(key)).map((key) => `the SELECT lacks the join key ${key}`),
        ...timeProblems('timestampField', view.timestampField, columns),
        ...judge(view, columns),
      ]
    })
    problems.push(...found)
  } finally {
    await session.close()
  }
}

/** Only what it says it reads is pinned, and all of that is held for its models. */
function readProblems(view: Extract<RowsFrom, { sql: string }>, names: readonly string[]): readonly string[] {
  const allowed = [...view.reads, ...(view.parameters === undefined ? [] : ['parameters'])]
  const unknown = names
    .filter((name) => !allowed.includes(name))
    .map((name) => `it reads ${name}, which is not among its \`reads\`: ${view.reads.join(', ')}`)
  const unread = view.reads
    .filter((name) => !names.includes(name))
    .map((name) => `its SQL does not read ${name}, which is among its \`reads\`; leave it out`)
  return [...unknown, ...unread]
}

async function addReads(session: EngineSession, pipeline: Pipeline, view: RowsFrom): Promise<void> {
  for (const name of 'table' in view ? [view.table] : view.reads) {
    const schema = parseTableSchema(pipeline.tables[name]?.schema ?? {})
    await session.addRelation({ kind: 'scan', name, schema, tasks: [] })
  }
  if ('table' in view || view.parameters === undefined) return
  const types = Object.entries(view.parameters).map(
    ([name, value]) => [name, typeOfParameter(value)] as const,
  )
  await session.addRelation({
    kind: 'rows',
    name: 'parameters',
    schema: parseTableSchema(Object.fromEntries(types)),
    rows: [],
  })
}

function typeOfParameter(value: number | string): string {
  if (typeof value === 'string') return 'string'
  return Number.isSafeInteger(value) ? 'long' : 'double'
}

function featureColumns(view: FeatureViewDefinition, columns: Columns): readonly string[] {
  const { createdTimestampField, schema } = view
  return [
    ...(createdTimestampField === undefined
      ? []
      : timeProblems('createdTimestampField', createdTimestampField, columns)),
    ...parseTableSchema(schema).fields.flatMap(({ name, type }) => {
      const given = columns.get(name)
      if (given === undefined) return [`the SELECT lacks the feature ${name}`]
      return fitsColumn(type, given)
        ? []
        : [`feature ${name} is ${given} in the SELECT, declared is ${schema[name] ?? ''}: cast it`]
    }),
  ]
}

function labelColumns(view: LabelViewDefinition, columns: Columns): readonly string[] {
  const { label, type, group, batch } = view
  const given = columns.get(label)
  const missing = (what: string, column: string | undefined): readonly string[] =>
    column === undefined || columns.has(column) ? [] : [`the SELECT lacks the ${what} ${column}`]
  return [
    ...missing('label', label),
    ...missing('group', group),
    ...missing('batch', batch),
    ...(given === undefined || LABEL_FITS[type](given)
      ? []
      : [`label ${label} is ${given} in the SELECT, declared is ${type}: cast it`]),
  ]
}

const LABEL_FITS: Readonly<Record<LabelViewDefinition['type'], (type: string) => boolean>> = {
  boolean: (type) => type === 'BOOLEAN' || fitsColumn('int', type),
  string: (type) => fitsColumn('string', type),
  double: (type) => type !== 'BOOLEAN' && isNumber(type),
}

function timeProblems(what: string, column: string, columns: Columns): readonly string[] {
  const type = columns.get(column)
  if (type === undefined) return [`the SELECT lacks ${column}, its ${what}`]
  return (['timestamptz', 'timestamp', 'date'] as const).some((time) => fitsColumn(time, type))
    ? []
    : [`${what} ${column} is ${type}, which is no time: give a timestamptz, timestamp or date`]
}

function noteType(
  keyTypes: Found['keyTypes'],
  { key, type, where }: { readonly key: string; readonly type: string | undefined; readonly where: string },
): void {
  if (type === undefined) return
  const types = keyTypes.get(key) ?? new Map<string, string>()
  keyTypes.set(key, types)
  // Integers of any width compare as numbers.
  const kind = fitsColumn('long', type) ? 'an integer' : type
  if (!types.has(kind)) types.set(kind, where)
}

function keyTypeProblems(keyTypes: Found['keyTypes']): readonly Problem[] {
  return [...keyTypes].flatMap(([key, types]) => {
    const kinds = [...types]
    const [, where = ''] = kinds.at(-1) ?? []
    const told = kinds.map(([type, view]) => `${type} in ${view}`).join(', ')
    return kinds.length < 2 ? [] : [{ where, message: `join key ${key} is ${told}: give it one type` }]
  })
}
