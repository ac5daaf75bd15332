import type {
  NamespaceChange,
  NamespaceUpdate,
  Properties,
  TableIdentifier,
} from '../iceberg/catalog/catalog.js'
import type { PointerStore, Swap } from '../iceberg/catalog/pointer-store.js'
import { IcebergError } from '../iceberg/error.js'
import type { FileIO, FileStatus, ReadRange } from '../iceberg/io/file-io.js'

/**
 * `fail-before`: an error, nothing was done. `fail-after`: it was done, but an error is reported. `lost`: for swaps, an
 * error now, and it is done some time later. `crash-before`, `crash-after`: the process ends there.
 */
export type Fault = 'none' | 'fail-before' | 'fail-after' | 'lost' | 'crash-before' | 'crash-after'

/** Lets calls of many writers go on one at a time, in an order drawn from `random` (0 ≤ n < bound). */
export class Scheduler {
  readonly #random: (bound: number) => number
  readonly #waiting: (() => void)[] = []

  constructor(random: (bound: number) => number) {
    this.#random = random
  }

  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  /** Lets everything that still waits go on, until nothing does. */
  async drain(): Promise<void> {
    for (let idle = 0; idle < 3; idle += this.#waiting.length === 0 ? 1 : 0) {
      const [next] = this.#waiting.splice(0, 1)
      next?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Runs until `work` settles. */
  async runUntil<T>(work: Promise<T>): Promise<T> {
    const state = { isSettled: false }
    const settled = work.finally(() => {
      state.isSettled = true
    })
    settled.catch(() => undefined)
    while (!state.isSettled) {
      await new Promise((resolve) => setImmediate(resolve))
      const [next] = this.#waiting.splice(this.#random(Math.max(this.#waiting.length, 1)), 1)
      next?.()
    }
    return settled
  }
}

/** One run of a process: its calls take turns with those of others and fail as planned, by the number of the call. */
export class Session {
  readonly crashed: Promise<'crashed'>
  readonly scheduler: Scheduler
  calls = 0
  faultsMet = 0
  #isDead = false
  #crash: (value: 'crashed') => void = () => undefined
  readonly #faults: ReadonlyMap<number, Fault>

  constructor(scheduler: Scheduler, faults: ReadonlyMap<number, Fault>) {
    this.scheduler = scheduler
    this.#faults = faults
    this.crashed = new Promise((resolve) => {
      this.#crash = resolve
    })
  }

  async call<T>(action: () => Promise<T>, lostKind: 'io' | 'commit-unknown' = 'io'): Promise<T> {
    if (this.#hasDied()) return forever()
    const fault = this.#faults.get(this.calls++) ?? 'none'
    await this.scheduler.turn()
    if (fault !== 'none') this.faultsMet++
    if (this.#hasDied() || fault === 'crash-before') return this.#die()
    if (fault === 'fail-before') throw new IcebergError('io', 'injected: nothing was done')
    if (fault === 'lost' && lostKind === 'commit-unknown') {
      void this.#later(action)
      throw new IcebergError('commit-unknown', 'injected: on its way')
    }
    const result = await action()
    if (this.#hasDied() || fault === 'crash-after') return this.#die()
    if (fault === 'fail-after' || fault === 'lost')
      throw new IcebergError(lostKind, 'injected: done, answer lost')
    return result
  }

  /** Other calls of the process can end it while one waits. */
  #hasDied(): boolean {
    return this.#isDead
  }

  /** Late enough that its sender has often moved on. */
  async #later(action: () => Promise<unknown>): Promise<void> {
    for (let turns = this.calls % 8; turns >= 0; turns--) await this.scheduler.turn()
    await action()
  }

  #die(): Promise<never> {
    this.#isDead = true
    this.#crash('crashed')
    return forever()
  }
}

function forever(): Promise<never> {
  return new Promise(() => undefined)
}

export class FaultyFileIO implements FileIO {
  readonly #inner: FileIO
  readonly #session: Session

  constructor(inner: FileIO, session: Session) {
    this.#inner = inner
    this.#session = session
  }

  read(location: string, range?: ReadRange): Promise<Uint8Array> {
    return this.#session.call(() => this.#inner.read(location, range))
  }

  write(location: string, bytes: Uint8Array): Promise<void> {
    return this.#session.call(() => this.#inner.write(location, bytes))
  }

  createIfAbsent(location: string, bytes: Uint8Array): Promise<void> {
    return this.#session.call(() => this.#inner.createIfAbsent(location, bytes))
  }

  upload(localPath: string, location: string): Promise<void> {
    return this.#session.call(() => this.#inner.upload(localPath, location))
  }

  stat(location: string): Promise<FileStatus> {
    return this.#session.call(() => this.#inner.stat(location))
  }

  async *list(prefix: string, after?: string): AsyncIterable<FileStatus> {
    const files: FileStatus[] = []
    await this.#session.call(async () => {
      for await (const file of this.#inner.list(prefix, after)) files.push(file)
    })
    yield* files
  }

  delete(location: string): Promise<void> {
    return this.#session.call(() => this.#inner.delete(location))
  }
}

export class FaultyPointerStore implements PointerStore {
  readonly #inner: PointerStore
  readonly #session: Session

  constructor(inner: PointerStore, session: Session) {
    this.#inner = inner
    this.#session = session
  }

  read(identifiers: readonly TableIdentifier[]): Promise<readonly (string | undefined)[]> {
    return this.#session.call(() => this.#inner.read(identifiers))
  }

  swap(swaps: readonly Swap[]): Promise<boolean> {
    return this.#session.call(() => this.#inner.swap(swaps), 'commit-unknown')
  }

  list(namespace?: string): Promise<readonly TableIdentifier[]> {
    return this.#session.call(() => this.#inner.list(namespace))
  }

  rename(from: TableIdentifier, to: TableIdentifier): Promise<boolean> {
    return this.#session.call(() => this.#inner.rename(from, to), 'commit-unknown')
  }

  remove(identifier: TableIdentifier): Promise<string | undefined> {
    return this.#session.call(() => this.#inner.remove(identifier), 'commit-unknown')
  }

  namespaces(): Promise<readonly string[]> {
    return this.#session.call(() => this.#inner.namespaces())
  }

  namespaceProperties(namespace: string): Promise<Properties | undefined> {
    return this.#session.call(() => this.#inner.namespaceProperties(namespace))
  }

  updateNamespace(namespace: string, change: NamespaceChange): Promise<NamespaceUpdate> {
    return this.#session.call(() => this.#inner.updateNamespace(namespace, change), 'commit-unknown')
  }

  addNamespace(namespace: string, properties: Properties): Promise<boolean> {
    return this.#session.call(() => this.#inner.addNamespace(namespace, properties), 'commit-unknown')
  }

  removeNamespace(namespace: string): Promise<void> {
    return this.#session.call(() => this.#inner.removeNamespace(namespace), 'commit-unknown')
  }

  close(): void {
    this.#inner.close()
  }
}
