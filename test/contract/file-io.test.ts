import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { describeFileIO } from '../support/file-io-contract.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (data: Uint8Array) => new TextDecoder().decode(data)

let directory = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'firn-io-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

const implementations: readonly [string, () => { io: FileIO; base: string }][] = [
  ['memory', () => ({ io: new MemoryFileIO({ now: () => Date.now() }), base: 'memory://lake' })],
  ['local, file:///', () => ({ io: new LocalFileIO(), base: `file://${directory}/uri` })],
  ['local, plain path', () => ({ io: new LocalFileIO(), base: `${directory}/plain` })],
  ['local, file:/ as Java spells it', () => ({ io: new LocalFileIO(), base: `file:${directory}/java` })],
  ['local, unflushed', () => ({ io: new LocalFileIO({ durability: 'none' }), base: `${directory}/none` })],
]

for (const [name, make] of implementations) describeFileIO(name, make)

describe('LocalFileIO', () => {
  it('makes a folder again that was removed meanwhile', async () => {
    const io = new LocalFileIO()
    await io.write(`${directory}/gone/one`, bytes('1'))
    await rm(`${directory}/gone`, { recursive: true })
    await io.write(`${directory}/gone/two`, bytes('2'))
    expect(text(await io.read(`${directory}/gone/two`))).toBe('2')
  })

  it.each(['relative/path', 's3://bucket/key', '', 'file://host/path', '/a\0b'])(
    'refuses the location %j',
    async (location) => {
      await expect(new LocalFileIO().read(location)).rejects.toMatchObject({ kind: 'invalid-argument' })
    },
  )
})
