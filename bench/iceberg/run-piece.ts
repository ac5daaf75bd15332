import { appendPieces } from './appends.js'
import { commitPieces } from './commits.js'
import { openLab } from './lab.js'
import { maintenancePieces } from './maintenance.js'
import type { Piece, PieceArgs } from './piece.js'
import { planPieces } from './plans.js'
import { upsertPieces } from './upserts.js'
import { writePieces } from './writes.js'

/** `run-piece.js FOLDER PIECE ARGS`: prints what it measured, and this process's peak of memory, as its last line. */
const PIECES: Readonly<Record<string, Piece>> = {
  ...appendPieces,
  ...planPieces,
  ...writePieces,
  ...upsertPieces,
  ...commitPieces,
  ...maintenancePieces,
}
const [folder = '', name = '', args = '{}'] = process.argv.slice(2)
const piece = PIECES[name]
if (piece === undefined) throw new Error(`there is no piece "${name}"`)
const lab = openLab(folder, name.startsWith('make') ? 'none' : 'fsync')
const figures = await piece(lab, JSON.parse(args) as PieceArgs)
lab.catalog.close()
console.log(JSON.stringify({ ...figures, peakMb: process.resourceUsage().maxRSS / 1024 }))
