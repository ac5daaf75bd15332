import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { compiledEntry } from '../../engine/compiled-entry.js'
import { FirnError, type FirnErrorKind } from '../../schemas/error.js'
import type { RunControl } from '../../schemas/lake-deps.js'

/** What a child process says to its parent. */
export type ChildMessage =
  | { readonly kind: 'progress'; readonly message: string }
  | { readonly kind: 'done'; readonly result: unknown }
  | { readonly kind: 'failed'; readonly error: FirnErrorKind; readonly message: string }

/** Aborting kills the process. */
export interface ChildOptions extends RunControl {
  readonly env: Readonly<Record<string, string>>
}

/** Runs one job in a process of its own, whose module calls `serveJob`. The process ends with the job or its parent. */
export async function runChild<Result>(entry: string, job: unknown, options: ChildOptions): Promise<Result> {
  if (options.signal?.aborted === true) throw cancelled()
  const child = fork(fileURLToPath(compiledEntry(entry)), [], {
    env: { ...process.env, ...options.env },
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const kill = (): void => void child.kill('SIGKILL')
  options.signal?.addEventListener('abort', kill)
  try {
    child.send(job as object, () => undefined)
    return (await outcome(child, entry, options)) as Result
  } finally {
    options.signal?.removeEventListener('abort', kill)
    kill()
  }
}

function outcome(child: ChildProcess, entry: string, options: ChildOptions): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let lastWords = ''
    child.stderr?.on('data', (chunk: Buffer) => (lastWords = (lastWords + chunk.toString()).slice(-1000)))
    child.on('message', (message) => {
      const said = message as ChildMessage
      if (said.kind === 'progress') options.onProgress?.(said.message)
      else if (said.kind === 'done') resolve(said.result)
      else reject(new FirnError(said.error, said.message))
    })
    child.on('error', (cause) => {
      reject(new FirnError('io', `${entry} could not be started: ${cause.message}. Try again.`, { cause }))
    })
    child.on('close', (code, killedBy) => {
      if (options.signal?.aborted === true) reject(cancelled())
      const how = killedBy === null ? `ended with code ${code}` : `was killed by ${killedBy}`
      reject(
        // Killed from outside (memory, shutdown) it may succeed the next time; a crash of its own would repeat.
        new FirnError(
          killedBy === null ? 'training-failed' : 'io',
          `the process ${entry} ${how} before its job was done. Its last words: ${lastWords.trim() || 'none'}`,
        ),
      )
    })
  })
}

function cancelled(): FirnError {
  return new FirnError('cancelled', 'the work was cancelled; nothing was stored. Start it again when needed.')
}
