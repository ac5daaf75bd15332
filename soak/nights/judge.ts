import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { toLocalPath } from '../../iceberg/io/location.js'
import { filesOf, reachableManifests } from '../../iceberg/maintain/reachable-files.js'
import { ancestorsOf, headOf } from '../../iceberg/spec/refs.js'
import { runSql } from '../../lake/query/sql.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { NightsLake } from './nights-lake.js'
import { NAMESPACE, TABLES, type ShopTable } from './shop.js'
import type { ShopModel } from './shop-model.js'

export interface Verdict {
  readonly lost: number
  readonly doubled: number
  /** Files that a snapshot names and that are not there. */
  readonly missingFiles: number
  readonly problems: readonly string[]
}

export interface Sizes {
  /** Largest of all tables. */
  readonly snapshots: number
  readonly metadataFiles: number
  /**
   * Bytes of data files that are there, less those that only tags, branches and the ledger's hundred last snapshots need,
   * by those that the heads need.
   */
  readonly diskRatio: number
}

const ROWS: Readonly<Record<ShopTable, string>> = {
  orders: 'id, day, "user", amount, processing_batch_id',
  items: 'o.id, i.line, i.item, i.processing_batch_id',
  users: '"user", first_order, processing_batch_id',
  days: 'day, orders, amount',
}

/** Compares every row of every table with the model's, at the head. */
export async function judgeRows(deps: LakeDeps, model: ShopModel): Promise<Verdict> {
  if (model.batches().length === 0) return { lost: 0, doubled: 0, missingFiles: 0, problems: [] }
  const expected = model.digests()
  const problems: string[] = []
  let [lost, doubled] = [0, 0]
  for (const table of TABLES) {
    if ((await digestAt(deps, table)) === expected[table]) continue
    const [is, shall] = [await rowsAt(deps, table), model.contents()[table]]
    const [missing, more] = [without(shall, is), without(is, shall)]
    lost += missing.length
    doubled += more.length
    problems.push(
      `${table}: lost ${missing.slice(0, 3).join(', ')} (${missing.length}), too many ${more.slice(0, 3).join(', ')} (${more.length})`,
    )
  }
  return { lost, doubled, missingFiles: 0, problems }
}

/** Every table at some of the tags that are kept, as it was when they were set. */
export async function judgeTags(deps: LakeDeps, model: ShopModel, tags: readonly string[]): Promise<Verdict> {
  const problems: string[] = []
  for (const tag of tags) {
    const expected = model.tagged.get(tag)
    for (const table of TABLES) {
      const is = await digestAt(deps, table, tag)
      if (expected !== undefined && is !== expected[table])
        problems.push(`${table} at ${tag}: ${is} instead of ${expected[table]}`)
    }
  }
  return { lost: problems.length, doubled: 0, missingFiles: 0, problems }
}

/** Batch tags that all tables have. */
export async function tagsOf(deps: LakeDeps): Promise<readonly string[]> {
  const tables = await deps.catalog.loadTables(TABLES.map((name) => ({ namespace: NAMESPACE, name })))
  const [first, ...others] = tables.map((table) => Object.keys(table.metadata.refs))
  return (first ?? []).filter((name) => name.startsWith('v_') && others.every((refs) => refs.includes(name)))
}

