import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../engine/compiled-entry.js'
import { FirnError } from '../schemas/error.js'

export type ServiceName = 'temporal' | 'kafka' | 's3' | 'redis' | 'mlflow'

export interface ServicesOptions {
  /** Default: a new folder, removed by `stop`. */
  readonly dir?: string
  /** Further settings of the broker; they hold over restarts. */
  readonly kafka?: Readonly<Record<string, string | number>>
  /** A second listener with TLS and SASL, told in FIRN_KAFKA_TLS_…. */
  readonly kafkaSasl?: boolean
}

/** Real servers on loopback for as long as a test or a soak runs. */
export interface Services {
  /** What a process of ours needs to reach them. */
  readonly env: Readonly<Record<string, string>>
  readonly dir: string
  /** A fault: the processes get the signal (default SIGKILL, after which they are gone when this resolves). */
  kill(names: ServiceName | readonly ServiceName[], signal?: NodeJS.Signals): Promise<void>
  /** Ends them in order, where they run, and starts them at the same ports with the same data. */
  restart(names: ServiceName | readonly ServiceName[]): Promise<void>
  /** Starts what was killed, at the same ports with the same data. */
  start(names: ServiceName | readonly ServiceName[]): Promise<void>
  /** Ends all of them by force; a folder of ours is removed. */
  stop(): Promise<void>
}

/** Why a test with this service has to be skipped; undefined: it can be started. */
export function missingService(name: ServiceName): string | undefined {
  const { stdout, stderr } = spawnSync(process.execPath, [command(), 'check', name, '--fetched', '--json'], {
    encoding: 'utf8',
  })
  if (stdout === '') throw new FirnError('io', `services.mjs check ${name} failed: ${stderr}`)
  return (JSON.parse(stdout) as Record<string, string | null>)[name] ?? undefined
}

/** Starts them by scripts/services.mjs, from packages. */
export async function startServices(
  names: readonly ServiceName[],
  options: ServicesOptions = {},
): Promise<Services> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'firn-services-'))
  const inDir = (...args: string[]): Promise<string> => run([...args, '--dir', dir])
  const settings = Object.entries(options.kafka ?? {}).flatMap(([key, value]) => [
    '--kafka-set',
    `${key}=${value}`,
  ])
  const sasl = options.kafkaSasl === true ? ['--kafka-sasl'] : []
  const guard = ['--from', 'packages', '--while-pid', String(process.pid)]
  const stop = async (): Promise<void> => {
    await inDir('stop', '--force')
    if (options.dir === undefined) rmSync(dir, { recursive: true, force: true })
  }
  try {
    const env = await inDir('start', ...names, '--json', ...guard, ...sasl, ...settings)
    return {
      env: JSON.parse(env) as Record<string, string>,
      dir,
      async kill(killed, signal = 'SIGKILL') {
        await inDir('kill', ...[killed].flat(), '--signal', signal)
      },
      async restart(ended) {
        await inDir('restart', ...[ended].flat(), ...guard)
      },
      async start(killed) {
        await inDir('start', ...[killed].flat(), ...guard)
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function command(): string {
  return join(packageRoot(), 'scripts', 'services.mjs')
}

function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [command(), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let errors = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    child.once('error', reject)
    child.once('close', (code) =>
      code === 0
        ? resolve(out)
        : reject(new FirnError('io', `services.mjs ${args.join(' ')} ended with ${code}: ${errors}`)),
    )
  })
}
