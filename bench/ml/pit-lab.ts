import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { joinLocation, toLocalPath } from '../../iceberg/io/location.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import { defaultSpec } from '../../iceberg/spec/specs.js'
import { currentSchema } from '../../iceberg/spec/schema.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import type { Pipeline, TableSchema } from '../../schemas/pipeline.js'
import { parseTableSchema } from '../../schemas/table-schema.js'
import type { Lab } from '../iceberg/lab.js'

/** How much is joined. */
export interface PitLoad {
  readonly entityRows: number
  readonly views: number
  readonly features: number
  /** Of one view, over 90 days. */
  readonly rows: number
}

const USERS = 50_000
/** Pairs of user and midnight that entity rows are drawn from: somewhat more than half of 100,000 rows are distinct. */
const PAIRS = 75_000
const DAYS = 90
export const TTL_DAYS = 30

export function featureNames({ features }: PitLoad, view: number): readonly string[] {
  return Array.from({ length: features }, (_, i) => `f${view}_${i}`)
}

export function viewNames({ views }: PitLoad): readonly string[] {
  return Array.from({ length: views }, (_, i) => `v${i}`)
}

export function pitPipeline(load: PitLoad): Pipeline {
  const schemas = viewNames(load).map((name, view): [string, TableSchema] => [
    name,
    Object.fromEntries(featureNames(load, view).map((feature) => [feature, 'double'])),
  ])
  const times = { user_id: 'string', event_timestamp: 'timestamptz' }
  const table = (schema: TableSchema) =>
    ({ schema, key: ['event_timestamp', 'user_id'], partition: [], write: 'append' }) as const
  return {
    ...{ name: 'pit', namespace: 'pit', directory: '/nowhere', sources: {}, sqlTexts: {} },
    tables: {
      asked: table({ n: 'long', ...times }),
      ...Object.fromEntries(schemas.map(([name, schema]) => [name, table({ ...times, ...schema })])),
    },
    entities: { user: { joinKeys: ['user_id'] } },
    featureViews: Object.fromEntries(
      schemas.map(([name, schema]) => [
        name,
        {
          ...{
            table: name,
            entities: ['user'],
            timestampField: 'event_timestamp',
            ttl: `${TTL_DAYS}d`,
            schema,
          },
        },
      ]),
    ),
  }
}

/**
 * Tables of Iceberg, a file each: entity rows at midnights, so that many share user and time, and views without ties, so
 * that every contestant must give the same rows.
 */
export async function makePitTables(lab: Lab, load: PitLoad): Promise<void> {
  await lab.catalog.createNamespace('pit')
  const user = (seed: string): string => `'u' || (hash(${seed}) % ${USERS})`
  const from = `TIMESTAMPTZ '2026-04-01 00:00:00+00'`
  await makeTable(
    lab,
    load,
    'asked',
    `SELECT i AS n, ${user('pair')} AS user_id,
       ${from} + INTERVAL 1 DAY * (${DAYS - 30} + hash(pair * 13 + 1) % 30)::INT AS event_timestamp
     FROM (SELECT i, hash(i * 7) % ${PAIRS} AS pair FROM range(${load.entityRows}) t(i))`,
  )
  for (const [view, name] of viewNames(load).entries()) {
    const features = featureNames(load, view).map(
      (feature, i) => `(hash(i * 31 + ${view * load.features + i}) % 1000000)::DOUBLE AS ${feature}`,
    )
    await makeTable(
      lab,
      load,
      name,
      `SELECT ${user(`i * 17 + ${view}`)} AS user_id,
         make_timestamptz(epoch_us(${from}) + i + 1000000 * (hash(i * 19 + ${view}) % ${(DAYS - 1) * 86_400})::BIGINT) AS event_timestamp,
         ${features.join(', ')}
       FROM range(${load.rows}) t(i)`,
    )
  }
}

async function makeTable(lab: Lab, load: PitLoad, name: string, sql: string): Promise<void> {
  const { catalog, engine, now, newUuid } = lab
  const identifier = parseIdentifier(`pit.${name}`)
  const { tables } = pitPipeline(load)
  const { metadata } = await catalog.createTable({
    identifier,
    schema: parseTableSchema(tables[name]?.schema ?? {}),
  })
  const session = await engine.openSession()
  try {
    const { files } = await session.write(sql, {
      ...{ schema: currentSchema(metadata), spec: defaultSpec(metadata) },
      ...{ dataLocation: joinLocation(metadata.location, 'data'), orderBy: ['event_timestamp', 'user_id'] },
    })
    await commitTransaction({
      ...{ catalog, now, newUuid },
      changes: [{ identifier, snapshotId: lab.newSnapshotId(), change: { kind: 'append', files } }],
    })
  } finally {
    await session.close()
  }
}

/** Table → path of its one file, for those who read no Iceberg. */
export async function pitFiles(lab: Lab, load: PitLoad): Promise<Readonly<Record<string, string>>> {
  const tables = await lab.catalog.loadTables(
    Object.keys(pitPipeline(load).tables).map((name) => parseIdentifier(`pit.${name}`)),
  )
  const files = tables.map(async ({ identifier, metadata }): Promise<[string, string]> => {
    const { tasks } = await planScan({ metadata, io: lab.catalog.io })
    const [task, ...others] = tasks
    if (task === undefined || others.length > 0)
      throw new Error(`${identifier.name} has ${tasks.length} files`)
    return [identifier.name, toLocalPath(task.file.filePath)]
  })
  return Object.fromEntries(await Promise.all(files))
}
