import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What befalls the answer to a request that the store has carried out. */
export type Loss = 'answer' | 'half the body'

export interface LosingProxy {
  readonly endpoint: string
  /** Every request that came, as `PUT /bucket/key?x`. */
  readonly requests: string[]
  /** Loses the answers to the next requests of that kind. */
  lose(isOne: (request: string) => boolean, times: number, what?: Loss): void
  stop(): Promise<void>
}

/** Stands between a client and a store, and loses answers on demand. */
export async function startLosingProxy(port: number): Promise<LosingProxy> {
  const requests: string[] = []
  let plan: { isOne: (request: string) => boolean; left: number; what: Loss } | undefined
  const server = createServer((incoming, outgoing) => {
    const line = `${incoming.method ?? ''} ${incoming.url ?? ''}`
    requests.push(line)
    let loss: Loss | undefined
    if (plan !== undefined && plan.left > 0 && plan.isOne(line)) {
      plan.left -= 1
      loss = plan.what
    }
    forward(port, incoming, outgoing, loss)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    lose(isOne, times, what = 'answer') {
      plan = { isOne, left: times, what }
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function forward(
  port: number,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  loss: Loss | undefined,
): void {
  const { method, url: path, headers } = incoming
  const onward = request({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
    const chunks: Buffer[] = []
    answer.on('data', (chunk: Buffer) => chunks.push(chunk))
    answer.on('end', () => {
      const body = Buffer.concat(chunks)
      if (loss === 'answer') return void outgoing.destroy()
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      if (loss === undefined) return void outgoing.end(body)
      outgoing.write(body.subarray(0, body.length / 2), () => outgoing.destroy())
    })
  })
  onward.on('error', () => outgoing.destroy())
  incoming.pipe(onward)
}
