import { formatIdentifier, type TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { parseDuration } from '../../schemas/duration.js'
import { FirnError } from '../../schemas/error.js'
import type { FeatureViewDefinition, RowsFrom } from '../../schemas/feature-definitions.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { parseTableSchema } from '../../schemas/table-schema.js'
import { digestOf } from './digest-of.js'
import type {
  ResolvedFeature,
  ResolvedFeatures,
  ResolvedLabels,
  ResolvedRows,
  ResolvedView,
} from './resolved-view.js'

export interface ResolveOptions {
  /** Columns are named `view__feature`. Default false; names must then be unique. */
  readonly fullFeatureNames?: boolean
}

/**
 * What is read for references `view:feature` and `view:*`, in their order. FirnError `not-found` where there is no such
 * view or feature, `config` where two columns would have one name or a definition is wrong.
 */
export function resolveFeatures(
  pipeline: Pipeline,
  references: readonly string[],
  { fullFeatureNames = false }: ResolveOptions = {},
): ResolvedFeatures {
  const views = new Map<string, ResolvedView>()
  const features = references.flatMap((reference) => {
    const { name, feature } = parseReference(reference)
    const view = views.get(name) ?? resolveView(pipeline, name)
    views.set(name, view)
    return featuresOf(view, feature).map(({ name: found, type }): ResolvedFeature => ({
      ...{ view: name, feature: found, type },
      column: fullFeatureNames ? `${name}__${found}` : found,
    }))
  })
  if (features.length === 0) {
    throw new FirnError('config', 'no features are asked for. Name some as view:feature or view:*.')
  }
  refuseTwins(features)
  const read = [...views.values()]
  return {
    features,
    views: read,
    tables: distinct(read.flatMap(({ rows }) => tablesOf(rows))),
    fingerprint: digestOf(
      features.map(({ view, feature, column, type }) => [
        ...[column, feature, type],
        views.get(view)?.fingerprint,
      ]),
    ),
  }
}

/** The features of a named set. */
export function resolveService(pipeline: Pipeline, name: string): ResolvedFeatures {
  const service = defined('feature service', pipeline.featureServices, name)
  const { features, fullFeatureNames = false } = service
  try {
    return resolveFeatures(pipeline, features, { fullFeatureNames })
  } catch (error) {
    if (!(error instanceof FirnError)) throw error
    throw new FirnError(error.kind, `feature service "${name}": ${error.message}`, { cause: error })
  }
}

export function resolveLabels(pipeline: Pipeline, name: string): ResolvedLabels {
  const definition = defined('label view', pipeline.labelViews, name)
  const where = `label view "${name}"`
  const { timestampField, label, type, group, batch, maturity } = definition
  const meaning = {
    rows: resolveRows(pipeline, where, definition),
    joinKeys: joinKeysOf(pipeline, where, definition.entities),
    ...{ timestampField, label, type },
    ...(maturity === undefined ? {} : { maturityMs: durationMs(where, 'maturity', maturity) }),
    ...(group === undefined ? {} : { group }),
    ...(batch === undefined ? {} : { batch }),
  }
  return {
    ...{ name, ...meaning },
    tables: distinct(tablesOf(meaning.rows)),
    fingerprint: digestOf(meaning),
  }
}

function resolveView(pipeline: Pipeline, name: string): ResolvedView {
  const definition: FeatureViewDefinition = defined('feature view', pipeline.featureViews, name)
  const where = `feature view "${name}"`
  const { timestampField, createdTimestampField, ttl } = definition
  const meaning = {
    rows: resolveRows(pipeline, where, definition),
    joinKeys: joinKeysOf(pipeline, where, definition.entities),
    timestampField,
    ...(createdTimestampField === undefined ? {} : { createdTimestampField }),
    ...(ttl === undefined ? {} : { ttlMs: durationMs(where, 'ttl', ttl) }),
    // Fields in their order: it is part of the order that decides between rows that tie.
    schema: parseTableSchema(definition.schema).fields.map(({ name: feature, type }) => ({
      name: feature,
      type,
    })),
  }
  return { name, ...meaning, fingerprint: digestOf(meaning) }
}

function resolveRows(pipeline: Pipeline, where: string, from: RowsFrom): ResolvedRows {
  if ('table' in from) return { kind: 'table', table: tableNamed(pipeline, where, from.table) }
  const sql = pipeline.sqlTexts[from.sql]
  if (sql === undefined) {
    throw new FirnError(
      'config',
      `${where}: there is no SQL file ${from.sql} in ${pipeline.directory}. Correct \`sql\` or add the file.`,
    )
  }
  return {
    kind: 'sql',
    sql: sql.replace(/[;\s]+$/, ''),
    reads: from.reads.map((table) => tableNamed(pipeline, where, table)),
    ...(from.parameters === undefined ? {} : { parameters: from.parameters }),
  }
}

function tableNamed(pipeline: Pipeline, where: string, name: string): TableIdentifier {
  if (Object.hasOwn(pipeline.tables, name)) return { namespace: pipeline.namespace, name }
  throw new FirnError(
    'config',
    `${where} reads the table ${name}, which pipeline ${pipeline.name} does not have; it has ${listed(pipeline.tables)}.`,
  )
}

function joinKeysOf(pipeline: Pipeline, where: string, entities: readonly string[]): readonly string[] {
  return entities.flatMap((entity) => {
    const { entities: known = {} } = pipeline
    const definition = Object.hasOwn(known, entity) ? known[entity] : undefined
    if (definition !== undefined) return definition.joinKeys
    throw new FirnError('config', `${where}: there is no entity "${entity}"; there are: ${listed(known)}.`)
  })
}

function durationMs(where: string, field: string, text: string): number {
  const ms = parseDuration(text)
  if (ms !== undefined) return ms
  throw new FirnError('config', `${where}: ${field} is "${text}", which is no duration. Write 30d, 12h, 5m.`)
}

function parseReference(reference: string): { readonly name: string; readonly feature: string } {
  const [name = '', feature = '', ...rest] = reference.split(':')
  if (name !== '' && feature !== '' && rest.length === 0) return { name, feature }
  throw new FirnError(
    'config',
    `"${reference}" is no feature. Write view:feature, or view:* for all of a view.`,
  )
}

function featuresOf(view: ResolvedView, feature: string): ResolvedView['schema'] {
  if (feature === '*') return view.schema
  const found = view.schema.filter(({ name }) => name === feature)
  if (found.length > 0) return found
  const known = view.schema.map(({ name }) => name).join(', ')
  throw new FirnError(
    'not-found',
    `feature view "${view.name}" has no feature "${feature}"; it has ${known}. Correct the name.`,
  )
}

/** SQL does not tell upper from lower case, so neither do columns. */
function refuseTwins(features: readonly ResolvedFeature[]): void {
  const seen = new Map<string, ResolvedFeature>()
  for (const feature of features) {
    const twin = seen.get(feature.column.toLowerCase())
    if (twin !== undefined) {
      const [one, other] = [twin, feature].map(({ view, feature: name }) => `${view}:${name}`)
      const rest =
        one === other
          ? `${one ?? ''} is asked for twice. Name it once.`
          : `${one ?? ''} and ${other ?? ''} would both be the column ${feature.column}. Leave one out, or set fullFeatureNames.`
      throw new FirnError('config', rest)
    }
    seen.set(feature.column.toLowerCase(), feature)
  }
}

function tablesOf(rows: ResolvedRows): readonly TableIdentifier[] {
  return rows.kind === 'table' ? [rows.table] : rows.reads
}

function distinct(tables: readonly TableIdentifier[]): readonly TableIdentifier[] {
  return [...new Map(tables.map((table) => [formatIdentifier(table), table])).values()]
}

function defined<T>(what: string, known: Readonly<Record<string, T>> | undefined, name: string): T {
  const found = known !== undefined && Object.hasOwn(known, name) ? known[name] : undefined
  if (found !== undefined) return found
  throw new FirnError(
    'not-found',
    `there is no ${what} "${name}"; there are: ${listed(known ?? {})}. Correct the name.`,
  )
}

function listed(known: Readonly<Record<string, unknown>>): string {
  return Object.keys(known).sort().join(', ') || 'none'
}
