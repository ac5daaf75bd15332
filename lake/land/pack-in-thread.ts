import { Worker } from 'node:worker_threads'
import { compiledEntry } from '../../engine/compiled-entry.js'
import { FirnError } from '../../schemas/error.js'
import type { PackedObject, PackTask } from './pack-files.js'
import type { ThreadMessage } from './parse-thread.js'

/** A thread that needs more than this for one document is stopped, not the worker. */
const MAX_HEAP_MB = 2048

/** packFiles in a thread of its own; the next object is made while this one is written, no further ahead. */
export async function* packInThread(task: PackTask, signal?: AbortSignal): AsyncGenerator<PackedObject> {
  const thread = new Worker(compiledEntry('lake/land/parse-thread'), {
    workerData: task,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  })
  const inbox = new Inbox(thread, signal)
  try {
    for (;;) {
      const message = await inbox.next()
      if (message.kind === 'done') return
      if (message.kind === 'failed') throw new FirnError(message.errorKind, message.message)
      thread.postMessage('taken')
      yield message.object
    }
  } finally {
    inbox.close()
    await thread.terminate()
  }
}

/** Messages of a thread in order; its failures and the caller's cancel end the wait. */
class Inbox {
  private readonly messages: ThreadMessage[] = []
  private failure: FirnError | undefined
  private wake: () => void = () => undefined

  constructor(
    thread: Worker,
    private readonly signal: AbortSignal | undefined,
  ) {
    thread.on('message', (message: ThreadMessage) => {
      this.messages.push(message)
      this.wake()
    })
    thread.on('error', (error: Error) => this.fail(threadFailure(error)))
    thread.on('exit', (code) =>
      this.fail(new FirnError('io', `the parsing thread ended early (exit code ${code})`)),
    )
    signal?.addEventListener('abort', this.onAbort)
    if (signal?.aborted === true) this.onAbort()
  }

  async next(): Promise<ThreadMessage> {
    for (;;) {
      const message = this.messages.shift()
      if (message !== undefined) return message
      if (this.failure !== undefined) throw this.failure
      await new Promise<void>((resolve) => (this.wake = resolve))
    }
  }

  close(): void {
    this.signal?.removeEventListener('abort', this.onAbort)
  }

  private readonly onAbort = (): void => {
    this.messages.length = 0
    this.fail(new FirnError('cancelled', 'the landing was cancelled; nothing of it is visible'))
  }

  private fail(failure: FirnError): void {
    this.failure ??= failure
    this.wake()
  }
}

function threadFailure(error: Error): FirnError {
  const outOfMemory = 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
  return outOfMemory
    ? new FirnError(
        'contract-broken',
        `a document needs more than ${MAX_HEAP_MB} MiB to read; lower maxDocumentBytes`,
      )
    : new FirnError('io', `the parsing thread failed: ${error.message}`, { cause: error })
}
