import type { BenchRow } from '../bench-row.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { costRows, NO_PEER, timeRow } from './compare.js'
import type { Lab } from './lab.js'
import { addSnapshots, makeTable, schemaOf } from './make-tables.js'
import { numberArg, rounds, textArg, type Piece } from './piece.js'
import type { BenchContext } from './processes.js'

const SCHEMA = schemaOf({ id: 'long', name: 'string', x: 'double' })
const PEER = 'PyIceberg, which flushes nothing'

/** A hundred rows appended to a table of so many snapshots, everything flushed; 200 of them are real ones. */
export async function benchAppends({ quick, processes }: BenchContext): Promise<readonly BenchRow[]> {
  const count = quick ? 5 : 20
  await processes.ours('makeHistory', { table: 'appends.ours', snapshots: 200, repeated: 0 })
  await processes.ours('makeHistory', { table: 'appends.theirs', snapshots: 200, repeated: 0 })
  const ours = await processes.ours('append', { table: 'appends.ours', rounds: count })
  const peer = await processes.peer('append', { table: 'appends.theirs', rounds: count })
  const compared = { work: 'append 100 rows, 200 snapshots', ours, peer, peerName: PEER }
  const rows = [timeRow({ ...compared, unit: 'ms' }), ...costRows(compared)]
  for (const snapshots of quick ? [2000] : [2000, 10_000]) {
    const table = `appends.s${snapshots}`
    await processes.ours('makeHistory', { table, snapshots: 10, repeated: snapshots - 10 })
    const figures = await processes.ours('append', { table, rounds: count })
    const work = `append 100 rows, ${snapshots} snapshots`
    rows.push(timeRow({ work, ours: figures, peer: NO_PEER, peerName: '', unit: 'ms' }))
  }
  return rows
}

/** A table with commits of its own, and with snapshots that repeat the last one's files. */
export async function makeHistory(
  lab: Lab,
  options: { readonly table: string; readonly snapshots: number; readonly repeated: number },
): Promise<void> {
  let table = await makeTable(lab, options.table, SCHEMA)
  for (let at = 0; at < options.snapshots; at += 1)
    table = (await lab.table(options.table).append(hundredRows(at))).table
  const list = headOf(table.metadata)?.['manifest-list'] ?? ''
  if (options.repeated > 0) await addSnapshots(lab, table, new Array<string>(options.repeated).fill(list))
}

export function hundredRows(batch: number) {
  return Array.from({ length: 100 }, (_, at) => ({
    id: BigInt(batch * 100 + at),
    name: `row ${at} of ${batch}`,
    x: at / 7,
  }))
}

const make: Piece = async (lab, args) => {
  const [snapshots, repeated] = [numberArg(args, 'snapshots'), numberArg(args, 'repeated')]
  await makeHistory(lab, { table: textArg(args, 'table'), snapshots, repeated })
  return undefined
}

const append: Piece = async (lab, args) => {
  const table = lab.table(textArg(args, 'table'))
  for (let at = 0; at < 3; at += 1) await table.append(hundredRows(at))
  return rounds(numberArg(args, 'rounds'), (round) => table.append(hundredRows(round)))
}

export const appendPieces = { makeHistory: make, append }
