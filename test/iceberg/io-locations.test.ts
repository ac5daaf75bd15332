import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openFileIO } from '../../iceberg/io/open-file-io.js'
import { isS3Location, parseS3Location } from '../../iceberg/io/s3-location.js'

describe('S3 locations', () => {
  it.each([
    ['s3://lake/a/b.parquet', 's3://lake/', 'lake', 'a/b.parquet'],
    ['s3a://lake/day=2020-01-01/a b+c%20.parquet', 's3a://lake/', 'lake', 'day=2020-01-01/a b+c%20.parquet'],
    ['S3N://my.bucket/é?x#y', 'S3N://my.bucket/', 'my.bucket', 'é?x#y'],
    ['s3://lake//twice//', 's3://lake/', 'lake', '/twice//'],
    ['s3://lake', 's3://lake/', 'lake', ''],
    ['s3://lake/line\nbreak', 's3://lake/', 'lake', 'line\nbreak'],
  ])('%j is taken character for character', (location, root, bucket, key) => {
    expect(isS3Location(location)).toBe(true)
    expect(parseS3Location(location)).toEqual({ root, bucket, key })
  })

  it.each(['s3:/lake/x', 'https://lake/x', '/s3://lake', 'gs://lake/x'])('%j is none', (location) => {
    expect(isS3Location(location)).toBe(false)
    expect(() => parseS3Location(location)).toThrow('s3://bucket/key')
  })
})

describe('Storage by scheme', () => {
  const io = openFileIO({ newUuid: () => 'mark' })

  it('takes paths and file: for the local disk', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'firn-scheme-'))
    try {
      await io.write(`file://${folder}/a`, new Uint8Array([1]))
      expect([...(await io.read(`${folder}/a`))]).toEqual([1])
      expect((await io.stat(`file:${folder}/a`)).sizeBytes).toBe(1)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('names a store that it does not know', async () => {
    const refused = io.read('gs://lake/x')
    await expect(refused).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringContaining('"gs"'),
    })
  })
})
