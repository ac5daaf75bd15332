import { formatIdentifier, type Properties, type TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { nameOfFolder } from '../../iceberg/catalog/name.js'
import { sameLocation } from '../../iceberg/maintain/reachable-files.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { TableUpdate } from '../../iceberg/update/table-update.js'
import type { ViewUpdate } from '../../iceberg/view/view-metadata.js'
import { mayAccess, type Principal } from './access.js'
import type { CatalogService } from './call.js'
import { isInside } from './fenced-file-io.js'
import { Problem } from './problem.js'

/** Properties that send files elsewhere. */
const PATHS = [
  'write.metadata.path',
  'write.data.path',
  'write.object-storage.path',
  'write.folder-storage.path',
]

/**
 * A location that a client gave must lie under a root of the server. Inside the warehouse it must moreover lie in the folder
 * of a namespace that the client may write: else one could take over, and delete, the tables of others.
 */
export function requireLocation(
  { fence, warehouse }: CatalogService,
  who: Principal,
  location: string | undefined,
  identifier: TableIdentifier,
): void {
  if (location === undefined) return
  if (!isInside(fence, location)) refuse(location, identifier, 'outside of the folders that this server uses')
  const inside = folderIn(warehouse, location)
  if (inside !== undefined && !mayAccess(who, inside, 'write'))
    refuse(location, identifier, `in the folder of namespace ${inside}, which ${who.name} may not write`)
}

export function requireProperties(
  service: CatalogService,
  who: Principal,
  properties: Properties,
  identifier: TableIdentifier,
): void {
  for (const key of PATHS) requireLocation(service, who, properties[key], identifier)
}

export function requireUpdates(
  service: CatalogService,
  who: Principal,
  updates: readonly (TableUpdate | ViewUpdate)[],
  identifier: TableIdentifier,
): void {
  for (const update of updates) {
    if (update.action === 'set-location') requireLocation(service, who, update.location, identifier)
    if (update.action === 'set-properties') requireProperties(service, who, update.updates, identifier)
  }
}

/** What the metadata of a table names before it is taken in: the server will write beside it. */
export function requireMetadata(
  service: CatalogService,
  who: Principal,
  metadata: TableMetadata,
  identifier: TableIdentifier,
): void {
  requireLocation(service, who, metadata.location, identifier)
  requireProperties(service, who, metadata.properties, identifier)
  requireLog(service, who, metadata, identifier)
}

/**
 * Files that fall off the log are deleted by the server where the table asks for it. Whoever can write files can put those of
 * others into a log.
 */
export function requireLog(
  service: CatalogService,
  who: Principal,
  metadata: TableMetadata,
  identifier: TableIdentifier,
): void {
  for (const entry of metadata['metadata-log'])
    requireLocation(service, who, entry['metadata-file'], identifier)
}

/** The folder of the warehouse that a location lies in: tables lie in the one that is named as their namespace. */
function folderIn(warehouse: string, location: string): string | undefined {
  const root = `${sameLocation(warehouse).replace(/\/+$/, '')}/`
  const plain = sameLocation(location)
  return plain.startsWith(root) ? nameOfFolder(plain.slice(root.length).split('/')[0] ?? '') : undefined
}

function refuse(location: string, identifier: TableIdentifier, why: string): never {
  throw new Problem(
    403,
    'ForbiddenException',
    `${formatIdentifier(identifier)} can't use location ${location}: it lies ${why}`,
  )
}
