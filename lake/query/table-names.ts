import { formatIdentifier, parseIdentifier, type LoadedTable } from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { nearNames } from './near-names.js'

/** Every table of the lake as `namespace.name`, sorted. */
export async function tableNames(deps: Pick<LakeDeps, 'catalog'>): Promise<readonly string[]> {
  const names: string[] = []
  for (const namespace of await deps.catalog.listNamespaces()) {
    names.push(...(await deps.catalog.listTables(namespace)).map(formatIdentifier))
  }
  return names.sort()
}

/** The table of that name; FirnError `not-found` with names like it. */
export async function loadNamedTable(deps: Pick<LakeDeps, 'catalog'>, name: string): Promise<LoadedTable> {
  try {
    return await deps.catalog.loadTable(parseIdentifier(name))
  } catch (error) {
    if (!isIcebergError(error, 'not-found') && !isIcebergError(error, 'invalid-argument')) throw error
    const near = nearNames(name, await tableNames(deps))
    throw new FirnError('not-found', `there is no table ${name}${near}`, { cause: error })
  }
}
