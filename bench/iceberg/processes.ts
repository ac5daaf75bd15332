import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { BenchRow } from '../bench-row.js'
import type { Figures, PieceArgs } from './piece.js'

/** What every part of the bench is given. */
export interface BenchContext {
  readonly quick: boolean
  readonly log: (text: string) => void
  readonly processes: Processes
}

export type BenchPart = (context: BenchContext) => Promise<readonly BenchRow[]>

/** What a peer measured, or, as text, why it did not. */
export type PeerFigures = Figures | string

/** No measurement takes a tenth of it on a machine that has nothing else to do. */
const LIMIT_S = 600

/** Starts measurements, one process each. */
export class Processes {
  readonly #folder: string
  readonly #peers: Peers

  constructor(folder: string) {
    this.#folder = folder
    this.#peers = readPeers()
  }

  ours(piece: string, args: PieceArgs = {}): Promise<Figures> {
    const entry = join(import.meta.dirname, 'run-piece.js')
    return lastLine(process.execPath, [entry, this.#folder, piece, JSON.stringify(args)])
  }

  /** A function of peer.py. */
  peer(piece: string, args: PieceArgs = {}): Promise<PeerFigures> {
    return this.#python(piece, args, 'python')
  }

  /** The same, of those that take a Spark session. */
  spark(piece: string, args: PieceArgs = {}): Promise<PeerFigures> {
    return this.#python(piece, args, 'spark')
  }

  async #python(piece: string, args: PieceArgs, needs: 'python' | 'spark'): Promise<PeerFigures> {
    const { python, sparkJars, missing } = this.#peers
    const why = missing['python'] ?? missing[needs]
    if (why !== undefined || python === null) return why ?? 'no Python'
    const script = join(import.meta.dirname, 'peer.py')
    const jars = sparkJars === null ? '' : sparkJars.join()
    try {
      return await lastLine(python, [script, this.#folder, piece, JSON.stringify(args), jars])
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
}

interface Peers {
  readonly python: string | null
  readonly sparkJars: readonly string[] | null
  readonly missing: Readonly<Record<string, string>>
}

/** What `scripts/peers.mjs` found. */
function readPeers(): Peers {
  const report = join(process.env['FIRN_CACHE'] ?? join(homedir(), '.cache', 'firn'), 'peers', 'peers.json')
  if (existsSync(report)) return JSON.parse(readFileSync(report, 'utf8')) as Peers
  return { python: null, sparkJars: null, missing: { python: 'run `node scripts/peers.mjs` first' } }
}

/** Runs a process to its end; its last line is JSON. */
async function lastLine(command: string, args: readonly string[]): Promise<Figures> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TZ: 'UTC', PYTHONDONTWRITEBYTECODE: '1', PYSPARK_PYTHON: command },
  })
  let [output, errors] = ['', '']
  child.stdout.on('data', (chunk) => (output += String(chunk)))
  child.stderr.on('data', (chunk) => (errors = (errors + String(chunk)).slice(-3000)))
  const late = setTimeout(() => child.kill('SIGKILL'), LIMIT_S * 1000)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  clearTimeout(late)
  if (code === null) throw new Error(`not done after ${LIMIT_S} s`)
  if (code !== 0) throw new Error(`${args[2]} ended with ${code}: ${errors}`)
  return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '') as Figures
}
