import type { FileHandle } from 'node:fs/promises'
import { link, mkdir, open, opendir, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { IcebergError } from '../error.js'
import type { FileIO, FileStatus, ReadRange } from './file-io.js'
import { withLocalSource } from './local-source.js'
import { compareLocations, localPrefix, toLocalPath } from './location.js'

/** How durable what is written to the local disk is. */
export interface LocalFileIOOptions {
  /** `none` flushes nothing: for benchmarks, which have to say so. Default `fsync`. */
  readonly durability?: 'fsync' | 'none'
}

/** Files of a local disk. A file appears under its name by rename or link, so it is whole or not there. */
export class LocalFileIO implements FileIO {
  readonly #flushes: boolean
  readonly #directories = new Map<string, DirectorySync>()
  readonly #made = new Map<string, Promise<void>>()
  #temporaries = 0

  constructor(options: LocalFileIOOptions = {}) {
    this.#flushes = options.durability !== 'none'
  }

  read(location: string, range?: ReadRange): Promise<Uint8Array> {
    return named(location, async () => {
      const handle = await open(toLocalPath(location), 'r')
      try {
        const { size } = await handle.stat()
        const start = Math.min(range?.start ?? 0, size)
        return await readFully(handle, start, Math.max(start, Math.min(range?.end ?? size, size)))
      } finally {
        await handle.close()
      }
    })
  }

  write(location: string, bytes: Uint8Array): Promise<void> {
    return named(location, async () => {
      const path = toLocalPath(location)
      const temporary = await this.#writeTemporary(path, (file) => file.writeFile(bytes))
      await rename(temporary, path)
      await this.#syncDirectory(dirname(path))
    })
  }

  createIfAbsent(location: string, bytes: Uint8Array): Promise<void> {
    return named(location, async () => {
      const path = toLocalPath(location)
      const temporary = await this.#writeTemporary(path, (file) => file.writeFile(bytes))
      try {
        await link(temporary, path)
      } finally {
        await unlink(temporary)
      }
      await this.#syncDirectory(dirname(path))
    })
  }

  upload(localPath: string, location: string): Promise<void> {
    return named(location, () =>
      withLocalSource(localPath, async ({ handle }) => {
        const path = toLocalPath(location)
        const temporary = await this.#writeTemporary(path, (file) => copyBytes(handle, file))
        await rename(temporary, path)
        await this.#syncDirectory(dirname(path))
      }),
    )
  }

  stat(location: string): Promise<FileStatus> {
    return named(location, async () => {
      const status = await stat(toLocalPath(location))
      if (!status.isFile()) throw notFound(location)
      return { location, sizeBytes: status.size, modifiedMs: Math.trunc(status.mtimeMs) }
    })
  }

  async *list(prefix: string, after?: string): AsyncIterable<FileStatus> {
    const path = toLocalPath(prefix)
    const scheme = localPrefix(prefix)
    const directory = path.endsWith('/') ? path : dirname(path)
    for await (const file of walk(directory)) {
      if (!file.startsWith(path)) continue
      if (after !== undefined && compareLocations(scheme + file, after) <= 0) continue
      const status = await statIfThere(file)
      if (status === undefined) continue
      yield {
        location: scheme + file,
        sizeBytes: status.size,
        modifiedMs: Math.trunc(status.mtimeMs),
      }
    }
  }

  delete(location: string): Promise<void> {
    return named(location, async () => {
      try {
        await unlink(toLocalPath(location))
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error
      }
    })
  }

  /** Another process can have the same process id (containers), hence `wx` and the next number. */
  async #writeTemporary(path: string, fill: (file: FileHandle) => Promise<void>): Promise<string> {
    for (;;) {
      this.#temporaries += 1
      const name = `.${basename(path)}.${process.pid}-${this.#temporaries}.tmp`
      const temporary = join(dirname(path), name)
      const handle = await this.#openNew(temporary)
      if (handle === undefined) continue
      try {
        await fill(handle)
        if (this.#flushes) await handle.datasync()
      } catch (error) {
        await unlink(temporary)
        throw error
      } finally {
        await handle.close()
      }
      return temporary
    }
  }

  async #openNew(path: string): Promise<FileHandle | undefined> {
    const directory = dirname(path)
    await this.#ensureDirectory(directory)
    try {
      return await open(path, 'wx')
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return undefined
      // Somebody removed the directory since: make it again, once.
      if (codeOf(error) !== 'ENOENT') throw error
      this.#made.delete(directory)
      await this.#ensureDirectory(directory)
      return open(path, 'wx')
    }
  }

  /** Made and flushed once per process; whoever comes meanwhile waits for the same flush. */
  #ensureDirectory(directory: string): Promise<void> {
    let made = this.#made.get(directory)
    if (made === undefined) {
      made = this.#makeDirectory(directory)
      made.catch(() => this.#made.delete(directory))
      this.#made.set(directory, made)
    }
    return made
  }

  async #makeDirectory(directory: string): Promise<void> {
    const first = (await mkdir(directory, { recursive: true })) ?? directory
    // A new directory is durable once its parent is flushed.
    for (let made = directory; made.length >= first.length; made = dirname(made)) {
      await this.#syncDirectory(dirname(made))
    }
  }

  /** A flush that has not begun yet serves all who ask meanwhile. */
  async #syncDirectory(directory: string): Promise<void> {
    if (!this.#flushes) return
    let sync = this.#directories.get(directory)
    if (sync === undefined) {
      sync = new DirectorySync(directory)
      this.#directories.set(directory, sync)
    }
    await sync.run()
    if (sync.idle) this.#directories.delete(directory)
  }
}

