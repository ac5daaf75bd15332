import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { join } from 'node:path'
import { formatIdentifier, type Catalog, type LoadedTable } from '../../iceberg/catalog/catalog.js'
import { openSqliteCatalog } from '../../iceberg/catalog/sqlite.js'
import { isIcebergError } from '../../iceberg/error.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import { isLedger } from '../../schemas/lake-tables.js'
import { nextRowNumber, queryLedger } from '../land/ledger.js'
import { alwaysTrue } from '../../iceberg/expr/expression.js'
import {
  copyPath,
  FILES,
  HEADER,
  readFiles,
  type BackedFile,
  type BackedPosition,
  type BackupHeader,
} from './backup-format.js'
import { copyDatabase } from './copy-database.js'
import { copyOut } from './copy-file.js'
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
 * Backs a lake up into a local folder while it is used: its databases, what every table and source stands at, and the list
 * of all files that belong to it; with `data` the files as well, those that an earlier backup into this folder copied left
 * as they are. The header is written last. Errors: FirnError `io` (a file is damaged), `rebuild-needed` (files went while
 * they were copied, again and again).
 */
export async function runBackup(
  deps: LakeDeps,
  source: BackupSource,
  to: { readonly folder: string; readonly data: boolean },
  control: RunControl = {},
): Promise<BackupHeader> {
  const { folder } = to
  await mkdir(folder, { recursive: true })
  await rm(join(folder, HEADER), { force: true })
  for (let round = 1; round <= ROUNDS_MAX; round += 1) {
    const artifacts = await copyDatabases(source, folder)
    if (artifacts === undefined) continue
    const catalog = openCopy(deps, source, folder)
    try {
      const header = await backUpFiles({ ...deps, catalog }, source, { ...to, artifacts }, control)
      await writeFile(join(folder, `${HEADER}.part`), `${JSON.stringify(header, null, 2)}\n`)
      await rename(join(folder, `${HEADER}.part`), join(folder, HEADER))
      return header
    } catch (error) {
      // Maintenance has removed what the copied catalog still names: the newest one names it no more.
      if (!isIcebergError(error, 'not-found')) throw error
      control.onProgress?.(`a file went while it was read, the backup starts anew: ${error.message}`)
    } finally {
      if (catalog !== deps.catalog) catalog.close()
    }
  }
  throw new FirnError(
    'rebuild-needed',
    `files of the lake went ${ROUNDS_MAX} times while it was backed up; back it up when no maintenance runs, or look for lost files with \`firn restore --dry-run\``,
  )
}

/**
 * First the registry: tags that a READY version needs are in any later catalog. A version that was deleted between the two
 * copies lost its tags: then undefined, and both are copied again.
 */
async function copyDatabases(source: BackupSource, folder: string): Promise<readonly string[] | undefined> {
  const copy = join(folder, 'registry.db')
  await copyDatabase(source.registry.path, copy)
  if (source.catalogPath !== undefined) await copyDatabase(source.catalogPath, join(folder, 'catalog.db'))
  const { ready, artifacts } = source.registry.read(copy)
  const still = new Set(source.registry.read(source.registry.path).ready)
  return ready.every((version) => still.has(version)) ? artifacts : undefined
}

function openCopy(deps: LakeDeps, { catalogPath }: BackupSource, folder: string): Catalog {
  if (catalogPath === undefined) return deps.catalog
  const { catalog, warehouse, now, newUuid } = deps
  return openSqliteCatalog({
    path: join(folder, 'catalog.db'),
    ...{ name: catalog.name, warehouse, io: catalog.io, now, newUuid },
  })
}

async function backUpFiles(
  deps: LakeDeps,
  source: BackupSource,
  to: { readonly folder: string; readonly data: boolean; readonly artifacts: readonly string[] },
  { onProgress, signal }: RunControl,
): Promise<BackupHeader> {
  const { folder } = to
  const tables = await loadLake(deps)
  const listed = await listFiles(deps, tables, to)
  let copied = 0
  if (to.data) {
    for await (const file of readFiles(folder)) {
      if (signal?.aborted === true)
        throw new FirnError('cancelled', 'the backup was stopped; run again, it goes on')
      await copyOut(deps.catalog.io, file, copyPath(folder, file.location))
      copied += 1
      if (copied % 100 === 0) onProgress?.(`${copied} of ${listed.files} files`)
    }
  }
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
