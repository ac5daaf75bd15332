import type { CreateTable, LoadedTable, TableCommit, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { ifFound, isIcebergError } from '../../iceberg/error.js'
import { joinLocation } from '../../iceberg/io/location.js'
import { assignFreshIds, currentSchema } from '../../iceberg/spec/schema.js'
import { defaultSpec } from '../../iceberg/spec/specs.js'
import type { NestedField, Schema, Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import type { PartitionSpec } from '../../iceberg/spec/partition-spec.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import {
  ALERT_COLUMNS,
  ALERTS,
  AUDIT_COLUMNS,
  auditIdentifier,
  CHECK_RESULT_COLUMNS,
  CHECK_RESULTS,
  DATASETS_NAMESPACE,
  DEAD_LETTER_COLUMNS,
  DEAD_LETTERS,
  LEDGER_COLUMNS,
  ledgerIdentifier,
  MAINTENANCE_RUN_COLUMNS,
  MAINTENANCE_RUNS,
  SOURCE_IDS_COLUMNS,
  sourceIdsName,
  SPLIT_COLUMNS,
  SPLIT_PARTITION,
  SPLITS,
} from '../../schemas/lake-tables.js'
import type { Pipeline, TableSchema } from '../../schemas/pipeline.js'
import { parsePartition, parseTableSchema } from '../../schemas/table-schema.js'

export type TablesDeps = Pick<LakeDeps, 'catalog' | 'warehouse'>

const TABLE_PROPERTIES = {
  'write.parquet.compression-codec': 'zstd',
  'history.expire.min-snapshots-to-keep': '1',
  'write.metadata.previous-versions-max': '100',
  'write.metadata.delete-after-commit.enabled': 'true',
}

/**
 * A stream commits every few seconds, and each commit writes all snapshots anew: those of the last hour are kept, of the
 * ledger at least a hundred to roll back to.
 */
const COMMITTED_OFTEN = {
  'history.expire.max-snapshot-age-ms': String(3_600_000),
}

/**
 * Namespaces and tables of a pipeline as its definition has them, the lake's own included. What is missing is created;
 * optional columns that are new are added. Any other difference: FirnError `definition-changed`, nothing is altered.
 */
export async function ensureTables(deps: TablesDeps, pipeline: Pipeline): Promise<readonly LoadedTable[]> {
  const { namespace } = pipeline
  const own = Object.entries(pipeline.tables).map(([name, table]) => {
    const create = wanted({ namespace, name }, table.schema, table.partition)
    return table.window === undefined
      ? create
      : { ...create, properties: { ...create.properties, ...COMMITTED_OFTEN } }
  })
  const sources = Object.keys(pipeline.sources)
  return await ensureAll(deps, [
    ...own,
    wanted(auditIdentifier(namespace), AUDIT_COLUMNS),
    ...sources.map((source) => wanted({ namespace, name: sourceIdsName(source) }, SOURCE_IDS_COLUMNS)),
    wanted(CHECK_RESULTS, CHECK_RESULT_COLUMNS),
    ...landingTables(deps, sources),
  ])
}

/** The ledger of one source and the dead letters: what landing writes. */
export async function ensureLandingTables(
  deps: TablesDeps,
  source: string,
): Promise<{ readonly ledger: LoadedTable; readonly deadLetters: LoadedTable }> {
  const [ledger, deadLetters] = await ensureAll(deps, landingTables(deps, [source]))
  if (ledger === undefined || deadLetters === undefined) {
    throw new FirnError('io', `the catalog did not return the tables of source ${source}; try again`)
  }
  return { ledger, deadLetters }
}

/** `audit.alerts`. */
export async function ensureAlertsTable(deps: TablesDeps): Promise<LoadedTable> {
  const [alerts] = await ensureAll(deps, [wanted(ALERTS, ALERT_COLUMNS)])
  if (alerts === undefined) throw new FirnError('io', 'the catalog did not return audit.alerts; try again')
  return alerts
}

/** The table of splits and the audit table beside it. */
export async function ensureSplitTables(deps: TablesDeps): Promise<void> {
  await ensureAll(deps, [
    wanted(SPLITS, SPLIT_COLUMNS, SPLIT_PARTITION),
    wanted(auditIdentifier(DATASETS_NAMESPACE), AUDIT_COLUMNS),
  ])
}

/** `audit.maintenance_runs`. */
export async function ensureMaintenanceRuns(deps: TablesDeps): Promise<LoadedTable> {
  const [table] = await ensureAll(deps, [wanted(MAINTENANCE_RUNS, MAINTENANCE_RUN_COLUMNS)])
  return table ?? (await deps.catalog.loadTable(MAINTENANCE_RUNS))
}

/** Ledgers lie apart from `raw/<source>/`, where raw objects are: no clean-up of a table may come near those. */
function landingTables(deps: TablesDeps, sources: readonly string[]): readonly CreateTable[] {
  const tables = sources.map((source) => wanted(ledgerIdentifier(source), LEDGER_COLUMNS))
  return [...tables, wanted(DEAD_LETTERS, DEAD_LETTER_COLUMNS)].map((table) => ({
    ...table,
    properties: { ...table.properties, ...COMMITTED_OFTEN, 'history.expire.min-snapshots-to-keep': '100' },
    location: joinLocation(deps.warehouse, 'ledger', table.identifier.name),
  }))
}

function wanted(
  identifier: TableIdentifier,
  columns: TableSchema,
  partition: readonly string[] = [],
): CreateTable & { readonly partitionSpec: PartitionSpec } {
  const schema = parseTableSchema(columns)
  return {
    identifier,
    schema,
    partitionSpec: parsePartition(partition, schema),
    properties: TABLE_PROPERTIES,
  }
}

async function ensureAll(deps: TablesDeps, tables: readonly CreateTable[]): Promise<readonly LoadedTable[]> {
  const there = await existing(deps, tables)
  const namespaces = new Set(
    tables.filter((_, i) => there[i] === undefined).map((t) => t.identifier.namespace),
  )
  for (const namespace of namespaces) await ensureNamespace(deps, namespace)
  const ensured: LoadedTable[] = []
  for (const [i, table] of tables.entries()) {
    const loaded = there[i] ?? (await createOrLoad(deps, table))
    ensured.push(await evolve(deps, loaded, table))
  }
  return ensured
}

/** One catalog read where all are there, which is the rule. */
async function existing(
  deps: TablesDeps,
  tables: readonly CreateTable[],
): Promise<readonly (LoadedTable | undefined)[]> {
  try {
    return await deps.catalog.loadTables(tables.map((table) => table.identifier))
  } catch (error) {
    if (!isIcebergError(error, 'not-found')) throw error
    return await Promise.all(tables.map((table) => ifFound(deps.catalog.loadTable(table.identifier))))
  }
}

async function ensureNamespace(deps: TablesDeps, namespace: string): Promise<void> {
  try {
    await deps.catalog.createNamespace(namespace)
  } catch (error) {
    if (!isIcebergError(error, 'already-exists')) throw error
  }
}

async function createOrLoad(deps: TablesDeps, table: CreateTable): Promise<LoadedTable> {
  try {
    return await deps.catalog.createTable(table)
  } catch (error) {
    if (!isIcebergError(error, 'already-exists')) throw error
    return await deps.catalog.loadTable(table.identifier)
  }
}

async function evolve(deps: TablesDeps, table: LoadedTable, definition: CreateTable): Promise<LoadedTable> {
  const current = currentSchema(table.metadata)
  const differences = [
    ...schemaDifferences(current, definition.schema),
    ...partitionDifferences(current, defaultSpec(table.metadata), definition),
  ]
  const name = formatIdentifier(table.identifier)
  if (differences.length > 0) {
    throw new FirnError(
      'definition-changed',
      `table ${name} differs from its definition: ${differences.join('; ')}. ` +
        'Only optional columns can be added; put the definition back, or give the table another name.',
      { context: { table: name, differences } },
    )
  }
  const added = definition.schema.fields.filter((field) => fieldNamed(current, field.name) === undefined)
  if (added.length === 0) return table
  const lastId = table.metadata['last-column-id']
  const { schema, lastColumnId } = assignFreshIds({ ...current, fields: added }, lastId)
  const commit: TableCommit = {
    identifier: table.identifier,
    requirements: [
      { type: 'assert-table-uuid', uuid: table.metadata['table-uuid'] },
      { type: 'assert-current-schema-id', 'current-schema-id': table.metadata['current-schema-id'] },
      { type: 'assert-last-assigned-field-id', 'last-assigned-field-id': lastId },
    ],
    updates: [
      {
        action: 'add-schema',
        schema: {
          ...current,
          'schema-id': nextSchemaId(table),
          fields: [...current.fields, ...schema.fields],
        },
        'last-column-id': lastColumnId,
      },
      { action: 'set-current-schema', 'schema-id': -1 },
    ],
  }
  try {
    const [committed] = await deps.catalog.commit([commit])
    return committed ?? (await deps.catalog.loadTable(table.identifier))
  } catch (error) {
    if (!isIcebergError(error, 'commit-conflict')) throw error
    return await evolve(deps, await deps.catalog.loadTable(table.identifier), definition)
  }
}

function nextSchemaId(table: LoadedTable): number {
  return Math.max(...table.metadata.schemas.map((schema) => schema['schema-id'])) + 1
}

function fieldNamed(schema: Schema, name: string): NestedField | undefined {
  return schema.fields.find((field) => field.name === name)
}

function schemaDifferences(current: Schema, definition: Schema): readonly string[] {
  const changed = current.fields.flatMap((field) => {
    const wantedField = fieldNamed(definition, field.name)
    if (wantedField === undefined) return [`column ${field.name} is no longer defined`]
    const [is, becomes] = [
      shapeOf(field.type, field.required),
      shapeOf(wantedField.type, wantedField.required),
    ]
    return is === becomes ? [] : [`column ${field.name} is ${is}, defined is ${becomes}`]
  })
  const required = definition.fields.filter((f) => f.required && fieldNamed(current, f.name) === undefined)
  return [...changed, ...required.map((field) => `the new column ${field.name} is required`)]
}

function partitionDifferences(
  current: Schema,
  spec: PartitionSpec,
  definition: CreateTable,
): readonly string[] {
  const is = partitionShape(current, spec)
  const becomes = partitionShape(definition.schema, definition.partitionSpec)
  return is === becomes ? [] : [`it is partitioned by (${is}), defined is (${becomes})`]
}

function partitionShape(schema: Schema, spec: PartitionSpec | undefined): string {
  return (spec?.fields ?? [])
    .map((field) => {
      const source = schema.fields.find((candidate) => candidate.id === field['source-id'])?.name ?? '?'
      return field.transform === 'identity' ? source : `${field.transform} of ${source}`
    })
    .join(', ')
}

/** A type in words, without ids: equal text means equal type. */
export function shapeOf(type: Type, required: boolean): string {
  const mark = required ? '!' : ''
  if (isPrimitive(type)) return type + mark
  if (type.type === 'list') return `list<${shapeOf(type.element, type['element-required'])}>${mark}`
  if (type.type === 'map') {
    return `map<${shapeOf(type.key, true)}, ${shapeOf(type.value, type['value-required'])}>${mark}`
  }
  const members = type.fields.map((field) => `${field.name}: ${shapeOf(field.type, field.required)}`)
  return `struct<${members.join(', ')}>${mark}`
}
