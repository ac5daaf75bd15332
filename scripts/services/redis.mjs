// Redis with an append-only file.
import { mkdirSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { onPath } from './packages.mjs'

export const redis = {
  title: 'Redis',
  ports: ['redis'],
  secrets: () => ({}),
  lacking: () =>
    installed() === undefined ? 'there is no `redis-server` on PATH: install Redis' : undefined,
  isFetched: () => installed() !== undefined,
  fetch: async () => undefined,
  prepare: ({ dir }) => mkdirSync(join(dir, 'data'), { recursive: true }),
  command: ({ dir, ports }) => ({
    program: installed(),
    args: [
      ...['--bind', '127.0.0.1', '--port', String(ports.redis)],
      ...['--dir', 'data', '--appendonly', 'yes', '--daemonize', 'no'],
    ],
    cwd: dir,
  }),
  ready: ({ ports }) => ping(ports.redis),
  graceMs: 10_000,
  environment: ({ ports }) => ({ FIRN_REDIS_URL: `redis://127.0.0.1:${ports.redis}` }),
}

function installed() {
  return onPath('redis-server') ?? onPath('valkey-server')
}

function ping(port) {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write('PING\r\n'))
    socket.setTimeout(2000, () => socket.destroy(new Error('no answer to PING')))
    socket.on('error', reject)
    socket.once('data', (answer) => {
      socket.destroy()
      // One that still loads its file answers -LOADING.
      if (String(answer).startsWith('+PONG')) resolve()
      else reject(new Error(String(answer)))
    })
  })
}
