import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * DuckDB's memory of a chunk is freed when V8 collects the object that stands for it, and V8 sees neither that memory nor
 * a reason to hurry: a stream could take gigabytes. So every 32 MiB that were streamed a chunk is remembered; where V8 has
 * not collected it by the next 32 MiB, it is told to.
 */
export class ChunkMemory {
  private streamed = 0
  private watched: WeakRef<object> | undefined

  /** `chunk` has been read; `bytes` were streamed since the last call. */
  note(chunk: object, bytes: number): void {
    this.streamed += bytes
    if (this.streamed < WATCH_BYTES) return
    this.streamed = 0
    if (this.watched?.deref() !== undefined) collectGarbage()
    this.watched = new WeakRef(chunk)
  }
}

const WATCH_BYTES = 32 * 1024 ** 2

let collect: (() => void) | undefined

/** V8 shows its collector only to contexts made after the flag is set, so nothing else of the process changes. */
function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
    setFlagsFromString('--no-expose-gc')
  }
  collect()
}
