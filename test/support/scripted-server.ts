import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { stringifyJson } from '../../iceberg/spec/json.js'

export interface SeenRequest {
  readonly method: string
  /** With its query, as it came. */
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface Reply {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** An object is sent as JSON. */
  readonly body?: unknown
  /** Cuts the connection: before the answer, or in the midst of its body. */
  readonly cut?: 'before' | 'within'
  /** Never answers. */
  readonly hang?: true
}

export interface ScriptedServer {
  readonly uri: string
  readonly seen: SeenRequest[]
  close(): Promise<void>
}

/** A real HTTP server on this machine that answers as `script` says: what servers of others were seen to say. */
export async function scriptedServer(
  script: (request: SeenRequest, nth: number) => Reply,
): Promise<ScriptedServer> {
  const seen: SeenRequest[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      const one = { method, url, headers, body: Buffer.concat(chunks).toString() }
      seen.push(one)
      const same = seen.filter((before) => before.method === method && before.url === url)
      send(response, script(one, same.length))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

function send(response: ServerResponse, { status = 200, headers = {}, body, cut, hang }: Reply): void {
  if (hang === true) return
  if (cut === 'before') {
    response.socket?.destroy()
    return
  }
  const text = body === undefined ? '' : typeof body === 'string' ? body : stringifyJson(body)
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  if (cut === 'within') {
    response.write(text.slice(0, text.length / 2))
    setTimeout(() => response.socket?.destroy(), 20)
    return
  }
  response.end(status === 204 || status === 304 ? undefined : text)
}
