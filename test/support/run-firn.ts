import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly home: string
  readonly env?: Readonly<Record<string, string>>
  /** Sees what standard error says so far; may signal the process. */
  readonly onStderr?: (text: string, kill: (signal: NodeJS.Signals) => void) => void
}

/** Runs the real command line in a process of its own, without a configured Temporal server. */
export function runFirn(args: readonly string[], { home, env = {}, onStderr }: RunOptions): Promise<Ended> {
  const bin = fileURLToPath(new URL('../../bin/firn.mjs', import.meta.url))
  const inherited = Object.entries(process.env).filter(([name]) => !/^(FIRN_HOME|TEMPORAL_)/.test(name))
  const child = spawn(process.execPath, [bin, ...args], {
    env: { ...Object.fromEntries(inherited), FIRN_HOME: home, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    onStderr?.(stderr, (signal) => child.kill(signal))
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
}

/** Runs several command lines two at a time, in order of their answers' cases. */
export async function runAllFirn(
  cases: readonly (readonly string[])[],
  options: RunOptions,
): Promise<readonly Ended[]> {
  const results: Ended[] = []
  for (let i = 0; i < cases.length; i += 2)
    results.push(...(await Promise.all(cases.slice(i, i + 2).map((args) => runFirn(args, options)))))
  return results
}
