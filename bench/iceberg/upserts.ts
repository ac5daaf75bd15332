import type { BenchRow } from '../bench-row.js'
import { costRows, NO_PEER, timeRow } from './compare.js'
import { makeTable, schemaOf } from './make-tables.js'
import { numberArg, rounds, textArg, type Piece } from './piece.js'
import type { BenchContext } from './processes.js'

const SCHEMA = schemaOf({ id: 'long', name: 'string', x: 'double' })

/** Half of the source's keys are in the table, and change; half are new. */
export async function benchUpserts({ quick, processes }: BenchContext): Promise<readonly BenchRow[]> {
  const [rows, source, count] = [200_000, 20_000, quick ? 1 : 3]
  for (const table of ['upserts.ours', 'upserts.theirs'])
    await processes.ours('makeUpserted', { table, rows })
  const ours = await processes.ours('upsert', { table: 'upserts.ours', rows, source, rounds: count })
  const peer = await processes.peer('upsert', { table: 'upserts.theirs', rows, source, rounds: count })
  const small = { work: 'upsert 20000 into 200000', ours, peer, peerName: 'PyIceberg' }
  const result = [timeRow({ ...small, figure: 'min' }), ...costRows(small)]
  await processes.ours('makeUpserted', { table: 'upserts.deletes', rows })
  const beside = { table: 'upserts.deletes', rows, source, rounds: count, mode: 'merge-on-read' }
  const deletes = await processes.ours('upsert', beside)
  const merged = {
    work: `${small.work}, merge-on-read`,
    ours: deletes,
    peer,
    peerName: 'PyIceberg, copy-on-write',
  }
  result.push(timeRow({ ...merged, figure: 'min' }), ...costRows(merged))
  const large = quick ? { rows: 1_000_000, source: 100_000 } : { rows: 10_000_000, source: 1_000_000 }
  await processes.ours('makeUpserted', { table: 'upserts.large', rows: large.rows })
  const figures = await processes.ours('upsert', { ...large, table: 'upserts.large', rounds: 1 })
  const work = `upsert ${large.source / 1e6} M into ${large.rows / 1e6} M`
  const alone = { work, ours: figures, peer: NO_PEER, peerName: 'PyIceberg not run: it takes minutes and up' }
  return [...result, timeRow({ ...alone, figure: 'min' }), ...costRows(alone)]
}

/** Rows of keys `from` to `from + count`, every value of its round. */
function rowsSql(from: number, count: number, round: number): string {
  return `SELECT range AS id, 'name ' || range || ' of ${round}' AS name, range / ${7 + round} AS x
    FROM range(${from}, ${from + count})`
}

const makeUpserted: Piece = async (lab, args) => {
  await makeTable(lab, textArg(args, 'table'), SCHEMA)
  await lab.table(textArg(args, 'table')).append({ sql: rowsSql(0, numberArg(args, 'rows'), 0) })
  return undefined
}

const upsert: Piece = async (lab, args) => {
  const [rows, source] = [numberArg(args, 'rows'), numberArg(args, 'source')]
  const table = lab.table(textArg(args, 'table'))
  const mode = args['mode'] === 'merge-on-read' ? 'merge-on-read' : 'copy-on-write'
  return rounds(numberArg(args, 'rounds'), async (round) => {
    const sql = rowsSql(rows - source / 2 + (round * source) / 2, source, round + 1)
    const { addedRows, updatedRows } = await table.upsert({ sql }, { key: ['id'], mode })
    if (addedRows !== source / 2 || updatedRows !== source / 2)
      throw new Error(`${updatedRows} rows were updated and ${addedRows} added: not half of ${source} each`)
  })
}

export const upsertPieces = { makeUpserted, upsert }
