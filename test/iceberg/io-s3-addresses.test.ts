import { PutObjectCommand } from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import { createS3Client, type S3ConnectionOptions } from '../../iceberg/io/s3-client.js'

const CREDENTIALS = { accessKeyId: 'id', secretAccessKey: 'secret', sessionToken: 'token' }

/** The request that would be sent, which is not. */
async function requestOf(options: S3ConnectionOptions) {
  const client = createS3Client({ credentials: CREDENTIALS, ...options })
  let sent: { hostname: string; path: string; headers: Record<string, string> } | undefined
  client.middlewareStack.add(
    () => (args) => {
      sent = args.request as typeof sent
      return Promise.resolve({ response: {}, output: { $metadata: {} } as never })
    },
    { step: 'finalizeRequest', priority: 'low' },
  )
  await client.send(new PutObjectCommand({ Bucket: 'lake', Key: 'a/p=x y/1.parquet', Body: 'x' }))
  return sent!
}

it('the bucket is in the host name on AWS, and in the path with an endpoint of its own or where asked for', async () => {
  const aws = await requestOf({ region: 'eu-west-1' })
  expect(aws.hostname).toBe('lake.s3.eu-west-1.amazonaws.com')
  expect(aws.path).toBe('/a/p%3Dx%20y/1.parquet')
  const own = await requestOf({ endpoint: 'http://127.0.0.1:9000' })
  expect([own.hostname, own.path]).toEqual(['127.0.0.1', '/lake/a/p%3Dx%20y/1.parquet'])
  const virtual = await requestOf({ endpoint: 'https://store.example', pathStyle: false })
  expect(virtual.hostname).toBe('lake.store.example')
  const path = await requestOf({ region: 'eu-west-1', pathStyle: true })
  expect([path.hostname, path.path]).toEqual(['s3.eu-west-1.amazonaws.com', '/lake/a/p%3Dx%20y/1.parquet'])
})

it('lent keys sign with their session token', async () => {
  const { headers } = await requestOf({ region: 'eu-west-1' })
  expect(headers['x-amz-security-token']).toBe('token')
  expect(headers['authorization']).toContain('Credential=id/')
})
