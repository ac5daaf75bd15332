import { quoteName } from '../../engine/duckdb/sql-text.js'
import type { EngineSession } from '../../engine/engine.js'
import { formatIdentifier, type LoadedTable } from '../../iceberg/catalog/catalog.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { FirnError } from '../../schemas/error.js'
import type { SplitDefinition } from '../../schemas/feature-definitions.js'
import { findPipeline } from '../../schemas/find-pipeline.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { SPLITS } from '../../schemas/lake-tables.js'
import { pinTables, type PinnedTag } from '../training/pin-training.js'
import { addRows, pinnedTables } from '../views/add-rows.js'
import { entityKeySql, observedAtSql, takesPartSql } from '../views/observations.js'
import type { ResolvedLabels } from '../views/resolved-view.js'
import { resolveLabels } from '../views/resolve-features.js'
import { addSplit, type SplitKey } from './add-split.js'
import { describeMethod } from './describe-method.js'

/** A split version as its pipeline defines it. */
export interface DefinedSplit extends SplitKey {
  readonly definition: SplitDefinition
  readonly labels: ResolvedLabels
  readonly method: string
}

/** The version of that name; `not-found` tells which there are. */
export function findSplit(deps: Pick<LakeDeps, 'pipelines'>, key: SplitKey): DefinedSplit {
  const pipeline = findPipeline(deps.pipelines, key.pipeline)
  const splits = pipeline.splits ?? {}
  const definition = Object.hasOwn(splits, key.split) ? splits[key.split] : undefined
  if (definition === undefined) {
    const known = Object.keys(splits).sort().join(', ') || 'none'
    throw new FirnError(
      'not-found',
      `pipeline "${key.pipeline}" defines no split "${key.split}"; known are: ${known}. Correct the name.`,
    )
  }
  const { pipeline: name, split } = key
  const labels = resolveLabels(pipeline, definition.labels)
  return { pipeline: name, split, definition, labels, method: describeMethod(definition) }
}

/** The tables of the label view at a tag: the given one, or that of the newest batch. */
export async function pinSplit(
  deps: Pick<LakeDeps, 'catalog'>,
  { labels, split }: DefinedSplit,
  at?: string,
): Promise<PinnedTag> {
  return await pinTables(deps, labels.tables, {
    ...(at === undefined ? {} : { at }),
    reader: `split "${split}"`,
  })
}

/**
 * Relations of a session: `labelled`, the observations that a training at the pin takes (with a label that is final), as
 * `entity_key`, `event_timestamp`, `group_key`, `class`; and `assigned`, the version's rows at the head of the table.
 */
export async function openSplit(
  deps: Pick<LakeDeps, 'catalog'>,
  session: EngineSession,
  of: { readonly split: DefinedSplit; readonly pin: PinnedTag; readonly table: LoadedTable },
): Promise<void> {
  const { split, pin, table } = of
  const { labels } = split
  const snapshots = Object.fromEntries(
    labels.tables.map((identifier) => {
      const name = formatIdentifier(identifier)
      return [name, pin.snapshots[name] ?? '']
    }),
  )
  const tables = await pinnedTables(deps, snapshots)
  await addRows(session, { name: 'label_view', rows: labels.rows, tables })
  await session.addRelation({ kind: 'query', name: 'labelled', sql: labelledSql(labels, pin.asOf) })
  const head = headOf(table.metadata)?.['snapshot-id'].toString()
  await addSplit(session, {
    ...{ name: 'assigned', split },
    table: { metadata: table.metadata, io: deps.catalog.io, snapshotId: head },
  })
  await refuseOtherMethod(session, split)
}

function labelledSql(labels: ResolvedLabels, asOf: string): string {
  const label = quoteName(labels.label)
  const group = labels.group === undefined ? 'NULL' : quoteName(labels.group)
  return `
    SELECT ${entityKeySql(labels.joinKeys)} AS entity_key, ${observedAtSql(labels)} AS event_timestamp,
      CAST(${group} AS VARCHAR) AS group_key, ${classSql(labels.type, label)} AS class
    FROM label_view
    WHERE ${takesPartSql(labels, asOf, 'labelled')}`
}

/** A class as text: 0 or 1, or its name; numbers have none. */
function classSql(type: ResolvedLabels['type'], label: string): string {
  if (type === 'double') return `CAST(NULL AS VARCHAR)`
  return type === 'string' ? `CAST(${label} AS VARCHAR)` : `CAST(CAST(${label} AS INTEGER) AS VARCHAR)`
}

/** Rows that were assigned by another method would make one name mean two splits. */
async function refuseOtherMethod(session: EngineSession, split: DefinedSplit): Promise<void> {
  const { rows } = await session.query(
    'SELECT DISTINCT label_view, method, split_seed FROM assigned ORDER BY ALL',
  )
  const { labels, method, definition } = split
  const other = rows.find(
    (row) =>
      row['label_view'] !== labels.name ||
      row['method'] !== method ||
      row['split_seed'] !== BigInt(definition.seed),
  )
  if (other === undefined) return
  const was = `${other['method'] as string}, seed ${other['split_seed'] as bigint}, of ${other['label_view'] as string}`
  throw new FirnError(
    'definition-changed',
    `split "${split.split}" of pipeline "${split.pipeline}" has rows by ${was}, but is defined as ${method}, seed ${definition.seed}, of ${labels.name}. Give the new one a name of its own in ${formatIdentifier(SPLITS)}, or restore the definition.`,
  )
}
