import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createRewriter } from '../../engine/duckdb/rewriter.js'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { toLocalPath } from '../../iceberg/io/location.js'
import { compactTable } from '../../iceberg/maintain/compact.js'
import { expireSnapshots } from '../../iceberg/maintain/expire.js'
import { removeOrphans, streamOrphans } from '../../iceberg/maintain/orphans.js'
import { rewriteManifests } from '../../iceberg/maintain/rewrite-manifests.js'
import type { BenchRow } from '../bench-row.js'
import { costRows, NO_PEER, timeRow } from './compare.js'
import { addSnapshots, describedFile, makeTable, schemaOf, writeFiles } from './make-tables.js'
import { numberArg, rounds, textArg, type Piece } from './piece.js'
import type { BenchContext } from './processes.js'

const TEN_DAYS_MS = 864_000_000
const STRAYS = 200

/** A table of 50 small commits, cleaned by us and by Spark's procedures in a session that cleaned another one before. */
export async function benchMaintenance({ quick, processes }: BenchContext): Promise<readonly BenchRow[]> {
  const [commits, rows] = quick ? [10, 60_000] : [50, 3_000_000]
  for (const table of ['care.ours', 'care.theirs'])
    await processes.ours('makeSmallFiles', { table, commits, rows })
  await processes.ours('makeSmallFiles', { table: 'care.warm', commits: 3, rows: 6000 })
  const ours = await processes.ours('maintain', { table: 'care.ours' })
  const peer = await processes.spark('maintain', { table: 'care.theirs', warm: 'care.warm' })
  const compared = { ours, peer, peerName: "Spark's procedure, warm" }
  const of = `${commits * 6} files of ${rows / 1e6} M rows`
  return [
    timeRow({ ...compared, work: `rewrite manifests: ${commits} commits`, figure: 'manifests' }),
    timeRow({ ...compared, work: `compact: ${of}`, figure: 'compact' }),
    timeRow({ ...compared, work: `expire: ${commits} snapshots`, figure: 'expire' }),
    timeRow({ ...compared, work: `orphans: ${STRAYS} of them`, figure: 'orphans' }),
    ...costRows({ ...compared, work: `maintenance: ${of}` }),
  ]
}

/** Each snapshot replaces the one file of the one before, so with it go a manifest list, a manifest and a file. */
export async function benchExpiry({ quick, processes }: BenchContext): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = []
  for (const snapshots of quick ? [100, 1000] : [100, 1000, 10_000]) {
    const table = `expiry.s${snapshots}`
    await processes.ours('makeReplaced', { table, snapshots })
    const ours = await processes.ours('expire', { table })
    const row = { work: `expire ${snapshots} snapshots`, ours, peer: NO_PEER, peerName: '' }
    rows.push(timeRow(row), ...costRows(row))
  }
  return rows
}

/** A tenth of the objects are orphans; they are found, not deleted. */
export async function benchOrphans({ quick, processes }: BenchContext): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = []
  for (const objects of quick ? [1000] : [1000, 10_000, 100_000]) {
    const table = `orphans.o${objects}`
    await processes.ours('makeObjects', { table, objects })
    const ours = await processes.ours('findOrphans', { table, orphans: objects / 10 })
    const row = { work: `scan ${objects} objects for orphans`, ours, peer: NO_PEER, peerName: '' }
    rows.push(timeRow(row), ...costRows(row))
  }
  return rows
}

const makeSmallFiles: Piece = async (lab, args) => {
  const name = textArg(args, 'table')
  const [commits, rows] = [numberArg(args, 'commits'), numberArg(args, 'rows')]
  const schema = schemaOf({ part: 'int', id: 'long', name: 'string', x: 'double' })
  const properties = { 'commit.manifest-merge.enabled': 'false' }
  const { metadata } = await makeTable(lab, name, schema, { partitionBy: 'part', properties })
  for (let at = 0; at < commits; at += 1) {
    const [from, to] = [(at * rows) / commits, ((at + 1) * rows) / commits]
    const sql = `SELECT (range % 6)::INTEGER AS part, range AS id, 'name ' || range AS name, sin(range) AS x
      FROM range(${from}, ${to})`
    await lab.table(name).append({ sql })
  }
  for (let at = 0; at < STRAYS; at += 1)
    await oldFile(join(toLocalPath(metadata.location), 'data', `stray-${at}.parquet`))
  return undefined
}

