import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { EngineError } from '../engine.js'

export interface SubmitOptions {
  readonly command: readonly string[]
  /** Beside the environment of this process. */
  readonly env: Readonly<Record<string, string>>
  /** Gets every line of standard output. */
  readonly onLine: (line: string) => void
  readonly signal?: AbortSignal
  /** Ends the process too; the caller knows why. */
  readonly failed: AbortSignal
}

const KILL_AFTER_MS = 5000
const TAIL_CHARS = 20_000

/**
 * Runs a program with its children as one group until it ends. An abort ends the group, first kindly, and throws
 * `cancelled`; a program that can't be started throws `unsupported`.
 */
export async function submit(
  options: SubmitOptions,
): Promise<{ readonly code: number | null; readonly tail: string }> {
  const [program = '', ...args] = options.command
  const isAsked = (): boolean => options.signal?.aborted === true
  if (isAsked()) throw cancelled()
  const child = spawn(program, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  })
  let tail = ''
  const keep = (text: string): void => {
    tail = (tail + text).slice(-TAIL_CHARS)
  }
  child.stderr.setEncoding('utf8').on('data', keep)
  createInterface({ input: child.stdout }).on('line', (line) => {
    options.onLine(line)
    keep(`${line}\n`)
  })
  const stop = (): void => endGroup(child)
  const signals = [options.signal, options.failed].filter((signal) => signal !== undefined)
  for (const signal of signals) signal.addEventListener('abort', stop, { once: true })
  try {
    const code = await exitOf(child, program)
    if (isAsked()) throw cancelled()
    return { code, tail }
  } finally {
    for (const signal of signals) signal.removeEventListener('abort', stop)
  }
}

function exitOf(child: ChildProcess, program: string): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('close', resolve)
    child.once('error', (cause) => {
      reject(
        new EngineError(
          'unsupported',
          `${program} can't be started (${cause.message}): install PySpark (pip install pyspark==3.5.9 sqlglot==30.30.0) ` +
            'or name the program in FIRN_SPARK_SUBMIT',
          { cause },
        ),
      )
    })
  })
}

function endGroup(child: ChildProcess): void {
  signalGroup(child, 'SIGTERM')
  const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), KILL_AFTER_MS)
  child.once('close', () => clearTimeout(timer))
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // It has ended already.
  }
}

function cancelled(): EngineError {
  return new EngineError('cancelled', 'the Spark session was ended as asked')
}
