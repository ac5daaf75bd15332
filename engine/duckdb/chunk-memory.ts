import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * DuckDB's memory of a chunk is freed when V8 collects the object that stands for it, and V8 sees neither that memory nor
 * a reason to hurry: a stream could take gigabytes. So a chunk is remembered every 24 MiB; where V8 has not collected it
 * by the next 24 MiB, it is told to. What a chunk is read through is young and many megabytes, which V8 would stop for a
 * hundred times as long to collect all there is: it is told to collect what is young in time.
 */
export class ChunkMemory {
  private young = 0
  private streamed = 0
  private watched: WeakRef<object> | undefined

  /** `chunk` has been read; `bytes` were streamed since the last call. */
  note(chunk: object, bytes: number): void {
    this.young += bytes
    this.streamed += bytes
    if (this.streamed >= WATCH_BYTES) {
      this.streamed = this.young = 0
      if (this.watched?.deref() !== undefined) garbageCollector()()
      this.watched = new WeakRef(chunk)
    } else if (this.young >= YOUNG_BYTES) {
      this.young = 0
      garbageCollector()({ type: 'minor' })
    }
  }
}

const WATCH_BYTES = 24 * 1024 ** 2
const YOUNG_BYTES = 2 * 1024 ** 2

type Collect = (options?: { readonly type: 'minor' }) => void
let collect: Collect | undefined

/** V8 shows its collector only to contexts made after the flag is set, so nothing else of the process changes. */
function garbageCollector(): Collect {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as Collect
    setFlagsFromString('--no-expose-gc')
  }
  return collect
}