const maintain: Piece = async (lab, args) => {
  const { catalog, now, newUuid, newSnapshotId } = lab
  const base = { catalog, identifier: parseIdentifier(textArg(args, 'table')), now, newUuid, newSnapshotId }
  const rewriter = createRewriter(lab.engine)
  const seconds: Record<string, number> = {}
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const started = performance.now()
    const result = await work()
    seconds[name] = (performance.now() - started) / 1000
    return result
  }
  const { cpu } = await rounds(1, async () => {
    await timed('manifests', () => rewriteManifests({ ...base, always: true }))
    await timed('compact', () => compactTable({ ...base, rewriter }))
    const limits = { nowMs: Date.now(), maxSnapshotAgeMs: 0, minSnapshotsToKeep: 1 }
    await timed('expire', () => expireSnapshots({ ...base, ...limits }))
    const orphans = await timed('orphans', () => removeOrphans({ ...base, nowMs: Date.now() }))
    if (orphans.length !== STRAYS) throw new Error(`${orphans.length} orphans were found, not ${STRAYS}`)
  })
  return { ...seconds, cpu }
}

const makeReplaced: Piece = async (lab, args) => {
  const table = await makeTable(lab, textArg(args, 'table'), schemaOf({ id: 'long' }))
  const count = numberArg(args, 'snapshots')
  const lists: string[] = []
  for (let at = 0; at < count; at += 1) {
    const file = describedFile(table, { partition: 0, number: at })
    lists.push(await writeFiles(lab, table, [[file]], `s${at}`))
    await oldFile(toLocalPath(file.filePath))
  }
  await addSnapshots(lab, table, lists)
  return undefined
}

const expire: Piece = async ({ catalog }, args) => {
  const identifier = parseIdentifier(textArg(args, 'table'))
  const limits = { nowMs: Date.now(), maxSnapshotAgeMs: 0, minSnapshotsToKeep: 1 }
  return rounds(1, () => expireSnapshots({ catalog, identifier, ...limits }))
}

const makeObjects: Piece = async (lab, args) => {
  const objects = numberArg(args, 'objects')
  const schema = schemaOf({ part: 'long', id: 'long' })
  const table = await makeTable(lab, textArg(args, 'table'), schema, { partitionBy: 'part' })
  const files = Array.from({ length: objects }, (_, number) =>
    describedFile(table, { partition: number % 100, number }),
  )
  for (const file of files) await oldFile(toLocalPath(file.filePath))
  const groups = Array.from({ length: 100 }, (_, at) =>
    files.filter((_, number) => number % 100 === at && number >= objects / 10),
  )
  await addSnapshots(lab, table, [await writeFiles(lab, table, groups, 'made')])
  return undefined
}

const findOrphans: Piece = async ({ catalog }, args) => {
  const identifier = parseIdentifier(textArg(args, 'table'))
  return rounds(1, async () => {
    let found = 0
    const scan = streamOrphans({ catalog, identifier, nowMs: Date.now(), dryRun: true })
    for await (const { result } of scan) found += result === 'would-delete' ? 1 : 0
    if (found !== numberArg(args, 'orphans')) throw new Error(`${found} orphans were found`)
  })
}

async function oldFile(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, '')
  const at = new Date(Date.now() - TEN_DAYS_MS)
  await utimes(path, at, at)
}

export const maintenancePieces = {
  makeSmallFiles,
  maintain,
  makeReplaced,
  expire,
  makeObjects,
  findOrphans,
}
