import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { FolderFiles } from '../../lake/land/folder-files.js'
import { locateSource } from '../../lake/land/open-source-files.js'
import { PrefixFiles } from '../../lake/land/prefix-files.js'
import { describeSourceFiles } from '../support/source-files-contract.js'

const root = mkdtempSync(join(tmpdir(), 'firn-source-files-'))
afterAll(() => rmSync(root, { recursive: true }))
let places = 0
let clock = Date.UTC(2026, 6, 1)

describeSourceFiles('folder', async () => {
  const folder = join(root, `place ${places++}`)
  mkdirSync(folder)
  return await Promise.resolve({
    files: new FolderFiles(folder),
    hasEtags: false,
    put(path, text) {
      const file = join(folder, path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
      clock += 1000
      utimesSync(file, clock / 1000, clock / 1000)
      return Promise.resolve()
    },
    remove(path) {
      rmSync(join(folder, path))
      return Promise.resolve()
    },
  })
})

describeSourceFiles('prefix of a store in memory', async () => {
  const io = new MemoryFileIO({ now: () => (clock += 777) })
  await io.write('s3://bucket/in-other/a.json', Buffer.from('{}'))
  return {
    files: new PrefixFiles(io, 's3://bucket/in/', 1000),
    hasEtags: true,
    put: (path, text) => io.write(`s3://bucket/in/${path}`, Buffer.from(text)),
    remove: (path) => io.delete(`s3://bucket/in/${path}`),
  }
})

describe('the place that a user names', () => {
  it('has one name however it is spelled', async () => {
    for (const from of ['s3://bucket/in', 's3://bucket/in/', 's3a://bucket/in', 'S3N://bucket/in/']) {
      expect(await locateSource(from)).toBe('s3://bucket/in/')
    }
    expect(await locateSource('s3://bucket')).toBe('s3://bucket/')
    expect(await locateSource('s3://bucket/')).toBe('s3://bucket/')
    expect(await locateSource('s3://bucket/../a b/ü')).toBe('s3://bucket/../a b/ü/')
    mkdirSync(join(root, 'named'))
    expect(await locateSource(`${root}/./named/`)).toBe(join(root, 'named'))
  })

  it.each([
    ['s3://', /give s3:\/\/bucket\/prefix/],
    ['s3:///in', /give s3:\/\/bucket\/prefix/],
    ['s3://bucket/a\0b', /give s3:\/\/bucket\/prefix/],
    ['gs://bucket/in', /kind "gs".*folder or s3/],
    ['https://example.org/in', /kind "https"/],
    ['/no/such folder', /existing folder/],
    ['/etc/hostname', /not a folder/],
  ])('is refused: %j', async (from, says) => {
    await expect(locateSource(from)).rejects.toMatchObject({
      kind: 'invalid-input',
      message: expect.stringMatching(says) as string,
    })
  })
})
