import {
  formatIdentifier,
  parseIdentifier,
  type LoadedTable,
  type TableIdentifier,
} from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { VersionKey } from './version-store.js'

export type TagDeps = Pick<LakeDeps, 'catalog' | 'now' | 'newUuid'>

/** A version and what its tag is on: `namespace.table` → snapshot id. */
export interface TaggedVersion extends VersionKey {
  readonly snapshots: Readonly<Record<string, string>>
}

/** The tag that keeps a version's inputs. */
export function modelTag({ model, version }: VersionKey): string {
  return `model-${model}-${version}-data`
}

/**
 * Drops the tags of versions, all in one transaction, and returns the versions that had any. A tag of that name which
 * points elsewhere on any input is another registry's and stays; tables that are gone have none.
 */
export async function freeTags(
  deps: TagDeps,
  versions: readonly TaggedVersion[],
): Promise<readonly VersionKey[]> {
  const names = [...new Set(versions.flatMap(({ snapshots }) => Object.keys(snapshots)))]
  const loaded = await loadPresent(deps, names.map(parseIdentifier))
  const tables = new Map(loaded.map((table) => [formatIdentifier(table.identifier), table]))
  const drops = new Map<string, string[]>()
  const freed = versions.filter((version) => {
    const tagged = taggedInputs(tables, version)
    for (const table of tagged) drops.set(table, [...(drops.get(table) ?? []), modelTag(version)])
    return tagged.length > 0
  })
  if (drops.size > 0) {
    await changeRefs({
      ...{ catalog: deps.catalog, now: deps.now, newUuid: deps.newUuid },
      tables: [...drops].map(([table, tags]) => ({
        identifier: parseIdentifier(table),
        changes: tags.map((name) => ({ kind: 'drop' as const, name })),
      })),
    })
  }
  return freed.map(({ model, version }) => ({ model, version }))
}

/** The inputs that have the version's tag, if it is this version's everywhere. */
function taggedInputs(tables: ReadonlyMap<string, LoadedTable>, version: TaggedVersion): readonly string[] {
  const tagged = Object.entries(version.snapshots).flatMap(([table, snapshotId]) => {
    const ref = tables.get(table)?.metadata.refs[modelTag(version)]
    return ref === undefined ? [] : [{ table, isOurs: String(ref['snapshot-id']) === snapshotId }]
  })
  return tagged.every(({ isOurs }) => isOurs) ? tagged.map(({ table }) => table) : []
}

async function loadPresent(
  { catalog }: TagDeps,
  identifiers: readonly TableIdentifier[],
): Promise<readonly LoadedTable[]> {
  try {
    return await catalog.loadTables(identifiers)
  } catch (error) {
    if (!isIcebergError(error, 'not-found')) throw error
    const each = identifiers.map(async (identifier) => {
      try {
        return [await catalog.loadTable(identifier)]
      } catch (gone) {
        if (isIcebergError(gone, 'not-found')) return []
        throw gone
      }
    })
    return (await Promise.all(each)).flat()
  }
}
