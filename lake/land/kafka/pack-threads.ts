import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { compiledEntry } from '../../../engine/compiled-entry.js'
import { FirnError } from '../../../schemas/error.js'
import type { PackedTopicObject, TopicPackTask } from '../../../schemas/topics.js'
import { endThread } from '../end-thread.js'
import { landingCancelled, THREAD_LIMITS, threadEnded, threadFailure } from '../thread-failure.js'
import type { KafkaConfig } from './kafka-config.js'
import type { FromPackThread, ToPackThread } from './pack-thread.js'

const MAX_THREADS = Math.min(4, availableParallelism())
/** A stream packs every few seconds: its thread and connection stay. */
const IDLE_MS = 60_000

/** Threads that pack topics, a few, each with a connection of its own; used again while they are young, ended by `close`. */
export class PackThreads {
  private readonly threads = new Set<PackThread>()
  private readonly waiting: (() => void)[] = []
  private isClosed = false

  constructor(
    private readonly config: KafkaConfig,
    private readonly limits: { readonly threads?: number; readonly idleMs?: number } = {},
  ) {}

  /** The next object is made while this one is looked at, no further ahead. */
  async *pack(task: TopicPackTask, signal?: AbortSignal): AsyncGenerator<PackedTopicObject> {
    const thread = await this.take(signal)
    let reusable = false
    try {
      thread.say({ kind: 'pack', task })
      for (;;) {
        const message = await thread.next(signal)
        if (message.kind === 'done') break
        if (message.kind === 'failed')
          throw new FirnError(message.errorKind, message.message, { context: message.context })
        thread.say({ kind: 'taken' })
        yield message.object
      }
      reusable = true
    } finally {
      await this.giveBack(thread, reusable)
    }
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.wakeAll()
    await Promise.all([...this.threads].map((thread) => this.end(thread)))
  }

  private async take(signal: AbortSignal | undefined): Promise<PackThread> {
    for (;;) {
      if (this.isClosed)
        throw new FirnError('cancelled', 'topics were closed while a landing was to read them')
      if (signal?.aborted === true) throw landingCancelled()
      const idle = [...this.threads].find((thread) => thread.isIdle)
      if (idle !== undefined) {
        idle.wake()
        return idle
      }
      if (this.threads.size < (this.limits.threads ?? MAX_THREADS)) return this.start()
      await this.freed(signal)
    }
  }

  private start(): PackThread {
    const thread = new PackThread(this.config, () => {
      this.threads.delete(thread)
      this.wakeAll()
    })
    this.threads.add(thread)
    return thread
  }

  private freed(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      this.waiting.push(wake)
      signal?.addEventListener('abort', wake)
    })
  }

  private wakeAll(): void {
    for (const wake of this.waiting.splice(0)) wake()
  }

  private async giveBack(thread: PackThread, reusable: boolean): Promise<void> {
    if (reusable && !this.isClosed) thread.rest(this.limits.idleMs ?? IDLE_MS)
    else await this.end(thread)
    this.wakeAll()
  }

  private async end(thread: PackThread): Promise<void> {
    this.threads.delete(thread)
    await thread.end()
  }
}

/** One thread, its messages in order; its failures and the caller's cancel end the wait for them. */
class PackThread {
  isIdle = false
  private readonly worker: Worker
  private readonly messages: FromPackThread[] = []
  private failure: FirnError | undefined
  private arrived: () => void = () => undefined
  private ending: NodeJS.Timeout | undefined

  constructor(config: KafkaConfig, onEnd: () => void) {
    this.worker = new Worker(compiledEntry('lake/land/kafka/pack-thread'), {
      workerData: config,
      resourceLimits: THREAD_LIMITS,
    })
    this.worker.on('message', (message: FromPackThread) => {
      this.messages.push(message)
      this.arrived()
    })
    const fail = (failure: FirnError): void => {
      this.failure ??= failure
      this.isIdle = false
      onEnd()
      this.arrived()
    }
    this.worker.on('error', (error: Error) => fail(threadFailure('packing', error)))
    this.worker.on('exit', (code) => fail(threadEnded('packing', code)))
  }

  say(message: ToPackThread): void {
    this.worker.postMessage(message)
  }

  async next(signal: AbortSignal | undefined): Promise<FromPackThread> {
    for (;;) {
      if (signal?.aborted === true) throw landingCancelled()
      const message = this.messages.shift()
      if (message !== undefined) return message
      if (this.failure !== undefined) throw this.failure
      await new Promise<void>((resolve) => {
        this.arrived = () => {
          signal?.removeEventListener('abort', this.arrived)
          resolve()
        }
        signal?.addEventListener('abort', this.arrived)
      })
    }
  }

  /** Waits for another task, but keeps no process alive for it. */
  rest(idleMs: number): void {
    this.isIdle = true
    this.worker.unref()
    this.ending = setTimeout(() => void this.end(), idleMs).unref()
  }

  wake(): void {
    this.isIdle = false
    clearTimeout(this.ending)
    this.worker.ref()
  }

  async end(): Promise<void> {
    clearTimeout(this.ending)
    this.isIdle = false
    await endThread(this.worker)
  }
}
