import { rmSync } from 'node:fs'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDuckDBEngine } from '../../../engine/duckdb/duckdb-engine.js'
import type { Engine, EngineSessionOptions, Row } from '../../../engine/engine.js'
import { joinFeatures } from '../../../ml/pit/join-features.js'
import type { ResolvedFeature, ResolvedView } from '../../../ml/views/resolved-view.js'
import { resolveFeatures } from '../../../ml/views/resolve-features.js'
import type { FeatureViewDefinition } from '../../../schemas/feature-definitions.js'
import type { Pipeline, TableSchema } from '../../../schemas/pipeline.js'
import { parseTableSchema } from '../../../schemas/table-schema.js'

/** A feature view with its rows in memory. */
export interface ViewInMemory {
  readonly joinKeys: readonly [string, ...string[]]
  /** Of the columns beside the features: join keys and times. */
  readonly columns: TableSchema
  readonly schema: TableSchema
  readonly timestampField?: string
  readonly createdTimestampField?: string
  readonly ttl?: string
  readonly rows: readonly Row[]
}

export interface JoinInMemory {
  readonly entities: { readonly columns: TableSchema; readonly rows: readonly Row[] }
  readonly timestampField?: string
  readonly views: Readonly<Record<string, ViewInMemory>>
  /** Default: all features of all views. */
  readonly features?: readonly string[]
  readonly fullFeatureNames?: boolean
  readonly knownBy?: boolean
}

export interface TestEngine {
  readonly engine: Engine
  close(): void
}

export function testEngine(): TestEngine {
  const root = mkdtempSync(join(tmpdir(), 'firn-pit-'))
  return {
    engine: createDuckDBEngine({ tempDirectory: root }),
    close: () => rmSync(root, { recursive: true, force: true }),
  }
}

/** Entity and view definitions as a pipeline would have them. */
export function resolveInMemory(of: JoinInMemory): {
  readonly views: readonly ResolvedView[]
  readonly features: readonly ResolvedFeature[]
} {
  const views = Object.entries(of.views)
  const pipeline: Pipeline = {
    ...{ name: 'memory', namespace: 'memory', directory: '/nowhere', sources: {}, sqlTexts: {} },
    tables: Object.fromEntries(
      views.map(([name, { columns, schema, joinKeys }]) => [
        name,
        { schema: { ...columns, ...schema }, key: joinKeys, partition: [], write: 'append' },
      ]),
    ),
    entities: Object.fromEntries(views.map(([name, { joinKeys }]) => [name, { joinKeys }])),
    featureViews: Object.fromEntries(
      views.map(([name, view]): [string, FeatureViewDefinition] => [
        name,
        {
          ...{
            table: name,
            entities: [name],
            timestampField: view.timestampField ?? 'ts',
            schema: view.schema,
          },
          ...(view.createdTimestampField && { createdTimestampField: view.createdTimestampField }),
          ...(view.ttl && { ttl: view.ttl }),
        },
      ]),
    ),
  }
  return resolveFeatures(pipeline, of.features ?? views.map(([name]) => `${name}:*`), {
    fullFeatureNames: of.fullFeatureNames ?? false,
  })
}

/** Rows of the join, in the order that the relation gives them. */
export async function joinInMemory(
  { engine }: Pick<TestEngine, 'engine'>,
  of: JoinInMemory,
  options: EngineSessionOptions = {},
): Promise<readonly Row[]> {
  const session = await engine.openSession(options)
  try {
    const { views, features } = resolveInMemory(of)
    const { columns, rows } = of.entities
    await session.addRelation({ kind: 'rows', name: 'asked', schema: parseTableSchema(columns), rows })
    for (const [name, view] of Object.entries(of.views)) {
      const schema = parseTableSchema({ ...view.columns, ...view.schema })
      await session.addRelation({ kind: 'rows', name: `v_${name}`, schema, rows: view.rows })
    }
    await joinFeatures({
      ...{ session, entityRows: 'asked', timestampField: of.timestampField ?? 'ts' },
      ...{ views: views.map((view) => ({ view, relation: `v_${view.name}` })), features, into: 'joined' },
      ...(of.knownBy === undefined ? {} : { knownBy: of.knownBy }),
    })
    return (await session.query('SELECT * FROM joined', { limit: 1_000_000 })).rows
  } finally {
    await session.close()
  }
}