const COPY_BYTES = 1024 * 1024

class DirectorySync {
  readonly #directory: string
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(directory: string) {
    this.#directory = directory
  }

  get idle(): boolean {
    return this.#running === undefined && this.#next === undefined
  }

  run(): Promise<void> {
    if (this.#running === undefined) return this.#start()
    this.#next ??= this.#running.then(
      () => this.#start(),
      () => this.#start(),
    )
    return this.#next
  }

  #start(): Promise<void> {
    this.#next = undefined
    const running = this.#flush().finally(() => {
      if (this.#running === running) this.#running = undefined
    })
    this.#running = running
    return running
  }

  async #flush(): Promise<void> {
    const handle = await open(this.#directory, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
}

async function copyBytes(from: FileHandle, to: FileHandle): Promise<void> {
  const buffer = Buffer.allocUnsafe(COPY_BYTES)
  for (let position = 0; ;) {
    const { bytesRead } = await from.read(buffer, 0, COPY_BYTES, position)
    if (bytesRead === 0) return
    await to.writeFile(buffer.subarray(0, bytesRead))
    position += bytesRead
  }
}

async function readFully(handle: FileHandle, start: number, end: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(end - start)
  let done = 0
  while (done < buffer.length) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, start + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return buffer.subarray(0, done)
}

async function* walk(directory: string): AsyncIterable<string> {
  let entries
  try {
    entries = await opendir(directory)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return
    throw failed(directory, error)
  }
  for await (const entry of entries) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) yield* walk(path)
    else if (entry.isFile()) yield path
  }
}

async function statIfThere(path: string) {
  try {
    return await stat(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw failed(path, error)
  }
}

async function named<T>(location: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    throw failed(location, error)
  }
}

function failed(location: string, error: unknown): IcebergError {
  if (error instanceof IcebergError) return error
  const code = codeOf(error)
  const context = { location, code }
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return notFound(location, error)
  if (code === 'EEXIST') {
    return new IcebergError('already-exists', `${location} exists already`, { context, cause: error })
  }
  const reason = error instanceof Error ? error.message : String(error)
  return new IcebergError('io', `${location} could not be accessed: ${reason}; check disk and permissions`, {
    context,
    cause: error,
  })
}

function notFound(location: string, cause?: unknown): IcebergError {
  return new IcebergError('not-found', `${location} does not exist`, { context: { location }, cause })
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
