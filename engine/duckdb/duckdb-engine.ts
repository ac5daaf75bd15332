import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { FileIO } from '../../iceberg/io/file-io.js'
import type { Engine } from '../engine.js'
import { FileCache } from '../files/file-cache.js'
import { IN_PLACE } from '../local-files.js'
import { isRunning } from '../running-process.js'
import { engineErrorOf } from './duckdb-error.js'
import type { FileSchema } from './file-schemas.js'
import { DuckDBSession } from './session.js'

/** Which folders and how much of this machine DuckDB may use. */
export interface DuckDBEngineOptions {
  /** Local folder for what does not fit into memory. */
  readonly tempDirectory: string
  /** Default: the number of cores. */
  readonly threads?: number
  /** For all sessions together. Default 60 % of memory. */
  readonly memoryLimitBytes?: number
  /** Names of files and work tables. */
  readonly newUuid?: () => string
  /** Storage of tables that don't lie on the local disk. Without it only local locations are read and written. */
  readonly io?: FileIO
  /** Local folder for copies of files that `io` reads; processes may share it. Default: `files` in `tempDirectory`. */
  readonly cacheDirectory?: string
  /** What the copies may take on the disk, beyond those in use. Default 10 GiB. */
  readonly cacheBytes?: number
}

const CACHE_BYTES = 10 * 1024 ** 3

/**
 * SQL in this process. Sessions with equal settings share one DuckDB instance, hence its memory limit and threads; each
 * has an in-memory database of its own in it.
 */
export function createDuckDBEngine(options: DuckDBEngineOptions): Engine {
  const instances = new Map<string, OpenInstance>()
  const newUuid = options.newUuid ?? randomUUID
  const fileSchemas = new Map<string, FileSchema>()
  const cache = fileCache(options, newUuid)
  return {
    async openSession(sessionOptions = {}) {
      const threads = sessionOptions.threads ?? options.threads ?? availableParallelism()
      const memory = sessionOptions.memoryLimitBytes ?? options.memoryLimitBytes ?? defaultMemoryBytes()
      const key = `${threads}:${memory}`
      let instance = instances.get(key)
      if (instance === undefined) {
        instance = { opened: openInstance(options.tempDirectory, threads, memory), functions: new Set() }
        instances.set(key, instance)
      }
      const drop = (): void => void instances.delete(key)
      try {
        const opened = await instance.opened
        return await DuckDBSession.open({
          connection: await opened.connect(),
          connect: () => opened.connect(),
          functions: instance.functions,
          ...(sessionOptions.signal === undefined ? {} : { signal: sessionOptions.signal }),
          newUuid,
          fileSchemas,
          files: cache?.lease() ?? IN_PLACE,
          io: options.io,
          tempDirectory: options.tempDirectory,
          onFatal: drop,
        })
      } catch (cause) {
        drop()
        throw engineErrorOf(cause, 'connect')
      }
    },
  }
}

function fileCache(options: DuckDBEngineOptions, newUuid: () => string): FileCache | undefined {
  const { io, tempDirectory, cacheBytes: maxBytes = CACHE_BYTES } = options
  if (io === undefined) return undefined
  const directory = options.cacheDirectory ?? join(tempDirectory, 'files')
  return new FileCache({ io, directory, maxBytes, newUuid })
}

interface OpenInstance {
  readonly opened: Promise<DuckDBInstance>
  readonly functions: Set<string>
}

async function openInstance(
  tempDirectory: string,
  threads: number,
  memoryBytes: number,
): Promise<DuckDBInstance> {
  const directory = join(tempDirectory, `duckdb-${process.pid}`)
  await mkdir(tempDirectory, { recursive: true })
  await removeDeadSpills(tempDirectory)
  return DuckDBInstance.create(':memory:', {
    threads: String(threads),
    memory_limit: `${Math.floor(memoryBytes)}B`,
    temp_directory: directory,
    preserve_insertion_order: 'true',
    // Nothing is fetched from a network, whatever a query names.
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  })
}

/** In a container its limit counts, not the machine's memory. */
function defaultMemoryBytes(): number {
  const constrained = process.constrainedMemory()
  const memory = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
  return Math.floor(memory * 0.6)
}

/** What a killed process spilled or was about to upload stays on disk: folders of processes that no longer run are removed. */
async function removeDeadSpills(tempDirectory: string): Promise<void> {
  for (const name of await readdir(tempDirectory)) {
    const pid = Number(/^(?:duckdb|write)-(\d+)$/.exec(name)?.[1] ?? process.pid)
    if (!isRunning(pid)) await rm(join(tempDirectory, name), { recursive: true, force: true })
  }
}
