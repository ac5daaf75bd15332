import { quoteName } from '../../engine/duckdb/sql-text.js'
import type { EngineSession } from '../../engine/engine.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { joinFeatures } from '../pit/join-features.js'
import { addRows, pinnedTables } from '../views/add-rows.js'
import { entityKeySql, observedAtSql, takesPartSql } from '../views/observations.js'
import type { ResolvedFeatures, ResolvedLabels, ResolvedRows } from '../views/resolved-view.js'
import { FEATURE_PREFIX } from './dataset-columns.js'

export interface ObservationsOptions {
  readonly session: EngineSession
  readonly features: ResolvedFeatures
  readonly labels: ResolvedLabels
  /** `namespace.table` → snapshot id, of all that both read. */
  readonly snapshots: Readonly<Record<string, string>>
  /** Observations after it don't take part; ISO-8601, UTC. */
  readonly asOf: string
  /** `labelled`: only those with a label that is old enough to be final. */
  readonly which: 'labelled' | 'all'
  /** Relation of (entity_key, event_timestamp, split). */
  readonly split?: string
}

/**
 * A relation of the observations of a label view with their features as they were known at each: the columns of
 * `dataset-columns.ts`. Returns its name; the rows have no order yet.
 */
export async function joinObservations(
  deps: Pick<LakeDeps, 'catalog'>,
  options: ObservationsOptions,
): Promise<string> {
  const { session, features, labels } = options
  const tables = await pinnedTables(deps, options.snapshots)
  const add = (name: string, rows: ResolvedRows): Promise<void> => addRows(session, { name, rows, tables })
  await add('label_rows', labels.rows)
  await session.addRelation({ kind: 'query', name: 'observations', sql: observationsSql(options) })
  await refuseTwins(session, labels)
  for (const view of features.views) await add(`view_${view.name}`, view.rows)
  await joinFeatures({
    session,
    entityRows: 'observations',
    timestampField: 'event_timestamp',
    views: features.views.map((view) => ({ view, relation: `view_${view.name}` })),
    features: features.features.map((feature) => ({
      ...feature,
      column: `${FEATURE_PREFIX}${feature.column}`,
    })),
    into: 'joined',
  })
  const columns = [
    ...['entity', 'event_timestamp', '"group"', 'split', 'batch', 'label'],
    ...features.features.map(({ column }) => quoteName(`${FEATURE_PREFIX}${column}`)),
  ]
  await session.addRelation({
    kind: 'query',
    name: 'dataset',
    sql: `SELECT ${columns.join(', ')} FROM joined`,
    lazy: true,
  })
  return 'dataset'
}

function observationsSql({ labels, asOf, which, split }: ObservationsOptions): string {
  const label = quoteName(labels.label)
  const value = labels.type === 'string' ? `CAST(${label} AS VARCHAR)` : `CAST(${label} AS DOUBLE)`
  const text = (column: string | undefined): string =>
    column === undefined ? 'CAST(NULL AS VARCHAR)' : `CAST(${quoteName(column)} AS VARCHAR)`
  const entities = `
    SELECT ${labels.joinKeys.map(quoteName).join(', ')}, ${entityKeySql(labels.joinKeys)} AS entity,
      ${observedAtSql(labels)} AS event_timestamp, coalesce(${text(labels.group)}, '') AS "group", ${text(labels.batch)} AS batch,
      ${value} AS label
    FROM label_rows
    WHERE ${takesPartSql(labels, asOf, which)}`
  return split === undefined
    ? `SELECT o.*, CAST(NULL AS VARCHAR) AS split FROM (${entities}) o`
    : `SELECT o.*, s.split FROM (${entities}) o
       LEFT JOIN ${quoteName(split)} s ON s.entity_key = o.entity AND s.event_timestamp = o.event_timestamp`
}

/** Two labels of one entity at one time would make it open which one a split or a score means. */
async function refuseTwins(session: EngineSession, labels: ResolvedLabels): Promise<void> {
  const { rows } = await session.query(
    `SELECT entity, CAST(event_timestamp AS VARCHAR) AS at FROM observations
     GROUP BY entity, event_timestamp HAVING count(*) > 1 ORDER BY entity, event_timestamp LIMIT 1`,
  )
  const [twin] = rows
  if (twin === undefined) return
  throw new FirnError(
    'config',
    `label view "${labels.name}" has the entity ${twin['entity'] as string} more than once at ${twin['at'] as string}. Give one row an entity and observation time: correct its SQL.`,
  )
}
