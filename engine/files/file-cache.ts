import { createHash } from 'node:crypto'
import { linkSync, statSync, unlinkSync, utimesSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { inParallel } from '../../iceberg/io/in-parallel.js'
import { isLocalLocation, toLocalPath } from '../../iceberg/io/location.js'
import type { FileToOpen, LocalFiles } from '../local-files.js'
import { CacheSpace } from './cache-space.js'
import { download } from './download.js'
import { withDownloadLock } from './download-lock.js'
import { ownFolder } from './own-folder.js'
import { Slots } from './slots.js'

export interface FileCacheOptions {
  readonly io: FileIO
  /** Local folder; processes of one machine may share it. */
  readonly directory: string
  /** What it may hold beyond the files in use. */
  readonly maxBytes: number
  readonly newUuid: () => string
}

/** A file that sessions of this process use. */
interface Entry {
  users: number
  readonly path: Promise<string>
}

/** Of all sessions together; a chunk is 8 MiB. */
const CHUNKS_IN_MEMORY = 8

/** Opened at once by one session. */
const FILES_AT_ONCE = 8

/**
 * Copies of immutable files on the local disk, for what can open local paths only.
 *
 * `files/` holds whole copies, each made under another name and renamed. A process that uses one links it into a folder
 * of its own under `processes/`: the file then stays whatever others evict, and a second link tells them that it is in
 * use. Folders of processes that died are removed, with what they had half downloaded.
 */
export class FileCache {
  readonly #options: FileCacheOptions
  readonly #files: string
  readonly #locks: string
  readonly #space: CacheSpace
  readonly #entries = new Map<string, Entry>()
  #own: Promise<string> | undefined
  #ownPath: string | undefined
  readonly #slots = new Slots(CHUNKS_IN_MEMORY)
  #parts = 0

  constructor(options: FileCacheOptions) {
    this.#options = options
    this.#files = join(options.directory, 'files')
    this.#locks = join(options.directory, 'locks')
    this.#space = new CacheSpace(this.#files, options.maxBytes)
  }

  /** The files of one session. */
  lease(): LocalFiles {
    const held: string[] = []
    return {
      open: async (files) => {
        const byLocation = new Map(files.map((file) => [file.location, file]))
        const paths = await inParallel([...byLocation.values()], FILES_AT_ONCE, async (file) =>
          isLocalLocation(file.location) ? toLocalPath(file.location) : await this.#hold(file, held),
        )
        return new Map([...byLocation.keys()].map((location, n) => [location, paths[n] ?? '']))
      },
      release: () => {
        for (const name of held.splice(0)) this.#release(name)
      },
    }
  }

  async #hold(file: FileToOpen, held: string[]): Promise<string> {
    const { name, sizeBytes } = await this.#identify(file)
    let entry = this.#entries.get(name)
    if (entry === undefined) {
      const path = this.#fetch(name, { location: file.location, sizeBytes })
      entry = { users: 0, path }
      this.#entries.set(name, entry)
      path.catch(() => this.#entries.delete(name))
    }
    entry.users += 1
    const path = await entry.path
    held.push(name)
    return path
  }

  #release(name: string): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    entry.users -= 1
    if (entry.users > 0) return
    this.#entries.delete(name)
    // At once: the next session may link the same name.
    if (this.#ownPath !== undefined) removeIfThere(join(this.#ownPath, name))
  }

  /** Its name in the cache; the ending stays, since the engine tells compression by it. */
  async #identify({ location, sizeBytes }: FileToOpen) {
    const status = sizeBytes === undefined ? await this.#options.io.stat(location) : undefined
    const version = status === undefined ? [sizeBytes] : [status.sizeBytes, status.modifiedMs]
    const hash = createHash('sha256')
      .update(JSON.stringify([location, ...version]))
      .digest('hex')
    const ending = /(?:\.[A-Za-z0-9]{1,10}){1,2}$/.exec(location)?.[0] ?? ''
    return { name: `${hash.slice(0, 40)}${ending}`, sizeBytes: sizeBytes ?? status?.sizeBytes ?? 0 }
  }

  /** Links the copy into this process's folder; where there is none, one process downloads it and the others wait. */
  async #fetch(name: string, file: Required<FileToOpen>): Promise<string> {
    const own = await (this.#own ??= ownFolder(this.#options))
    this.#ownPath = own
    const [copy, pin] = [join(this.#files, name), join(own, name)]
    while (!linkCopy(copy, pin)) {
      await mkdir(this.#locks, { recursive: true })
      await withDownloadLock(join(this.#locks, name), async () => {
        if (!linkCopy(copy, pin)) await this.#download(file, { own, copy, pin })
      })
    }
    return pin
  }

  /** The link into our folder comes before the name that others see, so it can't be evicted in between. */
  async #download(
    file: Required<FileToOpen>,
    { own, copy, pin }: { readonly own: string; readonly copy: string; readonly pin: string },
  ): Promise<void> {
    await this.#space.makeRoom(file.sizeBytes)
    await Promise.all([own, this.#files].map((folder) => mkdir(folder, { recursive: true })))
    const part = join(own, `${this.#parts++}.part`)
    try {
      await download({ io: this.#options.io, slots: this.#slots, ...file }, part)
      linkSync(part, pin)
      await rename(part, copy)
    } finally {
      await rm(part, { force: true })
    }
  }
}

/** False where there is no copy. Its time of access tells what was used last; its time of change has to stay. */
function linkCopy(copy: string, pin: string): boolean {
  try {
    removeIfThere(pin)
    linkSync(copy, pin)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
  utimesSync(pin, new Date(), statSync(pin).mtime)
  return true
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
