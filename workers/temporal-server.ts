import { spawn, type ChildProcess } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { createServer, Socket, type AddressInfo } from 'node:net'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Connection } from '@temporalio/client'
import { FirnError } from '../schemas/error.js'
import { SEARCH_ATTRIBUTES } from '../schemas/workflow-names.js'

export interface DevServerOptions {
  /** SQLite file that keeps workflows over restarts; default: in memory. */
  readonly dbFile?: string
  /** Default: ports that are free now. */
  readonly port?: number
  readonly uiPort?: number
  /** Further arguments of `temporal server start-dev`. */
  readonly extraArguments?: readonly string[]
  /** Gets the server's own lines (warnings and errors). */
  readonly log?: (line: string) => void
}

export interface DevServer {
  /** `127.0.0.1:<port>` */
  readonly address: string
  readonly uiUrl: string
  readonly pid: number
  /** Ends the server, by force after five seconds. Safe to call twice. */
  stop(): Promise<void>
}

/** Path of the Temporal CLI, which holds the dev server: FIRN_TEMPORAL_BIN, on PATH, or where `npm run setup` puts it. */
export function findTemporalServer(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const program = process.platform === 'win32' ? 'temporal.exe' : 'temporal'
  if (env['FIRN_TEMPORAL_BIN']) {
    if (isExecutable(env['FIRN_TEMPORAL_BIN'])) return env['FIRN_TEMPORAL_BIN']
    throw new FirnError(
      'config',
      `FIRN_TEMPORAL_BIN names ${env['FIRN_TEMPORAL_BIN']}, which is no program that can be run: correct or unset it.`,
    )
  }
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  folders.push(join(env['FIRN_CACHE'] ?? join(homedir(), '.cache', 'firn'), 'bin'))
  return folders.map((folder) => join(folder, program)).find(isExecutable)
}

/** Starts Temporal's dev server with its UI on loopback, our search attributes registered, and waits until it answers. */
export async function startDevServer(options: DevServerOptions = {}): Promise<DevServer> {
  const program = findTemporalServer()
  if (program === undefined) {
    throw new FirnError(
      'config',
      'there is no Temporal dev server here: run `npm run setup`, or set FIRN_TEMPORAL_BIN to the Temporal CLI or TEMPORAL_ADDRESS to a running server.',
    )
  }
  for (let tries = 1; ; tries++) {
    try {
      return await startOnce(program, options)
    } catch (error) {
      // The server chooses further ports itself and ends where another process was faster.
      const hasEnded = error instanceof FirnError && error.context['hasEnded'] === true
      if (!hasEnded || tries >= START_TRIES) throw error
    }
  }
}

async function startOnce(program: string, options: DevServerOptions): Promise<DevServer> {
  const [port, uiPort] = [options.port ?? (await freePort()), options.uiPort ?? (await freePort())]
  const child = spawn(program, serverArguments(options, port, uiPort), {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Ctrl-C in a terminal goes to the whole process group: the server must outlive it until the workers have drained.
    detached: process.platform !== 'win32',
  })
  const tail = collectLines(child, options.log)
  const watcher = endWithThisProcess(child)
  const stop = async (): Promise<void> => {
    watcher?.kill('SIGKILL')
    await endProcess(child, options.dbFile === undefined ? 'SIGKILL' : 'SIGTERM')
  }
  const address = `127.0.0.1:${port}`
  try {
    await waitUntilReady(child, address, tail)
  } catch (error) {
    await stop()
    throw error
  }
  child.unref()
  return { address, uiUrl: `http://127.0.0.1:${uiPort}`, pid: child.pid ?? 0, stop }
}

/**
 * However this process ends, also by force, the server must not stay: another one on the same database file would
 * follow. A shell that waits for the end of its input, which we hold open, outlives us for that long.
 */
function endWithThisProcess(server: ChildProcess): ChildProcess | undefined {
  if (server.pid === undefined || process.platform === 'win32') return undefined
  const watcher = spawn('/bin/sh', ['-c', `cat >/dev/null; kill ${server.pid}`], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  watcher.on('error', () => undefined)
  server.once('exit', () => watcher.kill('SIGKILL'))
  watcher.unref()
  if (watcher.stdin instanceof Socket) watcher.stdin.unref()
  return watcher
}

function serverArguments(options: DevServerOptions, port: number, uiPort: number): string[] {
  return [
    ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--ui-port', String(uiPort)],
    ...['--log-level', 'warn', '--log-format', 'json'],
    ...(options.dbFile === undefined ? [] : ['--db-filename', options.dbFile]),
    ...(options.extraArguments ?? []),
    ...Object.values(SEARCH_ATTRIBUTES).flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
  ]
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** A port that is free on loopback at this moment. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Keeps the last lines of the server's stderr, for the message of a failed start. */
function collectLines(child: ChildProcess, log?: (line: string) => void): string[] {
  const tail: string[] = []
  let rest = ''
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      log?.(line)
      tail.push(line)
      if (tail.length > 5) tail.shift()
    }
  })
  child.on('error', (error) => tail.push(error.message))
  return tail
}

const START_TIMEOUT_MS = 60_000
const START_TRIES = 3

async function waitUntilReady(child: ChildProcess, address: string, tail: readonly string[]): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS
  for (;;) {
    if (child.exitCode !== null || child.pid === undefined) {
      throw new FirnError(
        'config',
        `Temporal's dev server did not start: ${tail.join(' ') || 'it said nothing'}`,
        { context: { hasEnded: true } },
      )
    }
    try {
      const connection = await Connection.connect({ address, connectTimeout: 1000 })
      try {
        await connection.workflowService.describeNamespace({ namespace: 'default' })
        return
      } finally {
        await connection.close()
      }
    } catch (error) {
      if (Date.now() > deadline) {
        throw new FirnError(
          'config',
          `Temporal's dev server at ${address} did not answer within ${START_TIMEOUT_MS / 1000} s: ${tail.join(' ')}`,
          { cause: error },
        )
      }
      await delay(50)
    }
  }
}

/** A server in memory has nothing to write at its end, so it need not be asked. */
async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  child.ref()
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill(signal)
  const force = setTimeout(() => child.kill('SIGKILL'), 5000)
  await ended
  clearTimeout(force)
}
