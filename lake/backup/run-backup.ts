import { createWriteStream } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { join } from 'node:path'
import { formatIdentifier, type Catalog, type LoadedTable } from '../../iceberg/catalog/catalog.js'
import { openSqliteCatalog } from '../../iceberg/catalog/sqlite.js'
import { isIcebergError } from '../../iceberg/error.js'
import { inParallel } from '../../iceberg/io/in-parallel.js'
import { liesIn } from '../../iceberg/maintain/reachable-files.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import { isLedger } from '../../schemas/lake-tables.js'
import { nextRowNumber, queryLedger } from '../land/ledger.js'
import { alwaysTrue } from '../../iceberg/expr/expression.js'
import {
  CATALOG_DATABASE,
  FILES,
  HEADER,
  inLots,
  REGISTRY_DATABASE,
  readFiles,
  type BackedFile,
  type BackedPosition,
  type BackupHeader,
} from './backup-format.js'
import type { BackupPlace } from './backup-place.js'
import { copyDatabase } from './copy-database.js'
import { COPIES_AT_ONCE, copyOut } from './copy-file.js'
import { loadLake, neededFiles, type NeededFile } from './reachable-files.js'

/** The model registry, as far as a backup has to know it. */
export interface BackedRegistry {
  readonly path: string
  /** Of the database at a path: versions that can be used, and the artifacts of all that are kept. */
  readonly read: (path: string) => {
    readonly ready: readonly string[]
    readonly artifacts: readonly string[]
  }
}

export interface BackupSource {
  /** Absent: a server has the catalog. */
  readonly catalogPath?: string
  readonly catalogServer?: string
  readonly registry: BackedRegistry
}

/** How often maintenance or a deletion may come in between. */
const ROUNDS_MAX = 5

/**
 * Backs a lake up while it is used: its databases, what every table and source stands at, and the list of all files that
 * belong to it; with `data` the files as well, those that an earlier backup into this place copied left as they are. The
 * header is written last. Errors: FirnError `invalid-input` (the place is in the lake itself), `io` (a file is damaged),
 * `rebuild-needed` (files went while they were copied, again and again).
 */
export async function runBackup(
  deps: LakeDeps,
  source: BackupSource,
  to: { readonly place: BackupPlace; readonly data: boolean },
  control: RunControl = {},
): Promise<BackupHeader> {
  const { place } = to
  refuseWarehouse(deps, place)
  await mkdir(place.scratch, { recursive: true })
  await place.remove(HEADER)
  for (let round = 1; round <= ROUNDS_MAX; round += 1) {
    const artifacts = await copyDatabases(source, place.scratch)
    if (artifacts === undefined) continue
    const catalog = openCopy(deps, source, place.scratch)
    let header
    try {
      header = await backUpFiles({ ...deps, catalog }, source, { ...to, artifacts }, control)
    } catch (error) {
      // Maintenance has removed what the copied catalog still names: the newest one names it no more.
      if (!isIcebergError(error, 'not-found')) throw error
      control.onProgress?.(`a file went while it was read, the backup starts anew: ${error.message}`)
      continue
    } finally {
      if (catalog !== deps.catalog) catalog.close()
    }
    await takeIn(place, header, source)
    return header
  }
  throw new FirnError(
    'rebuild-needed',
    `files of the lake went ${ROUNDS_MAX} times while it was backed up; back it up when no maintenance runs, or look for lost files with \`firn restore --dry-run\``,
  )
}

function refuseWarehouse({ warehouse }: LakeDeps, { name }: BackupPlace): void {
  if (!liesIn(warehouse, `${name}/`)) return
  throw new FirnError(
    'invalid-input',
    `${name} lies in the lake's own warehouse, ${warehouse}, whose loss it is to outlive: name another place`,
  )
}

/** What was made beside the place goes there, the header last. */
async function takeIn(place: BackupPlace, header: BackupHeader, source: BackupSource): Promise<void> {
  const made = [REGISTRY_DATABASE, ...(source.catalogPath === undefined ? [] : [CATALOG_DATABASE]), FILES]
  for (const name of made) await place.take(join(place.scratch, name), name)
  const part = join(place.scratch, `${HEADER}.part`)
  await writeFile(part, `${JSON.stringify(header, null, 2)}\n`)
  await place.take(part, HEADER)
}

/**
 * First the registry: tags that a READY version needs are in any later catalog. A version that was deleted between the two
 * copies lost its tags: then undefined, and both are copied again.
 */
