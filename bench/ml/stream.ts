import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { BenchRow } from '../bench-row.js'
import { benchRow } from '../bench-row.js'
import { findPeerPython } from './peer-models.js'
import type { StreamResult } from './stream-contestants.js'

export interface StreamBenchOptions {
  readonly quick: boolean
  readonly log: (text: string) => void
}

type Figures = StreamResult & { readonly peakMb: number }

/** Whoever was measured, or, as text, why not. */
type PeerFigures = Figures | string

/**
 * A data set of 10 columns streamed from Parquet beside DuckDB reading the same columns, its digest, its file, and reading
 * that in a seeded order; each in a process of its own. DuckDB's own Arrow is measured where the Python of
 * `scripts/peers.mjs` has it: `~/.cache/firn/ml-peers/venv/bin/pip install duckdb==1.5.5`.
 */
export async function benchStream({ quick, log }: StreamBenchOptions): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'firn-bench-stream-'))
  const many = quick ? 500_000 : 10_000_000
  const run = async (name: string, rows: number): Promise<Figures> => {
    const entry = join(import.meta.dirname, '..', 'run-contestant.js')
    const args = [entry, 'ml/stream-contestants', name, JSON.stringify({ folder, rows })]
    return told(name, await lastLine(process.execPath, args), rows, log)
  }
  try {
    const digested = Math.min(many, 1_000_000)
    for (const rows of new Set([many, many / 10, digested])) await run('make', rows)
    const [few, ours] = [await run('stream', many / 10), await run('stream', many)]
    const chunks = await run('chunks', many)
    const arrow = await duckdbArrow(folder, many, log)
    const digest = await run('digest', digested)
    const [written, loaded] = [await run('write', many), await run('load shuffled', many)]
    const work = `streaming ${many} rows × 10 columns from Parquet`
    const million = (figures: Figures): number => figures.rows / figures.seconds / 1e6
    const beside = (name: string, peer: Figures): BenchRow[] => [
      benchRow(work, million(ours), name, million(peer), 'million rows/s'),
      benchRow(work, ours.cpu, name, peer.cpu, 'CPU s'),
      benchRow(`${work}: peak of memory`, ours.peakMb, name, peer.peakMb, 'MB'),
    ]
    return [
      ...beside("DuckDB's chunks in Node, nothing made of them", chunks),
      ...(typeof arrow === 'string' ? [] : beside("DuckDB's Arrow in Python", arrow)),
      benchRow(`${work}: peak of memory`, ours.peakMb, `the same with ${many / 10}`, few.peakMb, 'MB'),
      benchRow(`digest of ${digest.rows} rows × 10 columns`, digest.seconds, '', null, 's'),
      benchRow(
        `a data set of ${many} rows, sorted, four digests, written`,
        million(written),
        '',
        null,
        'million rows/s',
      ),
      benchRow(`the same: peak of memory`, written.peakMb, '', null, 'MB'),
      benchRow(`reading it in a seeded order`, million(loaded), '', null, 'million rows/s'),
      benchRow(`the same: peak of memory`, loaded.peakMb, '', null, 'MB'),
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function duckdbArrow(
  folder: string,
  rows: number,
  log: StreamBenchOptions['log'],
): Promise<PeerFigures> {
  const python = findPeerPython()
  if (python === undefined) return 'no Python for peers: run `node scripts/peers.mjs`'
  try {
    const script = join(import.meta.dirname, 'duckdb_arrow.py')
    return told('DuckDB to Arrow', await lastLine(python, [script, folder, String(rows)]), rows, log)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    log(`  DuckDB to Arrow in Python: ${reason.split('\n').filter(Boolean).at(-1) ?? ''}`)
    return reason
  }
}

async function lastLine(command: string, args: readonly string[]): Promise<Figures> {
  const { stdout } = await promisify(execFile)(command, args, { env: { ...process.env, TZ: 'UTC' } })
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Figures
}

function told(name: string, figures: Figures, rows: number, log: StreamBenchOptions['log']): Figures {
  if (figures.rows !== rows) throw new Error(`${name} saw ${figures.rows} rows of ${rows}`)
  const { seconds, cpu, peakMb } = figures
  log(
    `  ${name}, ${rows} rows: ${seconds.toFixed(2)} s, ${cpu.toFixed(2)} CPU s, peak ${peakMb.toFixed(0)} MB`,
  )
  return figures
}
