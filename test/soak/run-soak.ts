import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../dist/soak/main.js', import.meta.url))
/** Long enough for any one case on a machine under load; a case that hangs says nothing for longer. */
const SILENCE_MS = 180_000

/**
 * Runs the built soak in a process of its own and gives back what it prints. A crash fails, and so does silence: both say
 * from which seed on.
 */
export function runSoak(
  args: readonly string[],
): Promise<{ readonly result: unknown; readonly report: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    let report = ''
    const hangs = (): void => {
      child.kill('SIGKILL')
      reject(new Error(`soak ${args.join(' ')} makes no progress any more: ${report.slice(-2000)}`))
    }
    let watchdog = setTimeout(hangs, SILENCE_MS)
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => {
      report += chunk.toString()
      clearTimeout(watchdog)
      watchdog = setTimeout(hangs, SILENCE_MS)
    })
    child.on('close', (code, signal) => {
      clearTimeout(watchdog)
      if (output === '')
        reject(new Error(`soak ${args.join(' ')} ended with ${code ?? signal}: ${report.slice(-2000)}`))
      else resolve({ result: JSON.parse(output) as unknown, report })
    })
  })
}

/** Another one in each run; FIRN_TEST_SEED plays one again. */
export function newSeed(): number {
  const given = process.env['FIRN_TEST_SEED']
  return given === undefined ? Math.floor(Math.random() * 2 ** 30) : Number(given)
}
