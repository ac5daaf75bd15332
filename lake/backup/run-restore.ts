import { existsSync } from 'node:fs'
import { copyFile, mkdir, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Catalog } from '../../iceberg/catalog/catalog.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { inParallel } from '../../iceberg/io/in-parallel.js'
import { FirnError } from '../../schemas/error.js'
import type { RunControl } from '../../schemas/lake-deps.js'
import { isLedger } from '../../schemas/lake-tables.js'
import { joinLocation } from '../../iceberg/io/location.js'
import { CATALOG_DATABASE, REGISTRY_DATABASE } from './backup-format.js'
import type { BackupPlace } from './backup-place.js'
import { closeDatabase } from './copy-database.js'
import { COPIES_AT_ONCE, copyBack } from './copy-file.js'
import { byOwner, planRestore, type RestorePlan } from './plan-restore.js'
import { loadLake } from './reachable-files.js'

export interface RestoreTarget {
  readonly io: FileIO
  readonly warehouse: string
  readonly catalogPath: string
  readonly registryPath: string
  /** Opens the restored catalog. */
  readonly open: () => Catalog
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export interface RestoreOptions {
  readonly place: BackupPlace
  /** Replaces a lake that is there (its databases are kept beside it), and restores what can be where files are missing. */
  readonly force: boolean
}

/** Property of each ledger: the id of the backup that its lake was restored from last. */
const RESTORED_FROM = 'firn.restored-from'

/**
 * Puts a lake back as a backup has it: first the files that are gone, then the registry, last the catalog. Killed in
 * between it is simply run again. What the lost lake had begun is forgotten: its landing plans and staged tables tell of
 * ledger rows that are no more. Landing goes on from the restored ledger, whose last records it compares with the
 * source's. Errors: FirnError `invalid-input` (a lake is there, or in use, or lies elsewhere), `not-found` (files are
 * missing).
 */
export async function runRestore(
  target: RestoreTarget,
  { place, force }: RestoreOptions,
  { onProgress }: RunControl = {},
): Promise<RestorePlan> {
  const plan = await planRestore(target.io, place)
  refuse(target, plan, { place, force })
  const stamp = new Date(target.now()).toISOString().slice(0, 19).replace(/[-:]/g, '')
  for (const path of [target.catalogPath, target.registryPath])
    await setAside(path, `${path}.before-restore-${stamp}`)
  let done = 0
  await inParallel(plan.broughtBack, COPIES_AT_ONCE, async (file) => {
    await copyBack(target.io, file, place)
    done += 1
    if (done % 100 === 0) onProgress?.(`${done} of ${plan.broughtBack.length} files`)
  })
  await forgetUnfinished(target)
  await place.withFile(REGISTRY_DATABASE, (path) => putInPlace(path, target.registryPath))
  await place.withFile(CATALOG_DATABASE, (path) => putInPlace(path, target.catalogPath))
  await markRestored(target, plan.header.id)
  return plan
}

function refuse(
  target: RestoreTarget,
  { header, missing }: RestorePlan,
  { place, force }: RestoreOptions,
): void {
  if (header.catalog.kind === 'rest') {
    throw new FirnError(
      'invalid-input',
      `the catalog of this backup is the server's at ${header.catalog.uri}, whose database is not in it: restore that with the server's own means. ` +
        `${REGISTRY_DATABASE} in ${place.name} is the model registry, and backup.json says each table's metadata location, by which \`register_table\` of any engine brings a single table back.`,
    )
  }
  if (header.warehouse !== target.warehouse) {
    throw new FirnError(
      'invalid-input',
      `the backup is of a lake whose files lie in ${header.warehouse}, which tables name in full, and this one's are to lie in ${target.warehouse}: set FIRN_WAREHOUSE=${header.warehouse}`,
    )
  }
  if (existsSync(target.catalogPath) && !force) {
    throw new FirnError(
      'invalid-input',
      `there is a lake already: ${target.catalogPath}. Name another FIRN_HOME, or say --force: its databases are kept beside the restored ones then.`,
    )
  }
  for (const path of [target.catalogPath, target.registryPath]) if (existsSync(path)) closeDatabase(path)
  if (missing.length === 0 || force) return
  const owners = byOwner(missing)
  const some = owners.slice(0, 5).map((one) => `${one.owner} (${one.files} files)`)
  throw new FirnError(
    'not-found',
    `${missing.length} files that the lake needs are neither in the store nor in the backup: ${some.join(', ')}${owners.length > 5 ? ', …' : ''}, such as ${missing[0]?.location ?? ''}. ` +
      "Put them back, or say --force to restore what there is: snapshots that need them can't be read.",
    { context: { missing: missing.length } },
  )
}

async function setAside(path: string, aside: string): Promise<void> {
  if (!existsSync(path)) return
  for (const suffix of ['-wal', '-shm']) await rm(path + suffix, { force: true })
  await rename(path, aside)
}

async function putInPlace(from: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await copyFile(from, `${path}.part`)
  await rename(`${path}.part`, path)
}

/** Plans and stages of landings, builds and streams. The files that they name are orphans then, for maintenance. */
async function forgetUnfinished({ io, warehouse }: RestoreTarget): Promise<void> {
  for (const folder of ['_landing', '_staging']) {
    for await (const { location } of io.list(joinLocation(warehouse, folder, ''))) await io.delete(location)
  }
}

async function markRestored({ open }: RestoreTarget, backup: string): Promise<void> {
  const catalog = open()
  try {
    const ledgers = (await loadLake({ catalog })).filter(({ identifier }) => isLedger(identifier))
    if (ledgers.length === 0) return
    await catalog.commit(
      ledgers.map(({ identifier }) => ({
        identifier,
        requirements: [],
        updates: [{ action: 'set-properties', updates: { [RESTORED_FROM]: backup } }],
      })),
    )
  } finally {
    catalog.close()
  }
}
