import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { compiledEntry } from '../../engine/compiled-entry.js'
import { FirnError } from '../../schemas/error.js'
import type { RunControl } from '../../schemas/lake-deps.js'
import type { TrainingProgress } from '../../schemas/model-messages.js'
import type { Checkpoints } from '../models/estimator.js'
import type { ChildMessage, ParentMessage } from './child-messages.js'

/** Aborting kills the process. */
export interface ChildOptions extends RunControl {
  readonly env: Readonly<Record<string, string>>
  /** The same as `onProgress`, as numbers; not each epoch of a fast fit, but always the last one of a phase. */
  readonly onTraining?: (progress: TrainingProgress) => void
  /** Where the child keeps its state: it has no way to the warehouse of its own. */
  readonly checkpoints?: Checkpoints
  /** Time between two checkpoints at least. Default 5 s; more where saving them takes long. */
  readonly checkpointEveryMs?: number
}

const CHECKPOINT_EVERY_MS = 5000

/**
 * Runs one job in a process of its own, whose module calls `serveJob`: a compiled one by name, or any by URL. The process
 * ends with the job or its parent.
 */
export async function runChild<Result>(
  entry: string | URL,
  job: unknown,
  options: ChildOptions,
): Promise<Result> {
  if (options.signal?.aborted === true) throw cancelled()
  const module = fileURLToPath(entry instanceof URL ? entry : compiledEntry(entry))
  const child = fork(module, [], {
    env: { ...process.env, ...options.env },
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const kill = (): void => void child.kill('SIGKILL')
  options.signal?.addEventListener('abort', kill)
  try {
    const { checkpoints, checkpointEveryMs = CHECKPOINT_EVERY_MS } = options
    tell(child, { kind: 'job', job, ...(checkpoints !== undefined && { checkpointEveryMs }) })
    return (await outcome(child, module, options)) as Result
  } finally {
    options.signal?.removeEventListener('abort', kill)
    kill()
  }
}

/** A child that is gone already is found out when it closes. */
function tell(child: ChildProcess, message: ParentMessage): void {
  child.send(message, () => undefined)
}

function outcome(child: ChildProcess, module: string, options: ChildOptions): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let lastWords = ''
    child.stderr?.on('data', (chunk: Buffer) => (lastWords = (lastWords + chunk.toString()).slice(-1000)))
    child.on('message', (message) => {
      const said = message as ChildMessage
      if (said.kind === 'done') resolve(said.result)
      else if (said.kind === 'failed') reject(new FirnError(said.error, said.message))
      else if (said.kind === 'progress') {
        options.onProgress?.(said.message)
        if (said.training !== undefined) options.onTraining?.(said.training)
      } else void answer(said, options.checkpoints).then((reply) => tell(child, reply))
    })
    child.on('error', (cause) => {
      reject(new FirnError('io', `${module} could not be started: ${cause.message}. Try again.`, { cause }))
    })
    child.on('close', (code, killedBy) => {
      if (options.signal?.aborted === true) reject(cancelled())
      const how = killedBy === null ? `ended with code ${code}` : `was killed by ${killedBy}`
      reject(
        // Killed from outside (memory, shutdown) it may succeed the next time; a crash of its own would repeat.
        new FirnError(
          killedBy === null ? 'training-failed' : 'io',
          `the process ${module} ${how} before its job was done. Its last words: ${lastWords.trim() || 'none'}`,
        ),
      )
    })
  })
}

/** Never fails: a training can do without its checkpoints, and says so. */
async function answer(
  asked: Extract<ChildMessage, { readonly id: number }>,
  checkpoints: Checkpoints | undefined,
): Promise<ParentMessage> {
  const reply = { kind: 'checkpoint', id: asked.id } as const
  try {
    if (asked.kind === 'save-checkpoint') {
      await checkpoints?.save(asked.state)
      return reply
    }
    const state = await checkpoints?.load()
    return state === undefined ? reply : { ...reply, state }
  } catch (error) {
    return { ...reply, error: error instanceof Error ? error.message : String(error) }
  }
}

function cancelled(): FirnError {
  return new FirnError('cancelled', 'the work was cancelled; nothing was stored. Start it again when needed.')
}
