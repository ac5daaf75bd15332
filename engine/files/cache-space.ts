import type { Stats } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** After evicting there is room for this share of the limit, so that not every download looks at all files. */
const ROOM = 0.1
/** Other processes add as well: all files are looked at after this share of the limit was downloaded. */
const BLIND = 0.1

/** Keeps the files of a folder within a limit: those used longest ago go first, those in use never. */
export class CacheSpace {
  readonly #folder: string
  readonly #maxBytes: number
  /** Undefined: not looked yet. */
  #usedBytes: number | undefined
  #addedBytes = 0
  #last: Promise<void> = Promise.resolve()

  constructor(folder: string, maxBytes: number) {
    this.#folder = folder
    this.#maxBytes = maxBytes
  }

  /** Evicts until so many bytes more fit in, as far as that is possible, and counts them as used. */
  makeRoom(sizeBytes: number): Promise<void> {
    const turn = this.#last.then(() => this.#makeRoom(sizeBytes))
    this.#last = turn.catch(() => undefined)
    return turn
  }

  async #makeRoom(sizeBytes: number): Promise<void> {
    const isBlind = this.#addedBytes > BLIND * this.#maxBytes
    if (this.#usedBytes === undefined || isBlind || this.#usedBytes + sizeBytes > this.#maxBytes) {
      this.#usedBytes = await this.#evict(sizeBytes)
      this.#addedBytes = 0
    }
    this.#usedBytes += sizeBytes
    this.#addedBytes += sizeBytes
  }

  /** Bytes that are left. */
  async #evict(sizeBytes: number): Promise<number> {
    const files = await filesOf(this.#folder)
    let left = files.reduce((sum, { status }) => sum + status.size, 0)
    if (left + sizeBytes <= this.#maxBytes) return left
    files.sort((a, b) => a.status.atimeMs - b.status.atimeMs)
    for (const { path, status } of files) {
      if (left + sizeBytes <= this.#maxBytes * (1 - ROOM)) break
      // A second link: some process uses it.
      if (status.nlink > 1) continue
      await rm(path, { force: true })
      left -= status.size
    }
    return left
  }
}

async function filesOf(folder: string): Promise<{ readonly path: string; readonly status: Stats }[]> {
  const names = await readdir(folder).catch(() => [])
  const files: { readonly path: string; readonly status: Stats }[] = []
  for (const name of names) {
    const path = join(folder, name)
    const status = await stat(path).catch(() => undefined)
    if (status?.isFile() === true) files.push({ path, status })
  }
  return files
}
