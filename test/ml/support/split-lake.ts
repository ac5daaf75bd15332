import type { Row } from '../../../engine/engine.js'
import { parseIdentifier } from '../../../iceberg/catalog/catalog.js'
import { tableTarget } from '../../../engine/table-target.js'
import { commitTransaction } from '../../../iceberg/write/transaction.js'
import { publish } from '../../../lake/publish/publish.js'
import { ensureSplitTables, ensureTables } from '../../../lake/tables/ensure-tables.js'
import { extendSplit, type ExtendedSplit, type ExtendSplitInput } from '../../../ml/splits/extend-split.js'
import type { SplitDefinition } from '../../../schemas/feature-definitions.js'
import type { LakeDeps } from '../../../schemas/lake-deps.js'
import type { Pipeline } from '../../../schemas/pipeline.js'
import { testLake, type TestLake } from '../../lake/support/lake.js'

export interface Visit {
  readonly user: string
  readonly shop: number
  /** ms since 1970. */
  readonly at: number
  /** Null: not known yet. */
  readonly left: boolean | null
  readonly country: string | null
}

const THIRDS = { train: 0.5, val: 0.25, test: 0.25 }

export const SPLITS_OF_VISITS: Readonly<Record<string, SplitDefinition>> = {
  by_entity: { labels: 'leaving', seed: 1, method: { kind: 'hash', by: 'entity', fractions: THIRDS } },
  by_group: { labels: 'leaving', seed: 1, method: { kind: 'hash', by: 'group', fractions: THIRDS } },
  stratified: { labels: 'leaving', seed: 1, method: { kind: 'stratified', fractions: THIRDS } },
  by_time: {
    ...{ labels: 'leaving', seed: 1 },
    method: { kind: 'time', valFrom: '2026-06-10T00:00:00Z', testFrom: '2026-06-20T00:00:00Z' },
  },
}

/** Visits of users to shops, with a label view over them and a split of every kind. */
export function visitsPipeline(splits: NonNullable<Pipeline['splits']> = SPLITS_OF_VISITS): Pipeline {
  return {
    ...{ name: 'visits', namespace: 'visits_features', directory: '/nowhere', sources: {} },
    tables: {
      visits: {
        schema: {
          ...{ visit: 'string!', user: 'string!', shop: 'int!', at: 'timestamptz!' },
          ...{ left: 'boolean', country: 'string' },
        },
        ...{ key: ['visit'], partition: [], write: 'append' },
      },
    },
    entities: { user: { joinKeys: ['user'] }, shop: { joinKeys: ['shop'] } },
    labelViews: {
      leaving: {
        ...{ sql: 'leaving.sql', reads: ['visits'], entities: ['user', 'shop'], timestampField: 'seen_at' },
        ...{ label: 'left', type: 'boolean', maturity: '1d', group: 'country' },
      },
    },
    splits,
    sqlTexts: {
      'leaving.sql': `SELECT "user", shop, visits.at AS seen_at, "left", country FROM visits`,
    },
  }
}

export async function visitsLake(pipeline: Pipeline = visitsPipeline()): Promise<TestLake> {
  const lake = testLake([pipeline])
  await ensureTables(lake.deps, pipeline)
  await ensureSplitTables(lake.deps)
  return lake
}

/** Adds visits in one commit with a batch's tag. */
export async function addVisits(
  { deps }: Pick<TestLake, 'deps'>,
  visits: readonly Visit[],
  tag: string,
): Promise<void> {
  const identifier = parseIdentifier('visits_features.visits')
  const { metadata } = await deps.catalog.loadTable(identifier)
  const session = await deps.engine.openSession({ threads: 1 })
  try {
    const target = tableTarget(metadata)
    const rows = visits.map(({ at, ...visit }, i): Row => ({
      ...visit,
      visit: `${tag}-${i}`,
      at: BigInt(at) * 1000n,
    }))
    await session.addRelation({ kind: 'rows', name: 'fresh', schema: target.schema, rows })
    const { files } = await session.write('SELECT * FROM fresh', { ...target, orderBy: ['visit'] })
    const change = { kind: 'append' as const, files }
    await commitTransaction({
      ...{ catalog: deps.catalog, now: deps.now, newUuid: deps.newUuid },
      changes: [{ identifier, snapshotId: deps.newSnapshotId(), change, tags: [{ name: tag }] }],
    })
  } finally {
    await session.close()
  }
}

export async function extend(
  deps: LakeDeps,
  input: Omit<ExtendSplitInput, 'pipeline'>,
): Promise<ExtendedSplit> {
  const run = { workflowId: 'w', runId: 'r', startedAtMs: 0 }
  return await extendSplit(deps, (request) => publish(deps, request), { pipeline: 'visits', ...input }, run)
}

/** `entity at` → split, of the rows of a version. */
export async function assignments(lake: TestLake, version: string): Promise<ReadonlyMap<string, string>> {
  const rows = await lake.rows('ml_datasets.splits', 'entity_key, event_timestamp')
  const own = rows.filter((row) => row['split_version'] === version)
  const named = own.map(
    (row) =>
      [`${row['entity_key'] as string} ${row['event_timestamp'] as bigint}`, row['split'] as string] as const,
  )
  if (new Set(named.map(([name]) => name)).size < named.length) throw new Error('a row was assigned twice')
  return new Map(named)
}
