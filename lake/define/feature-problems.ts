import type { Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import type {
  FeatureServiceDefinition,
  FeatureViewDefinition,
  LabelViewDefinition,
  RowsFrom,
} from '../../schemas/feature-definitions.js'
import type { PipelineDefinition, TableSchema } from '../../schemas/pipeline.js'
import { parseTableSchema } from '../../schemas/table-schema.js'
import { shapeOf } from '../tables/ensure-tables.js'
import { attempt } from './attempt.js'
import { parseDuration } from '../../schemas/duration.js'
import { duplicates, noneNamed } from './name-problems.js'
import { splitProblems } from './split-problems.js'

/** What is wrong with entities, views, services and splits, as far as it shows without their SQL; each with its path. */
export function featureProblems(definition: PipelineDefinition): readonly string[] {
  const { entities = {}, featureViews = {}, labelViews = {}, featureServices = {}, splits = {} } = definition
  const at = (section: string, name: string, problems: readonly string[]): readonly string[] =>
    problems.map((problem) => `${section}.${name}${problem.startsWith(':') ? '' : '.'}${problem}`)
  return [
    ...Object.entries(entities).flatMap(([name, { joinKeys }]) =>
      at('entities', name, [
        ...duplicates(joinKeys).map((key) => `joinKeys: ${key} is named twice`),
        ...joinKeys.filter((key) => RESERVED.has(key)).map((key) => `joinKeys: ${reserved(key)}`),
      ]),
    ),
    ...Object.keys(featureViews)
      .filter((name) => Object.hasOwn(labelViews, name))
      .map((name) => `labelViews.${name}: a feature view has this name already; rename one`),
    ...Object.entries(featureViews).flatMap(([name, view]) =>
      at('featureViews', name, featureViewProblems(definition, view)),
    ),
    ...Object.entries(labelViews).flatMap(([name, view]) =>
      at('labelViews', name, labelViewProblems(definition, view)),
    ),
    ...Object.entries(featureServices).flatMap(([name, service]) =>
      at('featureServices', name, serviceProblems(definition, service)),
    ),
    ...Object.entries(splits).flatMap(([name, split]) =>
      at('splits', name, splitProblems(definition, split)),
    ),
  ]
}

/** Columns that rows of a data set have of their own. */
const RESERVED: ReadonlySet<string> = new Set([
  ...['entity', 'event_timestamp', 'group', 'split', 'batch', 'label'],
])

function reserved(column: string): string {
  return `${column} is a column of every data set; call it something else`
}

/** Join keys of all entities of a view, in their order; unknown entities have none. */
export function joinKeysOf(definition: PipelineDefinition, entities: readonly string[]): readonly string[] {
  return entities.flatMap((entity) => definition.entities?.[entity]?.joinKeys ?? [])
}

function featureViewProblems(definition: PipelineDefinition, view: FeatureViewDefinition): readonly string[] {
  const schema = attempt(() => parseTableSchema(view.schema))
  const keys = joinKeysOf(definition, view.entities)
  const created = view.createdTimestampField === undefined ? [] : [view.createdTimestampField]
  return [
    ...rowsProblems(definition, view),
    ...entityProblems(definition, view.entities),
    ...columnProblems(definition, view, [
      ...keys.map((column) => ({ at: 'entities', column })),
      { at: 'timestampField', column: view.timestampField, type: 'timestamptz' },
      ...created.map((column) => ({ at: 'createdTimestampField', column, type: 'timestamptz' as const })),
    ]),
    ...(view.ttl === undefined ? [] : durationProblems('ttl', view.ttl, { zero: false })),
    ...(typeof schema === 'string' ? [`schema: ${schema}`] : []),
    ...Object.keys(view.schema).flatMap((feature) => [
      ...(keys.includes(feature)
        ? [`schema: ${feature} is a join key, which is no feature; leave it out`]
        : []),
      ...([view.timestampField, ...created].includes(feature)
        ? [`schema: ${feature} is the view's time, which is no feature; leave it out`]
        : []),
    ]),
    ...featureTypeProblems(definition, view),
  ]
}

function labelViewProblems(definition: PipelineDefinition, view: LabelViewDefinition): readonly string[] {
  const { timestampField, label, type, group, batch, maturity } = view
  return [
    ...rowsProblems(definition, view),
    ...entityProblems(definition, view.entities),
    ...columnProblems(definition, view, [
      ...joinKeysOf(definition, view.entities).map((column) => ({ at: 'entities', column })),
      { at: 'timestampField', column: timestampField, type: 'timestamptz' },
      { at: 'label', column: label, type },
      ...(group === undefined ? [] : [{ at: 'group', column: group }]),
      ...(batch === undefined ? [] : [{ at: 'batch', column: batch, type: 'string' as const }]),
    ]),
    ...(maturity === undefined ? [] : durationProblems('maturity', maturity, { zero: true })),
    ...duplicates([timestampField, label, ...(group === undefined ? [] : [group])]).map(
      (column) => `label: ${column} can't be time, label and group at once; name a column for each`,
    ),
  ]
}

function rowsProblems(definition: PipelineDefinition, rows: RowsFrom): readonly string[] {
  const tables = Object.keys(definition.tables)
  if ('table' in rows) {
    return tables.includes(rows.table) ? [] : [`table: ${noneNamed('table', rows.table, tables)}`]
  }
  return [
    ...rows.reads
      .filter((table) => !tables.includes(table))
      .map((table) => `reads: ${noneNamed('table', table, tables)}`),
    ...duplicates(rows.reads).map((table) => `reads: ${table} is named twice`),
    ...(rows.parameters !== undefined && rows.reads.includes('parameters')
      ? ['reads: the table parameters has the name of its parameters; rename the table']
      : []),
    ...Object.entries(rows.parameters ?? {})
      .filter(([, value]) => typeof value === 'number' && !Number.isFinite(value))
      .map(([parameter]) => `parameters.${parameter}: must be a finite number or a text`),
  ]
}

function entityProblems(definition: PipelineDefinition, entities: readonly string[]): readonly string[] {
  const known = Object.keys(definition.entities ?? {})
  return [
    ...entities
      .filter((entity) => !known.includes(entity))
      .map((entity) => `entities: ${noneNamed('entity', entity, known)}`),
    ...duplicates(entities).map((entity) => `entities: ${entity} is named twice`),
    ...duplicates(joinKeysOf(definition, [...new Set(entities)])).map(
      (key) => `entities: two of them have the join key ${key}; a view can be about one of these only`,
    ),
  ]
}

interface NeededColumn {
  readonly at: string
  readonly column: string
  readonly type?: 'timestamptz' | LabelViewDefinition['type']
}

/** Only of a view of a table: what SQL gives is seen when it is bound (`firn check`). */
function columnProblems(
  definition: PipelineDefinition,
  rows: RowsFrom,
  needed: readonly NeededColumn[],
): readonly string[] {
  const types = tableTypes(definition, rows)
  if (types === undefined || !('table' in rows)) return []
  return needed.flatMap(({ at, column, type }) => {
    const found = types.get(column)
    if (found === undefined) {
      return [`${at}: table ${rows.table} has no column ${column}; it has ${[...types.keys()].join(', ')}`]
    }
    const is = shapeOf(found, false)
    if (type === undefined) {
      return isPrimitive(found) ? [] : [`${at}: ${column} is ${is}, which can't be compared`]
    }
    return FITS[type].test(is) ? [] : [`${at}: ${column} is ${is} in table ${rows.table}, ${WANTED[type]}`]
  })
}

const NUMBER = 'int|long|float|double|decimal\\(.*\\)'
const FITS = {
  timestamptz: /^(timestamptz|timestamp|date)$/,
  boolean: /^(boolean|int|long)$/,
  string: /^string$/,
  double: new RegExp(`^(${NUMBER})$`),
}
const WANTED = {
  timestamptz: 'which is no time: it must be timestamptz, timestamp or date (read in UTC)',
  boolean: 'must be boolean, or int with 0 and 1',
  string: 'must be string',
  double: 'must be a number',
}

function featureTypeProblems(definition: PipelineDefinition, view: FeatureViewDefinition): readonly string[] {
  const types = tableTypes(definition, view)
  if (types === undefined || !('table' in view)) return []
  return Object.entries(view.schema).flatMap(([feature, declared]) => {
    const found = types.get(feature)
    if (found === undefined) {
      return [
        `schema.${feature}: table ${view.table} has no such column; it has ${[...types.keys()].join(', ')}`,
      ]
    }
    const wanted = attempt(() => typesOf({ [feature]: declared }))
    if (typeof wanted === 'string') return []
    const type = wanted.get(feature)
    const [is, becomes] = [shapeOf(found, false), type === undefined ? '' : shapeOf(type, false)]
    return is === becomes ? [] : [`schema.${feature}: table ${view.table} has it as ${is}, not ${becomes}`]
  })
}

/** Columns of the table that a view is of; undefined for SQL, for an unknown table and for one whose schema is wrong. */
function tableTypes(definition: PipelineDefinition, rows: RowsFrom): ReadonlyMap<string, Type> | undefined {
  const table = 'table' in rows ? definition.tables[rows.table] : undefined
  const types = table === undefined ? undefined : attempt(() => typesOf(table.schema))
  return typeof types === 'string' ? undefined : types
}

function typesOf(schema: TableSchema): ReadonlyMap<string, Type> {
  return new Map(parseTableSchema(schema).fields.map((field) => [field.name, field.type]))
}

function durationProblems(at: string, text: string, { zero }: { readonly zero: boolean }): readonly string[] {
  const ms = parseDuration(text)
  if (ms === undefined) return [`${at}: '${text}' is not a time span: write e.g. 30s, 5m, 12h, 30d`]
  return ms === 0 && !zero ? [`${at}: '${text}' lets no row be valid; leave it out for rows without end`] : []
}

/** `view:feature` or `view:*` of a service, resolved to the view's features by column; what is wrong beside them. */
export function serviceColumns(
  definition: PipelineDefinition,
  { features, fullFeatureNames = false }: FeatureServiceDefinition,
): { readonly columns: readonly ServiceColumn[]; readonly problems: readonly string[] } {
  const views = definition.featureViews ?? {}
  const problems: string[] = []
  const columns = features.flatMap((reference): readonly ServiceColumn[] => {
    const [, name = '', feature = ''] = /^([^:]*):([^:]*)$/.exec(reference) ?? []
    if (name === '' || feature === '') {
      problems.push(`features: '${reference}' is not a reference: write view:feature or view:*`)
      return []
    }
    const view = Object.hasOwn(views, name) ? views[name] : undefined
    if (view === undefined) {
      problems.push(`features: ${noneNamed('feature view', name, Object.keys(views))}`)
      return []
    }
    const column = (found: string): ServiceColumn => ({
      column: fullFeatureNames ? `${name}__${found}` : found,
      view: name,
      feature: found,
      type: view.schema[found] ?? '',
    })
    if (feature === '*') return Object.keys(view.schema).map(column)
    if (Object.hasOwn(view.schema, feature)) return [column(feature)]
    problems.push(`features: ${noneNamed(`feature of view ${name}`, feature, Object.keys(view.schema))}`)
    return []
  })
  return { columns, problems }
}

export interface ServiceColumn {
  readonly column: string
  readonly view: string
  readonly feature: string
  /** In short form. */
  readonly type: string
}

function serviceProblems(
  definition: PipelineDefinition,
  service: FeatureServiceDefinition,
): readonly string[] {
  const { columns, problems } = serviceColumns(definition, service)
  const twice = duplicates(columns.map(({ column }) => column)).map((column) => {
    const sources = columns
      .filter((one) => one.column === column)
      .map(({ view, feature }) => `${view}:${feature}`)
    const isOne = new Set(sources).size === 1
    return isOne
      ? `features: ${sources[0] ?? ''} is named twice`
      : `features: ${sources.join(' and ')} would both be the column ${column}; set fullFeatureNames, or rename one`
  })
  return [...problems, ...twice]
}