/** Whether every file that any snapshot of any table names is there, and how much there is. */
export async function judgeFiles(lake: NightsLake): Promise<Verdict & Sizes> {
  const { deps } = lake
  const problems: string[] = []
  let [snapshots, metadataFiles, live, kept] = [0, 0, 0, 0]
  for (const table of await allTables(deps)) {
    const { metadata } = table
    const needed = await filesOfSnapshots(deps, table, metadata.snapshots)
    for (const location of needed.keys())
      if (!existsSync(toLocalPath(location))) problems.push(`${nameOf(table)} lacks ${location}`)
    const head = headOf(metadata)
    const heads = await filesOfSnapshots(deps, table, head === undefined ? [] : [head])
    live += sum(heads.values())
    for (const [location, bytes] of await filesOfSnapshots(deps, table, keptSnapshots(table)))
      if (!heads.has(location)) kept += bytes
    snapshots = Math.max(snapshots, metadata.snapshots.length)
    const folder = join(toLocalPath(metadata.location), 'metadata')
    metadataFiles = Math.max(
      metadataFiles,
      readdirSync(folder).filter((name) => name.endsWith('.metadata.json')).length,
    )
  }
  const disk = parquetBytes(lake.warehouse)
  return {
    ...{ lost: 0, doubled: 0, missingFiles: problems.length, problems: problems.slice(0, 10) },
    ...{ snapshots, metadataFiles, diskRatio: (disk - kept) / Math.max(live, 1) },
  }
}

/** Those of refs, and those of main that the table says to keep however old they are. */
function keptSnapshots({ metadata }: LoadedTable): LoadedTable['metadata']['snapshots'] {
  const head = headOf(metadata)
  const least = Number(metadata.properties['history.expire.min-snapshots-to-keep'] ?? 1)
  const main = head === undefined ? [] : [...ancestorsOf(metadata, head['snapshot-id'])].slice(0, least)
  const refs = Object.values(metadata.refs).map((ref) => ref['snapshot-id'])
  const ids = new Set([...refs, ...main.map((snapshot) => snapshot['snapshot-id'])])
  return metadata.snapshots.filter((snapshot) => ids.has(snapshot['snapshot-id']))
}

async function allTables({ catalog }: LakeDeps): Promise<readonly LoadedTable[]> {
  const names = await catalog.listNamespaces()
  const tables = await Promise.all(names.map((namespace) => catalog.listTables(namespace)))
  return await catalog.loadTables(tables.flat())
}

async function filesOfSnapshots(
  { catalog: { io } }: LakeDeps,
  { metadata }: LoadedTable,
  snapshots: LoadedTable['metadata']['snapshots'],
): Promise<ReadonlyMap<string, number>> {
  const { manifests } = await reachableManifests(io, metadata, snapshots)
  return await filesOf(io, metadata, manifests.values(), { live: true })
}

function nameOf(table: LoadedTable): string {
  return formatIdentifier(table.identifier)
}

/** Raw objects are newline JSON, so these are the files of tables alone. */
function parquetBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.parquet'))
    .reduce((bytes, entry) => bytes + statSync(join(entry.parentPath, entry.name)).size, 0)
}

function sum(values: Iterable<number>): number {
  return [...values].reduce((total, value) => total + value, 0)
}

async function digestAt(deps: LakeDeps, table: ShopTable, at?: string): Promise<string> {
  const sql = `SELECT count(*) || ' ' || md5(coalesce(string_agg(r, chr(10) ORDER BY r), '')) AS digest FROM (${rowsSql(table)})`
  const { rows } = await runSql(deps, { sql, ...(at === undefined ? {} : { at }) })
  return rows[0]?.['digest'] as string
}

async function rowsAt(deps: LakeDeps, table: ShopTable): Promise<readonly string[]> {
  const { rows } = await runSql(deps, { sql: rowsSql(table) })
  return rows.map((row) => row['r'] as string)
}

function rowsSql(table: ShopTable): string {
  const from =
    table === 'items'
      ? `${NAMESPACE}.items i JOIN ${NAMESPACE}.orders o ON o.order_id = i.order_id`
      : `${NAMESPACE}.${table}`
  return `SELECT concat_ws('|', ${ROWS[table]}) AS r FROM ${from}`
}

/** Rows of the one that the other lacks, as often as it lacks them. */
function without(rows: readonly string[], others: readonly string[]): readonly string[] {
  const counts = new Map<string, number>()
  for (const row of others) counts.set(row, (counts.get(row) ?? 0) + 1)
  return rows.filter((row) => {
    const count = counts.get(row) ?? 0
    counts.set(row, count - 1)
    return count <= 0
  })
}
