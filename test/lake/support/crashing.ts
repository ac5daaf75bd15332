import type { Catalog } from '../../../iceberg/catalog/catalog.js'
import type { FileIO } from '../../../iceberg/io/file-io.js'

/** The process is gone: nothing it calls answers any more. */
export class Crash extends Error {}

/** Dies at the nth call, before the call has an effect or after it, and stays dead until it is revived. */
export class CrashPoint {
  calls = 0
  private at = Infinity
  private when: 'before' | 'after' = 'before'

  set(at: number, when: 'before' | 'after'): void {
    this.calls = 0
    this.at = at
    this.when = when
  }

  revive(): void {
    this.set(Infinity, 'before')
  }

  async around<T>(call: () => Promise<T>): Promise<T> {
    const n = ++this.calls
    if (n > this.at || (n === this.at && this.when === 'before')) throw new Crash(`crash before call ${n}`)
    const result = await call()
    if (n === this.at) throw new Crash(`crash after call ${n}`)
    return result
  }
}

const EFFECTS = [
  'read',
  'write',
  'createIfAbsent',
  'upload',
  'stat',
  'delete',
  'commit',
  'createTable',
  'createNamespace',
]

export function crashingIO(io: FileIO, point: CrashPoint): FileIO {
  return crashing(io, point)
}

export function crashingCatalog(catalog: Catalog, point: CrashPoint): Catalog {
  return crashing(catalog, point)
}

function crashing<T extends object>(target: T, point: CrashPoint): T {
  return new Proxy(target, {
    get(_, key) {
      const value = Reflect.get(target, key, target) as unknown
      if (typeof value !== 'function') return value
      const bound = value.bind(target) as (...args: unknown[]) => unknown
      if (!EFFECTS.includes(String(key))) return bound
      return (...args: unknown[]) => point.around(() => bound(...args) as Promise<unknown>)
    },
  })
}
