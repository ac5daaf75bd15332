import { formatIdentifier, type LoadedTable } from '../../iceberg/catalog/catalog.js'
import { ifFound } from '../../iceberg/error.js'
import { findPipeline } from '../../schemas/find-pipeline.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier, sourceIdsName } from '../../schemas/lake-tables.js'

/** The tables of a pipeline that are there, from one catalog read: its own, its sources' built record ids, its audit table. */
export async function pipelineTables(
  deps: Pick<LakeDeps, 'catalog' | 'pipelines'>,
  name: string,
): Promise<readonly LoadedTable[]> {
  const { namespace, tables, sources } = findPipeline(deps.pipelines, name)
  const names = [...Object.keys(tables), ...Object.keys(sources).map(sourceIdsName)]
  const wanted = [...names.map((table) => ({ namespace, name: table })), auditIdentifier(namespace)]
  const there = new Set(((await ifFound(deps.catalog.listTables(namespace))) ?? []).map(formatIdentifier))
  return await deps.catalog.loadTables(wanted.filter((table) => there.has(formatIdentifier(table))))
}
