import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { BenchRow } from '../bench-row.js'
import { benchRow } from '../bench-row.js'
import { openLab } from '../iceberg/lab.js'
import type { PitCourse, PitResult } from './pit-contestants.js'
import { makePitTables, pitFiles, TTL_DAYS, type PitLoad } from './pit-lab.js'

export interface PitBenchOptions {
  readonly quick: boolean
  readonly log: (text: string) => void
}

type Figures = PitResult & { readonly peakMb: number }

const FULL: PitLoad = { entityRows: 100_000, views: 10, features: 5, rows: 1_000_000 }
const QUICK: PitLoad = { entityRows: 20_000, views: 4, features: 5, rows: 200_000 }

/**
 * The point-in-time join beside the same join in plain SQL and Feast's, each in a process of its own over the same files.
 * Feast is optional: `python3 -m venv ~/.cache/firn/ml-peers/feast`, and `pip install 'feast[duckdb]==0.67.0'` in it.
 */
export async function benchPit({ quick, log }: PitBenchOptions): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'firn-bench-pit-'))
  const load = quick ? QUICK : FULL
  try {
    log(`${load.views} views of ${load.rows} rows are written …`)
    const lab = openLab(folder, 'none')
    await makePitTables(lab, load)
    const course = { folder, load, files: await pitFiles(lab, load) }
    lab.catalog.close()
    const ours = await measured('firn', course, log)
    const plain = await measured('plain SQL', course, log)
    if (ours.checksum !== plain.checksum || ours.rows !== load.entityRows) {
      throw new Error(`plain SQL gave ${plain.checksum}, the join ${ours.checksum} in ${ours.rows} rows`)
    }
    const work = `${load.entityRows} entity rows × ${load.views} views × ${load.features} features`
    return [...compared(work, ours, 'plain DuckDB SQL', plain), ...(await feast(course, work, ours, log))]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function compared(work: string, ours: Figures, name: string, peer: Figures): BenchRow[] {
  return [
    benchRow(work, ours.seconds, name, peer.seconds, 's'),
    benchRow(work, ours.cpu, name, peer.cpu, 'CPU s'),
    benchRow(`${work}: peak of memory`, ours.peakMb, name, peer.peakMb, 'MB'),
  ]
}

async function feast(
  course: PitCourse,
  work: string,
  ours: Figures,
  log: PitBenchOptions['log'],
): Promise<BenchRow[]> {
  const cache = process.env['FIRN_CACHE'] ?? join(homedir(), '.cache', 'firn')
  const python = join(cache, 'ml-peers', 'feast', 'bin', 'python')
  if (!existsSync(python)) return [benchRow(work, ours.seconds, `Feast is not there: no ${python}`)]
  const rows: BenchRow[] = []
  for (const store of ['dask', 'duckdb']) {
    const script = join(import.meta.dirname, 'feast_pit.py')
    try {
      const peer = await ended(python, [script, store, JSON.stringify({ ...course, ttlDays: TTL_DAYS })])
      log(`  Feast (${store}): ${told(peer)}`)
      const right = peer.rows === ours.rows && Math.abs(Number(peer.checksum) - Number(ours.checksum)) < 0.01
      const name = `Feast 0.67 (${store})${right ? '' : `, wrong: ${peer.rows} rows of ${ours.rows}`}`
      rows.push(...compared(work, ours, name, peer))
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      rows.push(benchRow(work, ours.seconds, `Feast (${store}) failed: ${why.trimEnd().slice(-200)}`))
    }
  }
  return rows
}

async function measured(name: string, course: PitCourse, log: PitBenchOptions['log']): Promise<Figures> {
  const entry = join(import.meta.dirname, '..', 'run-contestant.js')
  const figures = await ended(process.execPath, [entry, 'ml/pit-contestants', name, JSON.stringify(course)])
  log(`  ${name}: ${told(figures)}`)
  return figures
}

async function ended(command: string, args: readonly string[]): Promise<Figures> {
  const env = { ...process.env, TZ: 'UTC', PYTHONDONTWRITEBYTECODE: '1' }
  const { stdout } = await promisify(execFile)(command, args, { env, maxBuffer: 1 << 26 })
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Figures
}

function told({ seconds, cpu, rows, peakMb }: Figures): string {
  return `${rows} rows, ${seconds.toFixed(2)} s, ${cpu.toFixed(2)} CPU s, peak ${peakMb.toFixed(0)} MB`
}
