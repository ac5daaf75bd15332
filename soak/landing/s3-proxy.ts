import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Random } from '../random.js'

/** What befalls requests: of so many one each. 0: none. */
export interface S3Faults {
  /** Answered 503 without being carried out. */
  readonly refusedOneIn: number
  /** Carried out, and the answer lost. */
  readonly lostOneIn: number
}

export interface S3Proxy {
  readonly endpoint: string
  /** Faults that happened. */
  readonly faults: number
  set(faults: S3Faults): void
  stop(): Promise<void>
}

export const NO_FAULTS: S3Faults = { refusedOneIn: 0, lostOneIn: 0 }

/** Stands between workers and an S3 store. */
export async function startS3Proxy(target: string, random: Random): Promise<S3Proxy> {
  const { hostname, port } = new URL(target)
  let current = NO_FAULTS
  let faults = 0
  const befalls = (oneIn: number): boolean => oneIn > 0 && random.chance(oneIn)
  const server = createServer((incoming, outgoing) => {
    if (befalls(current.refusedOneIn)) {
      faults += 1
      incoming.resume()
      outgoing.writeHead(503, { 'content-type': 'application/xml' })
      outgoing.end('<Error><Code>SlowDown</Code><Message>fault of the soak</Message></Error>')
      return
    }
    const isLost = befalls(current.lostOneIn)
    if (isLost) faults += 1
    forward({ hostname, port }, incoming, outgoing, isLost)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get faults() {
      return faults
    },
    set(next) {
      current = next
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The store's host header stays the client's, since it is signed. */
function forward(
  to: { readonly hostname: string; readonly port: string },
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  isLost: boolean,
): void {
  const { method, url: path, headers } = incoming
  const onward = request({ ...to, method, path, headers }, (answer) => {
    if (isLost) {
      answer.resume()
      answer.once('end', () => outgoing.destroy())
      return
    }
    outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
    answer.pipe(outgoing)
  })
  onward.once('error', () => outgoing.destroy())
  incoming.once('error', () => onward.destroy())
  incoming.pipe(onward)
}
