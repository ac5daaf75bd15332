import { benchRow, type BenchRow } from '../bench-row.js'
import type { Figures } from './piece.js'
import type { PeerFigures } from './processes.js'

export interface Compared {
  readonly work: string
  readonly ours: Figures
  readonly peer: PeerFigures
  readonly peerName: string
  /** Name of the figure, in seconds, that is compared. Default `median`. */
  readonly figure?: string
  readonly unit?: 's' | 'ms'
}

/** A row of time; where the peer was not to be had its name says why. */
export function timeRow(compared: Compared): BenchRow {
  const { work, ours, peer, figure = 'median', unit = 's' } = compared
  const scale = unit === 'ms' ? 1000 : 1
  const theirs = figureOf(peer, figure)
  const mine = (figureOf(ours, figure) ?? Number.NaN) * scale
  return benchRow(work, mine, nameOf(compared), theirs === null ? null : theirs * scale, unit)
}

/** Rows of the processor's time and of the peak of memory. */
export function costRows(compared: Compared): readonly BenchRow[] {
  const { work, ours, peer } = compared
  const name = nameOf(compared)
  const cpu = figureOf(ours, 'cpu')
  return [
    ...(cpu === null ? [] : [benchRow(work, cpu, name, figureOf(peer, 'cpu'), 'CPU s')]),
    benchRow(`${work}: peak of memory`, ours['peakMb'] ?? Number.NaN, name, figureOf(peer, 'peakMb'), 'MB'),
  ]
}

/** Where nothing else does the same. */
export const NO_PEER: PeerFigures = {}

function figureOf(figures: PeerFigures, name: string): number | null {
  return typeof figures === 'string' ? null : (figures[name] ?? null)
}

function nameOf({ peer, peerName }: Compared): string {
  return typeof peer === 'string' ? `${peerName}: ${peer.slice(0, 200)}` : peerName
}
