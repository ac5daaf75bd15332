import { formatIdentifier, type TableIdentifier } from '../../iceberg/catalog/catalog.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { sourceIdsName, SPLIT_KEY, SPLITS } from '../../schemas/lake-tables.js'

/** Columns that name a row of a pipeline's table or of the splits; undefined for tables that nothing defines. */
export function keyOf(
  deps: Pick<LakeDeps, 'pipelines'>,
  identifier: TableIdentifier,
): readonly string[] | undefined {
  if (formatIdentifier(identifier) === formatIdentifier(SPLITS)) return SPLIT_KEY
  for (const pipeline of deps.pipelines.values()) {
    if (pipeline.namespace !== identifier.namespace) continue
    if (Object.hasOwn(pipeline.tables, identifier.name)) return pipeline.tables[identifier.name]?.key
    const source = Object.keys(pipeline.sources).find((name) => sourceIdsName(name) === identifier.name)
    if (source !== undefined) return ['record_id']
  }
  return undefined
}
