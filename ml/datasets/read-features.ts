import type { EngineSession, Row, RowValue } from '../../engine/engine.js'
import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { FeatureRow } from './dataset.js'
import type { ResolvedModel } from './model-of.js'

export interface EntityFeatures extends FeatureRow {
  readonly label: 0 | 1 | null
  /** Of the column `batch`, where the SQL has one: the batch that the entity came with. */
  readonly batch: string | null
}

/** More entities than this belong into another kind of training. */
const ENTITIES_MAX = 1_000_000

/** Runs the model's feature SQL on its tables at the given snapshot ids; one row an entity, ordered by entity. */
export async function readFeatures(
  deps: LakeDeps,
  model: ResolvedModel,
  snapshots: Readonly<Record<string, string>>,
): Promise<readonly EntityFeatures[]> {
  const session = await deps.engine.openSession()
  try {
    await addTables(deps, session, model, snapshots)
    const { columns, rows } = await session.query(model.sql, { limit: ENTITIES_MAX })
    checkColumns(
      model,
      columns.map((column) => column.name),
    )
    const features = rows.map((row) => toFeatures(model, row))
    features.sort((a, b) => (a.entity < b.entity ? -1 : a.entity > b.entity ? 1 : 0))
    const doubled = features.find((row, at) => row.entity === features[at + 1]?.entity)
    if (doubled !== undefined) throw wrong(model, `gives the entity "${doubled.entity}" more than once`)
    return features
  } finally {
    await session.close()
  }
}

async function addTables(
  deps: LakeDeps,
  session: EngineSession,
  model: ResolvedModel,
  snapshots: Readonly<Record<string, string>>,
): Promise<void> {
  for (const { identifier, metadata } of await deps.catalog.loadTables(model.tables)) {
    const snapshotId = snapshots[formatIdentifier(identifier)]
    if (snapshotId === undefined) {
      throw new FirnError(
        'definition-changed',
        `model "${model.name}" now reads ${formatIdentifier(identifier)}, which is not pinned. Train it again.`,
      )
    }
    const { schema, tasks } = await planScan({
      metadata,
      io: deps.catalog.io,
      target: { kind: 'snapshot', snapshotId: BigInt(snapshotId) },
      metrics: 'filter',
    })
    await session.addRelation({ kind: 'scan', name: identifier.name, schema, tasks, metadata })
  }
}

function checkColumns(model: ResolvedModel, columns: readonly string[]): void {
  const needed = ['entity', 'group', 'label', ...model.definition.numeric, ...model.definition.categorical]
  const missing = needed.filter((column) => !columns.includes(column))
  if (missing.length > 0) throw wrong(model, `has no column ${missing.join(', ')}`)
}

function toFeatures(model: ResolvedModel, row: Row): EntityFeatures {
  const entity = toText(row.entity)
  if (entity === null) throw wrong(model, 'gives a null entity')
  const label = toNumber(model, 'label', row.label)
  if (label !== null && label !== 0 && label !== 1) {
    throw wrong(
      model,
      `gives the label ${label} for the entity "${entity}"; a label is 0, 1, a boolean or null`,
    )
  }
  return {
    entity,
    group: toText(row.group) ?? '',
    label,
    batch: toText(row.batch),
    numeric: model.definition.numeric.map((column) => toNumber(model, column, row[column])),
    categorical: model.definition.categorical.map((column) => toText(row[column])),
  }
}

/** Not-a-number and infinities count as missing. */
function toNumber(model: ResolvedModel, column: string, value: RowValue | undefined): number | null {
  if (value === null || value === undefined) return null
  if (typeof value !== 'number' && typeof value !== 'bigint' && typeof value !== 'boolean') {
    throw wrong(model, `gives ${JSON.stringify(value)} in the numeric column ${column}`)
  }
  const number = Number(value)
  return Number.isFinite(number) ? number : null
}

function toText(value: RowValue | undefined): string | null {
  if (value === null || value === undefined) return null
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function wrong(model: ResolvedModel, what: string): FirnError {
  return new FirnError(
    'config',
    `the feature SQL ${model.definition.features} of model "${model.name}" ${what}. Correct the SQL or the model's definition.`,
  )
}
