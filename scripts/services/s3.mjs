// An S3 store over a folder: versitygw, compiled by Go.
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDir, fetched, isProgram, onPath, run } from './packages.mjs'

const GATEWAY = 'github.com/versity/versitygw/cmd/versitygw@v1.8.0'
const REGION = 'us-east-1'
const BUCKETS = ['raw-results', 'features', 'mlflow-artifacts']

export const s3 = {
  title: 'S3 store versitygw 1.8.0',
  ports: ['api'],
  secrets: () => ({
    accessKeyId: `FIRN${randomBytes(8).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(20).toString('hex'),
  }),
  lacking: () =>
    installed() === undefined && onPath('go') === undefined
      ? 'the S3 store is compiled by Go, once, and there is no `go` on PATH: install Go'
      : undefined,
  isFetched: () => installed() !== undefined,
  fetch: fetchGateway,
  // A folder of its data folder is a bucket.
  prepare: ({ dir }) => {
    for (const name of ['meta', ...BUCKETS.map((bucket) => join('data', bucket))])
      mkdirSync(join(dir, name), { recursive: true })
  },
  command,
  ready,
  graceMs: 5000,
  environment,
}

function installed() {
  return [join(cacheDir, 'versitygw-1.8.0', 'versitygw'), join(cacheDir, 'peers', 'bin', 'versitygw')].find(
    isProgram,
  )
}

async function fetchGateway(say) {
  if (installed() !== undefined) return
  await fetched('versitygw-1.8.0', async (folder) => {
    say('compiling the S3 store with Go, about a minute …')
    await run('go', ['install', GATEWAY], { env: { GOBIN: folder, GOFLAGS: '-buildvcs=false' } })
  })
}

function command({ dir, ports, secrets }) {
  return {
    program: installed(),
    args: [
      ...['--port', `127.0.0.1:${ports.api}`, '--region', REGION, '--keep-alive', '--quiet'],
      // Attributes lie in a folder too: not every file system can hold them itself.
      ...['posix', '--sidecar', join(dir, 'meta'), join(dir, 'data')],
    ],
    cwd: dir,
    env: { ROOT_ACCESS_KEY: secrets.accessKeyId, ROOT_SECRET_KEY: secrets.secretAccessKey },
  }
}

/** It refuses those who give no key. */
async function ready({ ports }) {
  const answer = await fetch(`http://127.0.0.1:${ports.api}/`, { signal: AbortSignal.timeout(3000) })
  if (answer.status !== 403) throw new Error(`it answers ${answer.status} to a request without a key`)
}

function environment({ ports, secrets }) {
  return {
    FIRN_S3_ENDPOINT: `http://127.0.0.1:${ports.api}`,
    FIRN_S3_REGION: REGION,
    AWS_ACCESS_KEY_ID: secrets.accessKeyId,
    AWS_SECRET_ACCESS_KEY: secrets.secretAccessKey,
    FIRN_WAREHOUSE: 's3://features/warehouse',
  }
}
