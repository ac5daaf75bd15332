import type { Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { FirnError } from '../../schemas/error.js'
import { DATASETS_NAMESPACE, ENVELOPE_COLUMNS, sourceIdsName } from '../../schemas/lake-tables.js'
import type { PipelineDefinition, SourceDefinition, TableDefinition } from '../../schemas/pipeline.js'
import { parseDocumentSchema, parsePartition, parseTableSchema } from '../../schemas/table-schema.js'
import { attempt } from './attempt.js'
import { featureProblems } from './feature-problems.js'
import { modelProblems } from './model-problems.js'
import { duplicates } from './name-problems.js'
import { pipelineShape } from './pipeline-shape.js'
import { scheduleProblems } from './schedule-problems.js'
import { WINDOW_COLUMNS, windowProblems } from './window-problems.js'

/** Checks a pipeline's definition as far as it goes without its SQL; FirnError `config` names everything that is wrong. */
export function definePipeline(definition: PipelineDefinition): PipelineDefinition {
  const issues = pipelineShape.safeParse(definition).error?.issues ?? []
  const problems = [
    ...issues.map((issue) => `${issue.path.map(String).join('.')}: ${issue.message}`),
    // Values out of range leave a definition that can be looked through; what is of another type does not.
    ...(issues.every(({ code }) => OF_RIGHT_TYPE.has(code)) ? partProblems(definition) : []),
  ]
  if (problems.length === 0) return definition
  const name = typeof definition === 'object' && typeof definition.name === 'string' ? definition.name : '?'
  throw new FirnError(
    'config',
    `pipeline ${name} is not valid:\n${problems.map((p) => `  ${p}`).join('\n')}`,
    {
      context: { problems },
    },
  )
}

const OF_RIGHT_TYPE: ReadonlySet<string> = new Set(['too_small', 'too_big', 'unrecognized_keys'])

function partProblems(definition: PipelineDefinition): readonly string[] {
  const models = Object.entries(definition.models ?? {})
  return [
    ...reservedNames(definition),
    ...Object.entries(definition.sources).flatMap(([name, source]) => sourceProblems(name, source)),
    ...Object.entries(definition.tables).flatMap(([name, table]) => tableProblems(name, table)),
    ...featureProblems(definition),
    ...(definition.schedule === undefined
      ? []
      : scheduleProblems(definition.schedule).map((problem) => `schedule.${problem}`)),
    ...models.flatMap(([name, model]) =>
      modelProblems(definition, model).map((problem) => `models.${name}.${problem}`),
    ),
  ]
}

/** Where a pipeline's tables lie. */
export function namespaceOf({ namespace, name }: PipelineDefinition): string {
  return namespace ?? `${name}_features`
}

/** A table of a pipeline; says its type where it is written. */
export function table(definition: TableDefinition): TableDefinition {
  return definition
}

/** A source of JSON documents, from a folder or a topic. */
export function jsonSource(definition: Omit<SourceDefinition, 'kind'>): SourceDefinition {
  return { kind: 'json', ...definition }
}

/** The lake's own namespaces, and the folder its ledgers lie in. */
const RESERVED_NAMESPACES = [
  'raw',
  'audit',
  'ledger',
  DATASETS_NAMESPACE,
  'main',
  'temp',
  'system',
  'information_schema',
  'pg_catalog',
]
/** Relations that every table's SQL has besides tables and sources. */
const RESERVED_RELATIONS = ['batch', 'processing_metadata']

function reservedNames(definition: PipelineDefinition): readonly string[] {
  const namespace = namespaceOf(definition)
  const tables = Object.keys(definition.tables)
  const sources = Object.keys(definition.sources)
  const taken = [...RESERVED_RELATIONS, ...sources, ...sources.map(sourceIdsName)]
  return [
    ...(RESERVED_NAMESPACES.includes(namespace)
      ? [`namespace: ${namespace} is the lake's own; choose another`]
      : []),
    ...tables
      .filter((name) => taken.includes(name))
      .map((name) => `tables.${name}: the name is taken in its SQL`),
    ...tables
      .filter((name) => name.startsWith('all_'))
      .map((name) => `tables.${name}: all_ stands for a table's whole state`),
    ...[...RESERVED_RELATIONS, 'dead_letters']
      .filter((name) => sources.includes(name))
      .map((name) => `sources.${name}: the name is the lake's own; choose another`),
  ]
}

function sourceProblems(name: string, source: SourceDefinition): readonly string[] {
  const at = `sources.${name}`
  const schema = attempt(() => parseDocumentSchema(source.schema))
  if (typeof schema === 'string') return [`${at}.schema: ${schema}`]
  const taken = new Set<string>([
    ...Object.keys(ENVELOPE_COLUMNS).map((column) => `_${column}`),
    ...WINDOW_COLUMNS,
  ])
  return [
    ...schema.fields
      .filter((field) => taken.has(field.name.toLowerCase()))
      .map((field) => `${at}.schema: ${field.name} is a column of the envelope; a document can't declare it`),
    ...source.identity
      .filter((path) => typeAt(schema, path.split('.')) === undefined)
      .map((path) => `${at}.identity: the schema has no field ${path}`),
    ...eventTimeProblems(source, schema).map((problem) => `${at}.eventTime: ${problem}`),
  ]
}

const TIMES = ['timestamp', 'timestamptz', 'long', 'string']

function eventTimeProblems({ eventTime }: SourceDefinition, schema: Type): readonly string[] {
  if (eventTime === undefined) return []
  const type = typeAt(schema, eventTime.split('.'))
  if (type === undefined) return [`the schema has no field ${eventTime}`]
  if (isPrimitive(type) && TIMES.includes(type)) return []
  const is = isPrimitive(type) ? type : type.type
  return [`${eventTime} is ${is}, which holds no time: one of ${TIMES.join(', ')}`]
}

function typeAt(type: Type, path: readonly string[]): Type | undefined {
  const [head, ...rest] = path
  if (head === undefined) return type
  if (isPrimitive(type) || type.type !== 'struct') return undefined
  const field = type.fields.find((candidate) => candidate.name === head)
  return field === undefined ? undefined : typeAt(field.type, rest)
}

function tableProblems(name: string, table: TableDefinition): readonly string[] {
  const at = `tables.${name}`
  const schema = attempt(() => parseTableSchema(table.schema))
  if (typeof schema === 'string') return [`${at}.schema: ${schema}`]
  const columns = Object.keys(table.schema)
  const missing = (column: string): string =>
    `the schema has no column ${column}; it has ${columns.join(', ')}`
  const spec = attempt(() => parsePartition(table.partition, schema))
  return [
    ...table.key
      .filter((column) => !columns.includes(column))
      .map((column) => `${at}.key: ${missing(column)}`),
    ...duplicates(table.key).map((column) => `${at}.key: ${column} is named twice`),
    ...(typeof spec === 'string' ? [`${at}.partition: ${spec}`] : []),
    ...newByProblems(table, missing).map((problem) => `${at}.newBy: ${problem}`),
    ...windowProblems(table).map((problem) => `${at}.${problem}`),
    ...(table.write === 'overwrite-partitions' && table.partition.length === 0
      ? [
          `${at}.partition: overwrite-partitions needs a partition, or each batch would replace the whole table`,
        ]
      : []),
  ]
}

function newByProblems(table: TableDefinition, missing: (column: string) => string): readonly string[] {
  const { newBy } = table
  if (newBy === undefined) return []
  if (!Object.hasOwn(table.schema, newBy)) return [missing(newBy)]
  if (table.write !== 'insert-new') return [`only insert-new tables have it, this one is ${table.write}`]
  const type = table.schema[newBy]?.replace('!', '')
  return type === 'string' ? [] : [`${newBy} holds record ids, so it must be a string, not ${type}`]
}