async function copyDatabases(source: BackupSource, folder: string): Promise<readonly string[] | undefined> {
  const copy = join(folder, REGISTRY_DATABASE)
  await copyDatabase(source.registry.path, copy)
  if (source.catalogPath !== undefined) await copyDatabase(source.catalogPath, join(folder, CATALOG_DATABASE))
  const { ready, artifacts } = source.registry.read(copy)
  const still = new Set(source.registry.read(source.registry.path).ready)
  return ready.every((version) => still.has(version)) ? artifacts : undefined
}

function openCopy(deps: LakeDeps, { catalogPath }: BackupSource, folder: string): Catalog {
  if (catalogPath === undefined) return deps.catalog
  const { catalog, warehouse, now, newUuid } = deps
  return openSqliteCatalog({
    path: join(folder, CATALOG_DATABASE),
    ...{ name: catalog.name, warehouse, io: catalog.io, now, newUuid },
  })
}

async function backUpFiles(
  deps: LakeDeps,
  source: BackupSource,
  to: { readonly place: BackupPlace; readonly data: boolean; readonly artifacts: readonly string[] },
  control: RunControl,
): Promise<BackupHeader> {
  const tables = await loadLake(deps)
  const listed = await listFiles(deps, tables, { folder: to.place.scratch, artifacts: to.artifacts })
  if (to.data) await copyFiles(deps, to.place, listed.files, control)
  return {
    format: 1,
    id: deps.newUuid(),
    takenAt: new Date(deps.now()).toISOString(),
    warehouse: deps.warehouse,
    catalog:
      source.catalogPath === undefined
        ? { kind: 'rest', uri: source.catalogServer ?? '' }
        : { kind: 'sqlite' },
    withData: to.data,
    ...listed,
    tables: tables.map(({ identifier, metadata, metadataLocation }) => ({
      table: formatIdentifier(identifier),
      uuid: metadata['table-uuid'],
      metadataLocation,
      snapshotId: headOf(metadata)?.['snapshot-id'].toString() ?? null,
      snapshots: metadata.snapshots.length,
    })),
    positions: await Promise.all(
      tables.filter(({ identifier }) => isLedger(identifier)).map((table) => positionOf(deps, table)),
    ),
  }
}

async function copyFiles(
  { catalog }: LakeDeps,
  place: BackupPlace,
  files: number,
  { onProgress, signal }: RunControl,
): Promise<void> {
  let copied = 0
  for await (const lot of inLots(readFiles(join(place.scratch, FILES)))) {
    await inParallel(lot, COPIES_AT_ONCE, async (file) => {
      if (signal?.aborted === true)
        throw new FirnError('cancelled', 'the backup was stopped; run again, it goes on')
      await copyOut(catalog.io, file, place)
      copied += 1
      if (copied % 100 === 0) onProgress?.(`${copied} of ${files} files`)
    })
  }
}

async function listFiles(
  deps: LakeDeps,
  tables: readonly LoadedTable[],
  { folder, artifacts }: { readonly folder: string; readonly artifacts: readonly string[] },
): Promise<{ readonly files: number; readonly bytes: number }> {
  const out = createWriteStream(join(folder, `${FILES}.part`))
  let [files, bytes] = [0, 0]
  const add = async (file: NeededFile): Promise<void> => {
    const size = file.bytes ?? (await deps.catalog.io.stat(file.location)).sizeBytes
    const line: BackedFile = { ...file, bytes: size }
    if (!out.write(`${JSON.stringify(line)}\n`)) await once(out, 'drain')
    files += 1
    bytes += size
  }
  try {
    for await (const file of neededFiles(deps, tables)) await add(file)
    for (const artifact of artifacts) {
      // Beside what is recorded lie the weights.
      const folder = artifact.slice(0, artifact.lastIndexOf('/') + 1)
      for await (const { location, sizeBytes } of deps.catalog.io.list(folder))
        await add({ owner: 'models', location, bytes: sizeBytes })
    }
  } finally {
    out.end()
    await once(out, 'close')
  }
  await rename(join(folder, `${FILES}.part`), join(folder, FILES))
  return { files, bytes }
}

async function positionOf(deps: LakeDeps, ledger: LoadedTable): Promise<BackedPosition> {
  const rows = await queryLedger(
    deps,
    ledger,
    alwaysTrue,
    `SELECT incarnation, partition, max(next_offset) AS next, max_by(last_record, next_offset) AS last
     FROM ledger GROUP BY ALL ORDER BY ALL`,
  )
  return {
    source: ledger.identifier.name,
    nextRow: await nextRowNumber(deps, ledger),
    partitions: rows.map((row) => ({
      incarnation: row['incarnation'] as string,
      partition: Number(row['partition']),
      next: Number(row['next']),
      lastRecord: typeof row['last'] === 'string' ? row['last'] : null,
    })),
  }
}
