import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { S3FileIO, type S3FileIOOptions } from '../../iceberg/io/s3.js'
import { readPeers } from '../support/peers.js'

/** A store that runs for as long as a test file. */
export interface S3Server {
  readonly endpoint: string
  readonly port: number
  /** Holds one folder a bucket, as the store sees them. */
  readonly folder: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** What a process needs to reach it. */
  readonly env: Readonly<Record<string, string>>
  io(options?: Partial<S3FileIOOptions>): S3FileIO
  stop(): Promise<void>
}

/** Why tests with a store have to be skipped; undefined: they run. */
export function noS3(): string | undefined {
  const { versitygw, missing } = readPeers()
  return versitygw === null ? `versitygw: ${missing['versitygw'] ?? 'not fetched'}` : undefined
}

/** Starts versitygw over a new folder, with the buckets. PyArrow's uploads fail (400) with `keepAlive`. */
export async function startS3(buckets: readonly string[], { keepAlive = true } = {}): Promise<S3Server> {
  const { versitygw } = readPeers()
  if (versitygw === null) throw new Error(noS3())
  const folder = mkdtempSync(join(tmpdir(), 'firn-s3-'))
  const data = join(folder, 'data')
  for (const bucket of buckets) mkdirSync(join(data, bucket), { recursive: true })
  mkdirSync(join(folder, 'meta'))
  const port = await freePort()
  const keys = { accessKeyId: 'firn-tests', secretAccessKey: `secret-${randomUUID()}` }
  const args = [
    '--port',
    `127.0.0.1:${port}`,
    ...(keepAlive ? ['--keep-alive'] : []),
    '--quiet',
    'posix',
    '--sidecar',
    join(folder, 'meta'),
    data,
  ]
  const child = spawn(versitygw, args, {
    env: { ...process.env, ROOT_ACCESS_KEY: keys.accessKeyId, ROOT_SECRET_KEY: keys.secretAccessKey },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let errors = ''
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()))
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const endpoint = `http://127.0.0.1:${port}`
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  try {
    await answering(endpoint, () => (child.exitCode === null ? undefined : errors))
  } catch (error) {
    kill()
    throw error
  }
  return {
    ...{ endpoint, port, folder: data, ...keys },
    env: {
      AWS_ACCESS_KEY_ID: keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
      AWS_EC2_METADATA_DISABLED: 'true',
      FIRN_S3_ENDPOINT: endpoint,
      FIRN_S3_REGION: 'us-east-1',
    },
    io: (options = {}) =>
      new S3FileIO({ endpoint, region: 'us-east-1', credentials: keys, newUuid: randomUUID, ...options }),
    async stop() {
      process.off('exit', kill)
      kill()
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function answering(endpoint: string, death: () => string | undefined): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const errors = death()
    if (errors !== undefined || tries === 400) throw new Error(`versitygw does not answer: ${errors ?? ''}`)
    try {
      await fetch(endpoint)
      return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
