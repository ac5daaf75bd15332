import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { expireSnapshots } from '../../iceberg/maintain/expire.js'
import { benchRow, type BenchRow } from '../bench-row.js'
import { hundredRows } from './appends.js'
import { numberArg, textArg, type Piece } from './piece.js'
import type { BenchContext, Processes } from './processes.js'

const WRITERS = 8
const KEPT = 200
/** Commits of each before it counts: the code is loaded then. */
const WARM_UP = 2

/** Eight processes append to one table at once; at 200 snapshots a ninth keeps it there. Every row has to be there. */
export async function benchCommits({ quick, processes }: BenchContext): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = []
  const commitsAt = quick ? { [KEPT]: 10 } : { [KEPT]: 25, 2000: 10, 10_000: 4 }
  for (const [key, commits] of Object.entries(commitsAt)) {
    const snapshots = Number(key)
    const { perSecond, longest, cpu } = await commitTogether(processes, snapshots, commits)
    const work = `${WRITERS} processes, ${snapshots} snapshots`
    rows.push(benchRow(`${work}: commits, none lost`, perSecond, '', null, 'a second'))
    rows.push(benchRow(`${work}: a commit with its lost attempts`, cpu, '', null, 'CPU s'))
    rows.push(benchRow(`${work}: longest commit`, longest, '', null, 's'))
  }
  return rows
}

async function commitTogether(processes: Processes, snapshots: number, commits: number) {
  const table = `commits.s${snapshots}`
  const own = Math.min(snapshots, KEPT)
  await processes.ours('makeHistory', { table, snapshots: own, repeated: snapshots - own })
  // They start together once all of them are up.
  const startMs = Date.now() + 5000
  const endMs = startMs + 600_000
  const writers = Array.from({ length: WRITERS }, (_, writer) =>
    processes.ours('commitMany', { table, commits, writer, startMs }),
  )
  const keeper =
    snapshots === KEPT ? processes.ours('keepShort', { table, startMs, endMs, commits }) : undefined
  // All of them, also where one fails: its folder is removed then.
  await Promise.allSettled([...writers, keeper])
  const done = await Promise.all(writers)
  await keeper
  const seconds = (Math.max(...done.map(({ endedMs = 0 }) => endedMs)) - startMs) / 1000
  const expected = own * 100 + WRITERS * (commits + WARM_UP) * 100
  const { rows = 0 } = await processes.ours('countRows', { table })
  if (rows !== expected) throw new Error(`${table} has ${rows} rows: ${expected} were committed`)
  return {
    perSecond: (WRITERS * commits) / seconds,
    longest: Math.max(...done.map((figures) => figures['longest'] ?? 0)),
    cpu: done.reduce((sum, figures) => sum + (figures['cpu'] ?? 0), 0) / (WRITERS * commits),
  }
}

const commitMany: Piece = async (lab, args) => {
  const table = lab.table(textArg(args, 'table'))
  const [commits, writer] = [numberArg(args, 'commits'), numberArg(args, 'writer')]
  for (let at = 0; at < WARM_UP; at += 1) await table.append(hundredRows(at))
  await waitUntil(numberArg(args, 'startMs'))
  const cpu = process.cpuUsage()
  let longest = 0
  for (let at = 0; at < commits; at += 1) {
    const started = performance.now()
    await table.append(hundredRows(1_000_000 * (writer + 1) + at))
    longest = Math.max(longest, (performance.now() - started) / 1000)
  }
  const { user, system } = process.cpuUsage(cpu)
  return { endedMs: Date.now(), longest, cpu: (user + system) / 1e6 }
}

/** Expires whenever there are a few snapshots more than are kept, until the writers have made all their commits. */
const keepShort: Piece = async (lab, args) => {
  const identifier = parseIdentifier(textArg(args, 'table'))
  const writtenAtEnd = KEPT + WRITERS * (WARM_UP + numberArg(args, 'commits'))
  await waitUntil(numberArg(args, 'startMs'))
  while (Date.now() < numberArg(args, 'endMs')) {
    const { metadata } = await lab.catalog.loadTable(identifier)
    if (metadata['last-sequence-number'] >= writtenAtEnd) break
    if (metadata.snapshots.length > KEPT + 40) {
      const limits = { nowMs: Date.now(), maxSnapshotAgeMs: 0, minSnapshotsToKeep: KEPT }
      await expireSnapshots({ catalog: lab.catalog, identifier, ...limits })
    }
    await waitUntil(Date.now() + 200)
  }
  return undefined
}

const countRows: Piece = async (lab, args) => {
  const relation = await lab.table(textArg(args, 'table')).relation('t')
  const session = await lab.engine.openSession()
  await session.addRelation(relation)
  const { rows } = await session.query('SELECT count(*) AS n FROM t')
  await session.close()
  return { rows: Number(rows[0]?.['n']) }
}

async function waitUntil(momentMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, momentMs - Date.now())))
}

export const commitPieces = { commitMany, keepShort, countRows }
