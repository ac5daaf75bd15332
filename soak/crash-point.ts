import type { Catalog } from '../iceberg/catalog/catalog.js'
import type { FileIO } from '../iceberg/io/file-io.js'

/** The process is gone: nothing that it calls answers any more. */
export class Crash extends Error {}

/** Counts calls, dies at one of them, before it has an effect or after it, and stays dead until it is revived. */
export class CrashPoint {
  /** Since it was last set or revived. */
  calls = 0
  /** Since it was made. */
  total = 0
  private at = Number.POSITIVE_INFINITY
  private when: 'before' | 'after' = 'before'

  /** The `at`-th call from now. */
  set(at: number, when: 'before' | 'after'): void {
    this.calls = 0
    this.at = at
    this.when = when
  }

  /** Whether it had died. */
  revive(): boolean {
    const hadDied = this.calls >= this.at
    this.set(Number.POSITIVE_INFINITY, 'before')
    return hadDied
  }

  async around<T>(call: () => Promise<T>): Promise<T> {
    this.total += 1
    const n = ++this.calls
    if (n > this.at || (n === this.at && this.when === 'before'))
      throw new Crash(`the process is gone, before call ${n}`)
    const result = await call()
    if (n === this.at) throw new Crash(`the process is gone, after call ${n}`)
    return result
  }
}

/** Calls of these names go by the point. */
export function crashing<T extends Catalog | FileIO>(
  target: T,
  point: Pick<CrashPoint, 'around'>,
  names: ReadonlySet<string>,
): T {
  return new Proxy(target, {
    get(_, key) {
      const value = Reflect.get(target, key, target) as unknown
      if (typeof value !== 'function') return value
      const bound = value.bind(target) as (...args: unknown[]) => unknown
      if (!names.has(String(key))) return bound
      return (...args: unknown[]) => point.around(() => bound(...args) as Promise<unknown>)
    },
  })
}
