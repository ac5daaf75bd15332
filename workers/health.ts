import { createServer } from 'node:http'
import { FirnError } from '../schemas/error.js'

/** What a worker process knows of itself; `problems` is empty where it can do its work. */
export interface Health {
  readonly status: 'ready' | 'draining' | 'not-ready'
  readonly queues: readonly { readonly queue: string; readonly state: string }[]
  readonly problems: readonly string[]
}

export interface RunningHealth {
  close(): void
}

/** An answer is used again for so long: whoever asks often costs the server and the catalog nothing. */
const FRESH_MS = 1000

/**
 * Serves `/livez` (200 as long as this process answers at all) and `/readyz` (200 or 503, with why). The caller closes it.
 * Throws `config` where nothing can listen at the address.
 */
export async function serveHealth(address: string, check: () => Promise<Health>): Promise<RunningHealth> {
  const { hostname, port } = new URL(`http://${address}`)
  let last: { readonly at: number; readonly health: Promise<Health> } | undefined
  const ask = (): Promise<Health> => {
    const now = performance.now()
    if (last === undefined || now - last.at > FRESH_MS) last = { at: now, health: check() }
    return last.health
  }
  const server = createServer((request, response) => {
    const answer = (code: number, body: object): void => {
      response.writeHead(code, { 'content-type': 'application/json', 'cache-control': 'no-store' })
      response.end(request.method === 'HEAD' ? undefined : `${JSON.stringify(body)}\n`)
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') answer(405, { error: 'GET or HEAD' })
    else if (request.url === '/livez') answer(200, { status: 'alive' })
    else if (request.url === '/readyz') {
      ask().then(
        (health) => answer(health.status === 'ready' ? 200 : 503, health),
        (error: unknown) => answer(503, { status: 'not-ready', problems: [String(error)] }),
      )
    } else answer(404, { error: 'there are /livez and /readyz' })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new FirnError(
          'config',
          `health can't be served at ${address} (${cause.message}): another process may have the port; correct or unset FIRN_HEALTH_ADDRESS.`,
          { cause },
        ),
      ),
    )
    server.listen(Number(port), hostname.replace(/^\[|\]$/g, ''), resolve)
  })
  return {
    close() {
      server.close()
      // Whoever goes on asking on one connection would keep the process.
      server.closeAllConnections()
    },
  }
}
