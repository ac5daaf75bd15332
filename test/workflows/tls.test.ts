import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TASK_QUEUES } from '../../schemas/workflow-names.js'
import { readConfig } from '../../workers/config.js'
import { connectClient, connectWorker } from '../../workers/connection.js'
import { startTestServer, withFakeLake, type TestServer } from './support/fake-lake.js'

/** A Temporal server behind TLS, as a remote one is: a proxy that asks for a client's certificate and notes the API keys. */
const folder = mkdtempSync(join(tmpdir(), 'firn-tls-'))
const keys = new Set<string>()
const opened: { close(): void }[] = []
let test: TestServer
let mutual: string
let expired: string

beforeAll(async () => {
  test = await startTestServer()
  makeCertificates()
  mutual = await startProxy('server', { ca: pem('ca.crt'), requestCert: true, rejectUnauthorized: true })
  expired = await startProxy('expired', {})
})
afterAll(async () => {
  for (const server of opened) server.close()
  await test.close()
  rmSync(folder, { recursive: true, force: true })
})

const path = (name: string): string => join(folder, name)
const pem = (name: string): Buffer => readFileSync(path(name))
const remote = (address: string, more: Readonly<Record<string, string>>) =>
  readConfig({ TEMPORAL_ADDRESS: address, TEMPORAL_TLS_SERVER_CA_CERT_PATH: path('ca.crt'), ...more })
    .temporal
const CLIENT = {
  TEMPORAL_TLS_CLIENT_CERT_PATH: path('client.crt'),
  TEMPORAL_TLS_CLIENT_KEY_PATH: path('client.key'),
}

describe('a remote Temporal', () => {
  it('is reached by TLS with a certificate of ours and an API key, which may be replaced in its file', async () => {
    writeFileSync(path('key'), 'first-key\n')
    const config = remote(mutual, { ...CLIENT, TEMPORAL_API_KEY_FILE: path('key') })
    const [client, connection] = [await connectClient(config), await connectWorker(config)]
    try {
      const result = await withFakeLake(connection, {}, () =>
        client.workflow.execute('buildFeatures', {
          workflowId: 'build',
          taskQueue: TASK_QUEUES.control,
          args: [{ pipeline: 'quantum', batch: '20260701T020000Z' }],
        }),
      )
      expect(result).toMatchObject({ status: 'published' })
      expect([...keys]).toEqual(['Bearer first-key'])
      writeFileSync(path('key'), 'second-key\n')
      await client.connection.workflowService.getSystemInfo({})
      expect([...keys]).toContain('Bearer second-key')
    } finally {
      await client.connection.close()
      await connection.close()
    }
  }, 60_000)

  it('that is not what it says it is, or wants more of us, is refused with what to do', async () => {
    const cases: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
      [
        mutual,
        { ...CLIENT, TEMPORAL_TLS_SERVER_CA_CERT_PATH: path('other.crt') },
        /TEMPORAL_TLS_SERVER_CA_CERT_PATH/,
      ],
      [mutual, { ...CLIENT, TEMPORAL_TLS_SERVER_NAME: 'temporal.example' }, /TEMPORAL_TLS_SERVER_NAME/],
      [mutual, {}, /TEMPORAL_TLS_CLIENT_CERT_PATH/],
      [expired, {}, /expired/],
      [test.server.address, CLIENT, /TEMPORAL_TLS=false/],
    ]
    await Promise.all(
      cases.flatMap(([address, env, hint]) => {
        const config = remote(address, env)
        return [
          expect(connectClient(config)).rejects.toThrow(hint),
          expect(connectWorker(config)).rejects.toThrow(hint),
        ]
      }),
    )
  }, 60_000)

  it('has a key file that is there and not empty, and one way to say the key', () => {
    writeFileSync(path('empty'), '')
    const wrong = (env: Readonly<Record<string, string>>) => connectWorker(remote(mutual, env))
    expect(() => remote(mutual, { TEMPORAL_API_KEY: 'a', TEMPORAL_API_KEY_FILE: 'b' })).toThrow(/unset one/)
    return Promise.all([
      expect(wrong({ TEMPORAL_API_KEY_FILE: path('empty') })).rejects.toThrow(/is empty/),
      expect(wrong({ TEMPORAL_API_KEY_FILE: path('missing') })).rejects.toThrow(/can't be read/),
    ])
  })
})

/** Takes TLS off and hands every request on, whole. Resolves to its address. */
async function startProxy(name: string, options: http2.SecureServerOptions): Promise<string> {
  const behind = http2.connect(`http://${test.server.address}`)
  const server = http2.createSecureServer({ key: pem(`${name}.key`), cert: pem(`${name}.crt`), ...options })
  server.on('stream', (stream, headers) => {
    if (headers.authorization !== undefined) keys.add(headers.authorization)
    const request = behind.request(headers)
    request.on('response', (answer, flags) => {
      const ended = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0
      stream.respond(answer, { waitForTrailers: !ended, endStream: ended })
    })
    let trailers: http2.IncomingHttpHeaders = {}
    request.on('trailers', (late: http2.IncomingHttpHeaders) => {
      trailers = late
    })
    stream.on('wantTrailers', () => stream.sendTrailers(trailers))
    for (const end of [request, stream]) end.on('error', () => undefined)
    stream.on('close', () => request.close())
    stream.pipe(request)
    request.pipe(stream)
  })
  for (const event of ['sessionError', 'tlsClientError']) server.on(event, () => undefined)
  const sessions = new Set<http2.ServerHttp2Session>()
  server.on('session', (session) => sessions.add(session))
  opened.push({
    close() {
      for (const session of sessions) session.destroy()
      server.close()
      behind.destroy()
    },
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Two authorities; of the first a server, one whose time is over, and a client. */
function makeCertificates(): void {
  const openssl = (...args: readonly string[]): void =>
    void execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
  const key = ['-newkey', 'rsa:2048', '-nodes', '-keyout']
  for (const ca of ['ca', 'other'])
    openssl('req', '-x509', '-days', '30', '-subj', `/CN=${ca}`, ...key, `${ca}.key`, '-out', `${ca}.crt`)
  writeFileSync(path('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
  for (const [name, days] of [
    ['server', '30'],
    ['expired', '-1'],
    ['client', '30'],
  ] as const) {
    openssl('req', '-subj', `/CN=${name}`, ...key, `${name}.key`, '-out', `${name}.csr`)
    openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'],
      ...['-days', days, '-extfile', 'names', '-out', `${name}.crt`],
    )
  }
}
