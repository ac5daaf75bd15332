import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { joinLocation } from '../../iceberg/io/location.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (data: Uint8Array) => new TextDecoder().decode(data)

/** Partition values and what object stores and URLs treat in a way of their own. */
const NAMES = [
  'a b',
  'a+b',
  'a%20b',
  'percent%',
  'day=2020-01-01/city=São Paulo/x.parquet',
  'ünïcödé 数据 🧊',
  'quote\'d "and" &amp; <tag>',
  'q?x=1#y',
  '~!@$^()[]{}|;,:',
  'back\\slash',
  '..dots..',
]

/**
 * The promises of the port, for one implementation. `make` is called once tests run. A store may be a second or more
 * apart from this machine's clock.
 */
export function describeFileIO(
  name: string,
  make: () => { readonly io: FileIO; readonly base: string },
): void {
  describe(`FileIO (${name})`, () => promises(lazy(make)))
}

function promises({ io, at }: Lazy): void {
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

  it('lists what lies behind a name, in the order of bytes', async () => {
    const names = ['a', 'a!', 'b!', 'b/a', 'b/b', 'b0', 'c d', 'ü', '\uff5e', '🧊']
    for (const name of names) await io().write(at(`behind/${name}`), bytes('x'))
    for (const [n, name] of names.entries()) {
      const found = []
      for await (const file of io().list(at('behind/'), at(`behind/${name}`))) found.push(file.location)
      expect(found.sort(), name).toEqual(
        names
          .slice(n + 1)
          .map((later) => at(`behind/${later}`))
          .sort(),
      )
    }
  })

  it('reads an object only in the state that its etag names, where it has one', async () => {
    await io().write(at('state'), bytes('before'))
    const { etag } = await io().stat(at('state'))
    for await (const listed of io().list(at('state'))) expect(listed.etag).toBe(etag)
    const range = { start: 0, end: 3, ...(etag === undefined ? {} : { etag }) }
    expect(text(await io().read(at('state'), range))).toBe('bef')
    await io().write(at('state'), bytes('after!'))
    const again = io().read(at('state'), range)
    if (etag === undefined) expect(text(await again)).toBe('aft')
    else await expect(again).rejects.toMatchObject({ kind: 'not-found' })
  })

  it('deletes, also what is gone', async () => {
    await io().write(at('delete/me'), bytes('x'))
    await io().delete(at('delete/me'))
    await io().delete(at('delete/me'))
    await expect(io().read(at('delete/me'))).rejects.toMatchObject({ kind: 'not-found' })
    await io().write(at('delete/me'), bytes('again'))
    expect(text(await io().read(at('delete/me')))).toBe('again')
  })

  it('takes names as they are, whatever is in them', async () => {
    const names = NAMES.map((name) => at(`names/${name}`))
    for (const name of names) await io().write(name, bytes(name))
    for (const name of names) expect(text(await io().read(name)), name).toBe(name)
    for (const name of names) expect(await io().stat(name), name).toMatchObject({ location: name })
    const listed = []
    for await (const file of io().list(at('names/'))) listed.push(file.location)
    expect(listed.sort()).toEqual([...names].sort())
    for (const name of names) await io().delete(name)
    for await (const file of io().list(at('names/'))) expect.fail(`${file.location} is there still`)
  })

  it('uploads a file of the local disk, which stays, over what is there', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'firn-upload-'))
    try {
      const path = join(folder, 'local')
      const large = new Uint8Array(3_000_000).map((_, n) => n % 251)
      for (const content of [bytes('small'), new Uint8Array(0), large]) {
        writeFileSync(path, content)
        await io().upload(path, at('up/loaded'))
        await io().upload(path, at('up/loaded'))
        expect(Buffer.compare(await io().read(at('up/loaded')), content)).toBe(0)
      }
      const gone = io().upload(join(folder, 'gone'), at('up/gone'))
      await expect(gone).rejects.toMatchObject({ kind: 'io', message: expect.stringContaining(folder) })
      await expect(io().stat(at('up/gone'))).rejects.toMatchObject({ kind: 'not-found' })
      const all = []
      for await (const file of io().list(at('up/'))) all.push(file.location)
      expect(all).toEqual([at('up/loaded')])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('leaves nothing but the files themselves behind', async () => {
    await Promise.all(
      Array.from({ length: 50 }, (_, n) => io().write(at(`many/${n % 5}/${n}`), bytes(String(n)))),
    )
    const locations = []
    for await (const file of io().list(at('many/'))) locations.push(file.location)
    expect(locations).toHaveLength(50)
  })
}

/** Implementations need the temporary folder, which exists only once tests run. */
interface Lazy {
  readonly io: () => FileIO
  readonly at: (name: string) => string
}

function lazy(make: () => { io: FileIO; base: string }): Lazy {
  let made: { io: FileIO; base: string } | undefined
  const get = () => (made ??= make())
  return { io: () => get().io, at: (name: string) => joinLocation(get().base, name) }
}
