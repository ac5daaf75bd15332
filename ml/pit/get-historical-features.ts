import type { RecordBatch } from 'apache-arrow'
import { inspectSql } from '../../engine/duckdb/inspect-sql.js'
import type { EngineSession, QueryResult, Row } from '../../engine/engine.js'
import { formatIdentifier, type LoadedTable, type TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import { resolveTarget } from '../../iceberg/spec/refs.js'
import { FirnError } from '../../schemas/error.js'
import { findPipeline } from '../../schemas/find-pipeline.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { Pipeline, TableSchema } from '../../schemas/pipeline.js'
import { parseTableSchema } from '../../schemas/table-schema.js'
import { addRows, type PinnedTable, type PinnedTables } from '../views/add-rows.js'
import { resolveFeatures, resolveService } from '../views/resolve-features.js'
import type { ResolvedRows } from '../views/resolved-view.js'
import { joinFeatures } from './join-features.js'

/** Whom features are asked for, and as of when: join keys, an observation time, anything else. */
export type EntityRows =
  | {
      readonly rows: readonly Row[]
      /** Their columns, as a table's: `{ user_id: 'string', event_timestamp: 'timestamptz' }`. */
      readonly schema: TableSchema
    }
  /** A SELECT over tables of the pipeline, by their plain names, at the same snapshots as the views. */
  | { readonly sql: string }

export interface HistoricalFeaturesRequest {
  readonly pipeline: string
  readonly entityRows: EntityRows
  /** Default `event_timestamp`. */
  readonly timestampField?: string
  /** `view:feature` and `view:*`, or a feature service by name. */
  readonly features: readonly string[] | { readonly service: string }
  /** Tag or branch that every table is read at. Default: their heads, in one catalog read. */
  readonly at?: string
  /** Columns are named `view__feature`; of a service as it says. */
  readonly fullFeatureNames?: boolean
  /** Default true: rows that became known after an entity row's time don't count. */
  readonly knownBy?: boolean
}

/** One row for each entity row, in their order. The caller closes it. */
export interface HistoricalFeatures {
  /** What was read: `namespace.table` → snapshot id; null: nothing was written to it yet. */
  readonly snapshots: Readonly<Record<string, string | null>>
  /** SHA-256 of what the features mean. */
  readonly fingerprint: string
  toRows(): Promise<readonly Row[]>
  /** With its columns, to show; more rows than `limit` are an error. */
  toResult(limit: number): Promise<QueryResult>
  /** The same in bounded memory. */
  toBatches(): AsyncIterable<RecordBatch>
  close(): Promise<void>
}

/**
 * Features as they were known at the times of the entity rows, all tables read as they stood at one moment. Errors:
 * FirnError `not-found`, `config`; EngineError.
 */
export async function getHistoricalFeatures(
  deps: Pick<LakeDeps, 'catalog' | 'engine' | 'pipelines'>,
  request: HistoricalFeaturesRequest,
): Promise<HistoricalFeatures> {
  const pipeline = findPipeline(deps.pipelines, request.pipeline)
  const { features, views, tables, fingerprint } = featuresOf(pipeline, request)
  const asked = 'sql' in request.entityRows ? await rowsOf(pipeline, request.entityRows.sql) : undefined
  const pinned = await pinAll(deps, [...tables, ...(asked?.reads ?? [])], request.at)
  const session = await deps.engine.openSession()
  try {
    await addEntityRows(session, { request, asked, pinned })
    for (const { name, rows } of views) {
      await addRows(session, { name: `views.${name}`, rows, tables: pinned })
    }
    await joinFeatures({
      ...{ session, features, entityRows: 'entity_rows', into: 'historical_features' },
      timestampField: request.timestampField ?? 'event_timestamp',
      views: views.map((view) => ({ view, relation: `views.${view.name}` })),
      ...(request.knownBy === undefined ? {} : { knownBy: request.knownBy }),
    })
  } catch (error) {
    await session.close()
    throw error
  }
  const sql = 'SELECT * FROM historical_features'
  return {
    snapshots: Object.fromEntries([...pinned].map(([name, table]) => [name, table.snapshotId ?? null])),
    fingerprint,
    toRows: async () => (await session.query(sql, { limit: Number.MAX_SAFE_INTEGER - 1 })).rows,
    toResult: (limit) => session.query(sql, { limit }),
    // Rows are wide.
    toBatches: () => session.stream(sql, { batchRows: 16_384 }),
    close: () => session.close(),
  }
}

function featuresOf(pipeline: Pipeline, { features, fullFeatureNames }: HistoricalFeaturesRequest) {
  if ('service' in features) return resolveService(pipeline, features.service)
  return resolveFeatures(pipeline, features, fullFeatureNames === undefined ? {} : { fullFeatureNames })
}

type SqlRows = Extract<ResolvedRows, { readonly kind: 'sql' }>

/** What it names beside the pipeline's tables is refused where its rows are added. */
async function rowsOf(pipeline: Pipeline, sql: string): Promise<SqlRows> {
  const { tables } = await inspectSql(sql)
  const reads = tables.filter((name) => Object.hasOwn(pipeline.tables, name))
  return {
    ...{ kind: 'sql', sql: sql.replace(/[;\s]+$/, '') },
    reads: reads.map((name) => ({ namespace: pipeline.namespace, name })),
  }
}

async function addEntityRows(
  session: EngineSession,
  of: {
    readonly request: HistoricalFeaturesRequest
    readonly asked: SqlRows | undefined
    readonly pinned: PinnedTables
  },
): Promise<void> {
  const name = 'entity_rows'
  const { entityRows } = of.request
  if (of.asked !== undefined) await addRows(session, { name, rows: of.asked, tables: of.pinned })
  else if ('rows' in entityRows) {
    const schema = parseTableSchema(entityRows.schema)
    await session.addRelation({ kind: 'rows', name, schema, rows: entityRows.rows })
  }
}

async function pinAll(
  { catalog }: Pick<LakeDeps, 'catalog'>,
  identifiers: readonly TableIdentifier[],
  at: string | undefined,
): Promise<PinnedTables> {
  const distinct = new Map(identifiers.map((identifier) => [formatIdentifier(identifier), identifier]))
  const tables = await catalog.loadTables([...distinct.values()])
  return new Map(
    tables.map((table): [string, PinnedTable] => [
      formatIdentifier(table.identifier),
      { metadata: table.metadata, io: catalog.io, snapshotId: snapshotAt(table, at) },
    ]),
  )
}

function snapshotAt({ identifier, metadata }: LoadedTable, at: string | undefined): string | undefined {
  try {
    const target = at === undefined ? undefined : ({ kind: 'ref', ref: at } as const)
    return resolveTarget(metadata, target)?.['snapshot-id'].toString()
  } catch (error) {
    if (!isIcebergError(error, 'not-found')) throw error
    throw new FirnError('not-found', `table ${formatIdentifier(identifier)}: ${error.message}`, {
      cause: error,
    })
  }
}
