import { formatIdentifier, parseIdentifier, type LoadedTable } from '../../iceberg/catalog/catalog.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { filesOf, reachableManifests } from '../../iceberg/maintain/reachable-files.js'
import { gtEq } from '../../iceberg/expr/expression.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { isLedger } from '../../schemas/lake-tables.js'
import { queryLedger } from '../land/ledger.js'
import { rawKeptFrom } from '../land/raw-kept-from.js'
import { tableNames } from '../query/table-names.js'

/** A file that a restored lake needs; the size is not always recorded. */
export interface NeededFile {
  readonly owner: string
  readonly location: string
  readonly bytes?: number
  readonly sha256?: string
}

/** Every table as one catalog read shows it. */
export async function loadLake(deps: Pick<LakeDeps, 'catalog'>): Promise<readonly LoadedTable[]> {
  return await deps.catalog.loadTables((await tableNames(deps)).map(parseIdentifier))
}

/** What the tables' retained snapshots need, and the raw objects that their ledgers name. Memory: one string a file of a table. */
export async function* neededFiles(
  deps: Pick<LakeDeps, 'catalog' | 'engine'>,
  tables: readonly LoadedTable[],
): AsyncIterable<NeededFile> {
  for (const table of tables) {
    yield* filesOfTable(deps.catalog.io, table)
    if (isLedger(table.identifier)) yield* rawObjects(deps, table)
  }
}

async function* filesOfTable(io: FileIO, table: LoadedTable): AsyncIterable<NeededFile> {
  const { metadata, metadataLocation } = table
  const owner = formatIdentifier(table.identifier)
  yield { owner, location: metadataLocation }
  const { manifestLists, manifests } = await reachableManifests(io, metadata, metadata.snapshots)
  for (const location of manifestLists) yield { owner, location }
  const named = new Set<string>()
  for (const manifest of manifests.values()) {
    yield { owner, location: manifest.manifestPath, bytes: manifest.manifestLength }
    for (const [location, bytes] of await filesOf(io, metadata, [manifest], { live: true })) {
      if (named.has(location)) continue
      named.add(location)
      yield { owner, location, bytes }
    }
  }
  const statistics = [...(metadata.statistics ?? []), ...(metadata['partition-statistics'] ?? [])]
  for (const file of statistics) yield { owner, location: file['statistics-path'] }
}

async function* rawObjects(
  deps: Pick<LakeDeps, 'catalog' | 'engine'>,
  ledger: LoadedTable,
): AsyncIterable<NeededFile> {
  const from = rawKeptFrom(ledger)
  const rows = await queryLedger(
    deps,
    ledger,
    gtEq('row_number', BigInt(from)),
    `SELECT path, any_value(sha256) AS sha256 FROM ledger
     WHERE row_number >= ${from} AND sha256 <> '' GROUP BY path ORDER BY min(row_number)`,
  )
  for (const row of rows) {
    yield {
      owner: formatIdentifier(ledger.identifier),
      location: row['path'] as string,
      sha256: row['sha256'] as string,
    }
  }
}
