import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { BenchRow } from '../bench-row.js'
import { costRows, timeRow } from './compare.js'
import { makeTable, schemaOf } from './make-tables.js'
import { numberArg, rounds, textArg, type Figures, type Piece } from './piece.js'
import type { BenchContext } from './processes.js'

const SCHEMA = schemaOf({ id: 'long', name: 'string', x: 'double', at: 'timestamptz', kind: 'int' })
const PEER = 'raw DuckDB COPY, which flushes nothing'

/** Many rows through a table, in one append. Both by turns and the best of each: the two differ by less than two runs do. */
export async function benchWrites({ quick, processes }: BenchContext): Promise<readonly BenchRow[]> {
  const args = { rows: quick ? 500_000 : 5_000_000, rounds: 1 }
  await processes.ours('makeWritten', { table: 'writes.rows' })
  const [ours, peer]: [Figures[], Figures[]] = [[], []]
  for (let turn = 0; turn < 3; turn += 1) {
    ours.push(await processes.ours('write', { ...args, table: 'writes.rows' }))
    peer.push(await processes.ours('copy', args))
  }
  const work = `write ${args.rows / 1e6} M rows`
  const compared = { work, ours: leastOf(ours), peer: leastOf(peer), peerName: PEER }
  return [timeRow({ ...compared, figure: 'min' }), ...costRows(compared)]
}

function leastOf(runs: readonly Figures[]): Figures {
  const names = Object.keys(runs[0] ?? {})
  return Object.fromEntries(
    names.map((name) => [name, Math.min(...runs.map((run) => run[name] ?? Infinity))]),
  )
}

function rowsSql(count: number): string {
  return `SELECT range AS id, 'name of ' || (range * 7919 % 100003) AS name, sin(range) AS x,
    TIMESTAMPTZ '2026-01-01 00:00:00+00' + INTERVAL (range % 31536000) SECOND AS at, (range % 12)::INTEGER AS kind
    FROM range(${count})`
}

const makeWritten: Piece = async (lab, args) => {
  await makeTable(lab, textArg(args, 'table'), SCHEMA)
  return undefined
}

const write: Piece = async (lab, args) => {
  const sql = rowsSql(numberArg(args, 'rows'))
  return rounds(numberArg(args, 'rounds'), () => lab.table(textArg(args, 'table')).append({ sql }))
}

const copy: Piece = async (lab, args) => {
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  await connection.run("SET TimeZone = 'UTC'")
  const sql = rowsSql(numberArg(args, 'rows'))
  return rounds(numberArg(args, 'rounds'), (round) =>
    connection.run(
      `COPY (${sql}) TO '${join(lab.folder, `raw-${round}.parquet`)}' (FORMAT parquet, COMPRESSION zstd)`,
    ),
  )
}

export const writePieces = { makeWritten, write, copy }
