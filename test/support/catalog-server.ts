import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface CatalogServer {
  readonly uri: string
  readonly warehouse: string
  /** Sends the signal; resolves to the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

/** The real `firn catalog serve` in a process of its own, on a free port. */
export async function startCatalogServer(home: string, args: readonly string[] = []): Promise<CatalogServer> {
  const bin = fileURLToPath(new URL('../../bin/firn.mjs', import.meta.url))
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('FIRN_'))
  const child = spawn(process.execPath, [bin, 'catalog', 'serve', '--port', '0', ...args], {
    env: { ...Object.fromEntries(inherited), FIRN_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  const lines: Record<string, string> = {}
  const uri = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [key, value] = line.split(/ {2,}/)
      if (key !== undefined && value !== undefined) lines[key] = value
      if (line.startsWith('Ctrl-C')) resolve(lines['catalog'] ?? '')
    })
    void exited.then((code) => reject(new Error(`firn catalog serve ended with ${code}: ${errors}`)))
  })
  return {
    uri,
    warehouse: lines['warehouse'] ?? '',
    stop(signal = 'SIGTERM') {
      child.kill(signal)
      return exited
    },
  }
}
