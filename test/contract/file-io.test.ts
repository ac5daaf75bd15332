import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import { joinLocation } from '../../iceberg/io/location.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'

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

describe.each(implementations)('FileIO (%s)', (_name, make) => {
  const { io, at } = lazy(make)

  it('reads back what was written, whole or a range', async () => {
    await io().write(at('a/b/one'), bytes('0123456789'))
    expect(text(await io().read(at('a/b/one')))).toBe('0123456789')
    expect(text(await io().read(at('a/b/one'), { start: 2, end: 5 }))).toBe('234')
    expect(text(await io().read(at('a/b/one'), { start: 8, end: 99 }))).toBe('89')
    expect(text(await io().read(at('a/b/one'), { start: 20, end: 30 }))).toBe('')
  })

  it('replaces on write and keeps the caller’s bytes apart from its own', async () => {
    const given = bytes('first')
    await io().write(at('replace'), given)
    given.fill(0)
    expect(text(await io().read(at('replace')))).toBe('first')
    await io().write(at('replace'), bytes('second'))
    expect(text(await io().read(at('replace')))).toBe('second')
  })

  it('lets exactly one of many racing creators win', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => io().createIfAbsent(at('race/lease'), bytes(`writer ${n}`))),
    )
    const winners = results.flatMap((result, n) => (result.status === 'fulfilled' ? [n] : []))
    expect(winners).toHaveLength(1)
    expect(text(await io().read(at('race/lease')))).toBe(`writer ${winners[0]}`)
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ kind: 'already-exists' })
    }
  })

  it('says not-found for what is not there, folders included', async () => {
    await io().write(at('folder/file'), bytes('x'))
    for (const name of ['nothing', 'folder', 'folder/file/below']) {
      await expect(io().read(at(name)), name).rejects.toMatchObject({ kind: 'not-found' })
      await expect(io().stat(at(name)), name).rejects.toMatchObject({ kind: 'not-found' })
    }
  })

  it('tells size and time', async () => {
    await io().write(at('sized'), bytes('12345'))
    const status = await io().stat(at('sized'))
    expect(status).toMatchObject({ location: at('sized'), sizeBytes: 5 })
    expect(Math.abs(Date.now() - status.modifiedMs)).toBeLessThan(60_000)
  })

  it('lists by prefix, in any depth, spelled as it was asked', async () => {
    for (const name of ['list/a', 'list/b/c', 'list-other', 'list/ü é'])
      await io().write(at(name), bytes('x'))
    const found = async (prefix: string) => {
      const locations = []
      for await (const file of io().list(prefix)) locations.push(file.location)
      return locations.sort()
    }
    expect(await found(at('list/'))).toEqual([at('list/a'), at('list/b/c'), at('list/ü é')].sort())
    expect(await found(at('list'))).toHaveLength(4)
    expect(await found(at('list/b/'))).toEqual([at('list/b/c')])
    expect(await found(at('absent/'))).toEqual([])
  })

  it('deletes, also what is gone', async () => {
    await io().write(at('delete/me'), bytes('x'))
    await io().delete(at('delete/me'))
    await io().delete(at('delete/me'))
    await expect(io().read(at('delete/me'))).rejects.toMatchObject({ kind: 'not-found' })
    await io().write(at('delete/me'), bytes('again'))
    expect(text(await io().read(at('delete/me')))).toBe('again')
  })

  it('leaves nothing but the files themselves behind', async () => {
    await Promise.all(
      Array.from({ length: 50 }, (_, n) => io().write(at(`many/${n % 5}/${n}`), bytes(String(n)))),
    )
    const locations = []
    for await (const file of io().list(at('many/'))) locations.push(file.location)
    expect(locations).toHaveLength(50)
  })
})

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

/** Implementations need the temporary folder, which exists only once tests run. */
function lazy(make: () => { io: FileIO; base: string }) {
  let made: { io: FileIO; base: string } | undefined
  const get = () => (made ??= make())
  return { io: () => get().io, at: (name: string) => joinLocation(get().base, name) }
}
