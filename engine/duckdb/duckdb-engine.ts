import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Engine } from '../engine.js'
import { IN_PLACE } from '../local-files.js'
import { engineErrorOf } from './duckdb-error.js'
import type { FileSchema } from './file-schemas.js'
import { DuckDBSession } from './session.js'

export interface DuckDBEngineOptions {
  /** Local folder for what does not fit into memory. */
  readonly tempDirectory: string
  /** Default: the number of cores. */
  readonly threads?: number
  /** For all sessions together. Default 60 % of memory. */
  readonly memoryLimitBytes?: number
  /** Names of files and work tables. */
  readonly newUuid?: () => string
}

/**
 * SQL in this process. Sessions with equal settings share one DuckDB instance, hence its memory limit and threads; each
 * has an in-memory database of its own in it.
 */
export function createDuckDBEngine(options: DuckDBEngineOptions): Engine {
  const instances = new Map<string, OpenInstance>()
  const newUuid = options.newUuid ?? randomUUID
  const fileSchemas = new Map<string, FileSchema>()
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
        return await DuckDBSession.open({
          connection: await (await instance.opened).connect(),
          functions: instance.functions,
          ...(sessionOptions.signal === undefined ? {} : { signal: sessionOptions.signal }),
          newUuid,
          fileSchemas,
          files: IN_PLACE,
          onFatal: drop,
        })
      } catch (cause) {
        drop()
        throw engineErrorOf(cause, 'connect')
      }
    },
  }
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

/** What a killed process spilled stays on disk: folders of processes that no longer run are removed. */
async function removeDeadSpills(tempDirectory: string): Promise<void> {
  for (const name of await readdir(tempDirectory)) {
    const pid = Number(/^duckdb-(\d+)$/.exec(name)?.[1] ?? process.pid)
    if (!isRunning(pid)) await rm(join(tempDirectory, name), { recursive: true, force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Without the right to signal it, it runs.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
