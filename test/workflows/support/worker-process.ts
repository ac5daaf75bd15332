import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { compiledEntry } from '../../../engine/compiled-entry.js'

export interface WorkerProcess {
  readonly child: ChildProcess
  readonly ended: Promise<{
    readonly code: number | null
    readonly signal: NodeJS.Signals | null
    readonly stderr: string
  }>
}

/** A worker process as users run it. */
export function spawnWorker(
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): WorkerProcess {
  const child = spawn(process.execPath, [fileURLToPath(compiledEntry('workers/worker-main')), ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  return {
    child,
    ended: new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal, stderr }))),
  }
}
