import type { Catalog } from '../../iceberg/catalog/catalog.js'
import type { FileIO } from '../../iceberg/io/file-io.js'

/** The process is gone: nothing that it calls answers any more. */
export class Crash extends Error {}

/** Counts the calls to store and catalog, and dies at one of them, before it has an effect or after it. */
export class CrashPoint {
  calls = 0
  private at = Number.POSITIVE_INFINITY
  private isBefore = true

  arm(callsFromNow: number, isBefore: boolean): void {
    this.at = this.calls + callsFromNow
    this.isBefore = isBefore
  }

  /** Whether it had died. */
  revive(): boolean {
    const hadDied = this.calls >= this.at
    this.at = Number.POSITIVE_INFINITY
    return hadDied
  }

  async around<T>(call: () => Promise<T>): Promise<T> {
    const n = ++this.calls
    if (n > this.at || (n === this.at && this.isBefore)) throw new Crash('the process is gone')
    const result = await call()
    if (n === this.at) throw new Crash('the process is gone')
    return result
  }
}

const CALLS = new Set([
  ...['read', 'write', 'createIfAbsent', 'upload', 'stat', 'delete'],
  ...['loadTable', 'loadTables', 'commit', 'createTable', 'createNamespace'],
])

export function crashing<T extends Catalog | FileIO>(target: T, point: CrashPoint): T {
  return new Proxy(target, {
    get(_, key) {
      const value = Reflect.get(target, key, target) as unknown
      if (typeof value !== 'function') return value
      const bound = value.bind(target) as (...args: unknown[]) => unknown
      if (!CALLS.has(String(key))) return bound
      return (...args: unknown[]) => point.around(() => bound(...args) as Promise<unknown>)
    },
  })
}
