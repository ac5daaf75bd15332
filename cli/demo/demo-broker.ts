import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../engine/compiled-entry.js'
import { FirnError } from '../../schemas/error.js'

/** Starts a broker for as long as `use` runs and gives it the environment that names the broker. */
export async function withDemoBroker<T>(
  home: string,
  signal: AbortSignal,
  use: (env: Readonly<Record<string, string>>) => Promise<T>,
): Promise<T> {
  const dir = join(home, 'demo-broker')
  const start = ['start', 'kafka', '--json', '--while-pid', String(process.pid), '--dir', dir]
  try {
    const { code, stdout, problem } = await services(start, signal)
    if (code !== 0) {
      throw new FirnError(
        signal.aborted ? 'cancelled' : 'config',
        `no Kafka broker is configured, and none could be started: ${problem} Or name a running broker: FIRN_KAFKA_BROKERS=host:port ` +
          '(docs/kafka.md); `firn demo` without --kafka needs none.',
      )
    }
    return await use(JSON.parse(stdout) as Record<string, string>)
  } finally {
    await services(['stop', 'kafka', '--force', '--dir', dir])
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Runs the services script; what it says meanwhile goes to standard error. */
function services(
  args: readonly string[],
  signal?: AbortSignal,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly problem: string }> {
  const script = join(packageRoot(), 'scripts', 'services.mjs')
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const stop = (): void => void child.kill('SIGTERM')
  signal?.addEventListener('abort', stop, { once: true })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    if (!text.startsWith('services failed')) process.stderr.write(text.replace(/^services /gm, ' '))
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      signal?.removeEventListener('abort', stop)
      const problem = /services failed: ([^]*)/.exec(stderr)?.[1]?.trim() ?? `${script} ended with ${code}.`
      resolve({ code, stdout, problem: /[.!]$/.test(problem) ? problem : `${problem}.` })
    })
  })
}
