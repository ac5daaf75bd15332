import { mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { FileIO } from '../iceberg/io/file-io.js'
import { isLocalLocation, toLocalPath } from '../iceberg/io/location.js'
import { flushFiles, removeFiles } from './durable-files.js'
import { EngineError } from './engine.js'

/** Where the files of one write are made, and how they become durable at their locations. */
export interface OutputFiles {
  /** The local path to write a file at that its location names; its folder is there. */
  begin(location: string): Promise<string>
  /** Says that the file is whole. Files that were begun and never completed are no part of the write. */
  complete(location: string): Promise<void>
  /** All completed files are durable once it resolves. */
  finish(): Promise<void>
  /** Removes what was begun and not completed; with `all`, what was completed as well. */
  discard(what?: 'all'): Promise<void>
}

export interface OutputOptions {
  /** `<table location>/data` */
  readonly root: string
  /** Needed where the root is not on the local disk. */
  readonly io: FileIO | undefined
  /** Local folder for files on their way to another store. */
  readonly tempDirectory: string
  readonly newUuid: () => string
}

export function outputFiles(options: OutputOptions): OutputFiles {
  const { root, io } = options
  if (isLocalLocation(root)) return new LocalOutput(toLocalPath(root))
  if (io !== undefined) return new UploadedOutput(io, options)
  throw new EngineError('unsupported', `${root} is not on the local disk: give createDuckDBEngine an io`, {
    context: { location: root },
  })
}

/** Folder of this process for files on their way; removed with the spills of a process that died. */
export function workFolder(tempDirectory: string): string {
  return join(tempDirectory, `write-${process.pid}`)
}

/** Files written in place and flushed together. */
class LocalOutput implements OutputFiles {
  readonly #begun = new Set<string>()
  readonly #completed: string[] = []

  constructor(private readonly root: string) {}

  async begin(location: string): Promise<string> {
    const path = toLocalPath(location)
    await mkdir(dirname(path), { recursive: true })
    this.#begun.add(path)
    return path
  }

  complete(location: string): Promise<void> {
    const path = toLocalPath(location)
    this.#begun.delete(path)
    this.#completed.push(path)
    return Promise.resolve()
  }

  finish(): Promise<void> {
    return flushFiles(this.#completed, this.root)
  }

  async discard(what?: 'all'): Promise<void> {
    await removeFiles([...this.#begun, ...(what === 'all' ? this.#completed : [])])
    this.#begun.clear()
  }
}

/** Beside the file that is being written so many are on their way; the local disk holds no more. */
const UPLOADS_AT_ONCE = 2

/** Files written to a local folder and uploaded as they are completed. */
class UploadedOutput implements OutputFiles {
  readonly #begun = new Map<string, string>()
  readonly #uploads = new Map<string, Promise<void>>()
  readonly #running = new Set<Promise<void>>()
  readonly #failures: unknown[] = []

  constructor(
    private readonly io: FileIO,
    private readonly options: OutputOptions,
  ) {}

  async begin(location: string): Promise<string> {
    const folder = workFolder(this.options.tempDirectory)
    await mkdir(folder, { recursive: true })
    const path = join(folder, `${this.options.newUuid()}.parquet`)
    this.#begun.set(location, path)
    return path
  }

  async complete(location: string): Promise<void> {
    const path = this.#begun.get(location)
    if (path === undefined) return
    while (this.#running.size >= UPLOADS_AT_ONCE) await Promise.race(this.#running)
    if (this.#failures.length > 0) throw this.#failures[0]
    this.#begun.delete(location)
    const upload = this.io.upload(path, location).finally(() => rm(path, { force: true }))
    this.#uploads.set(location, upload)
    const running = upload
      .catch((error: unknown) => void this.#failures.push(error))
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async finish(): Promise<void> {
    await Promise.all(this.#uploads.values())
  }

  async discard(what?: 'all'): Promise<void> {
    await removeFiles([...this.#begun.values()])
    this.#begun.clear()
    if (what !== 'all') return
    await Promise.allSettled(this.#uploads.values())
    // Best effort: what stays is an orphan that maintenance finds.
    await Promise.allSettled([...this.#uploads.keys()].map((location) => this.io.delete(location)))
  }
}
