import { Worker } from 'node:worker_threads'
import { compiledEntry } from '../../engine/compiled-entry.js'
import { FirnError } from '../../schemas/error.js'
import { endThread } from './end-thread.js'
import type { PackedObject, PackTask } from './pack-files.js'
import type { ThreadMessage } from './parse-thread.js'
import { landingCancelled, THREAD_LIMITS, threadEnded, threadFailure } from './thread-failure.js'

/** packFiles in a thread of its own; the next object is made while this one is written, no further ahead. */
export async function* packInThread(task: PackTask, signal?: AbortSignal): AsyncGenerator<PackedObject> {
  const thread = new Worker(compiledEntry('lake/land/parse-thread'), {
    workerData: task,
    resourceLimits: THREAD_LIMITS,
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
    await endThread(thread)
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
    thread.on('error', (error: Error) => this.fail(threadFailure('parsing', error)))
    thread.on('exit', (code) => this.fail(threadEnded('parsing', code)))
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
    this.fail(landingCancelled())
  }

  private fail(failure: FirnError): void {
    this.failure ??= failure
    this.wake()
  }
}
