import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { FileCache } from '../../engine/files/file-cache.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'

const MIB = 1024 * 1024
let root: string
let folder: string
let folders = 0
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'firn-cache-'))
})
beforeEach(() => {
  folder = join(root, String(folders++))
  mkdirSync(folder)
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** A store in memory that counts what it is asked. */
class CountingIO extends MemoryFileIO {
  reads = 0
  mostAtOnce = 0
  #running = 0

  override async read(...asked: Parameters<FileIO['read']>): Promise<Uint8Array> {
    this.reads += 1
    this.#running += 1
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#running)
    await new Promise((resolve) => setTimeout(resolve, 5))
    this.#running -= 1
    return super.read(...asked)
  }
}

function cacheOf(io: FileIO, maxBytes = 1e12): FileCache {
  return new FileCache({ io, directory: folder, maxBytes, newUuid: randomUUID })
}

async function open(cache: FileCache, location: string, sizeBytes?: number) {
  const lease = cache.lease()
  const files = await lease.open([sizeBytes === undefined ? { location } : { location, sizeBytes }])
  return { path: files.get(location)!, release: () => lease.release() }
}

function copies(): readonly string[] {
  return existsSync(join(folder, 'files')) ? readdirSync(join(folder, 'files')) : []
}

/** Everything else that is in the cache's folder. */
function leftBehind(): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.endsWith('/files'))
    .map((entry) => entry.name)
}

describe('The cache of files', () => {
  it('gives local files where they lie', async () => {
    const lease = cacheOf(new MemoryFileIO()).lease()
    const found = await lease.open([{ location: 'file:///a/b', sizeBytes: 1 }, { location: '/c/d' }])
    expect([...found]).toEqual([
      ['file:///a/b', '/a/b'],
      ['/c/d', '/c/d'],
    ])
    expect(copies()).toEqual([])
  })

  it('downloads a file once for sessions that want it at once and later, and keeps its ending', async () => {
    const io = new CountingIO()
    await io.write('memory://a/x.jsonl.gz', bytesOf(10, 1))
    const cache = cacheOf(io)
    const opened = await Promise.all(
      Array.from({ length: 20 }, () => open(cache, 'memory://a/x.jsonl.gz', 10)),
    )
    for (const { path, release } of opened) {
      expect(path).toMatch(/\.jsonl\.gz$/)
      expect([...readFileSync(path)]).toEqual([...bytesOf(10, 1)])
      release()
    }
    const again = await open(cacheOf(io), 'memory://a/x.jsonl.gz', 10)
    expect([...readFileSync(again.path)]).toEqual([...bytesOf(10, 1)])
    again.release()
    expect(io.reads).toBe(1)
    expect(leftBehind()).toEqual([])
  })

  it('downloads a large file in chunks, a few at a time', async () => {
    const io = new CountingIO()
    const large = bytesOf(75 * MIB + 5, 3)
    await io.write('memory://large', large)
    const { path, release } = await open(cacheOf(io), 'memory://large', large.length)
    expect(Buffer.compare(readFileSync(path), large)).toBe(0)
    expect(io.reads).toBe(10)
    expect(io.mostAtOnce).toBeLessThanOrEqual(4)
    release()
  })

  it('has few chunks in memory, however many sessions open files', async () => {
    const io = new CountingIO()
    for (let n = 0; n < 40; n += 1) await io.write(`memory://few/${n}`, bytesOf(10, n))
    const cache = cacheOf(io)
    const opened = Array.from({ length: 40 }, (_, n) => open(cache, `memory://few/${n}`, 10))
    for (const { release } of await Promise.all(opened)) release()
    expect(io.reads).toBe(40)
    expect(io.mostAtOnce).toBe(8)
  })

  it('takes the size from the store where a manifest is wrong', async () => {
    const io = new CountingIO()
    await io.write('memory://wrong', bytesOf(20 * MIB, 3))
    for (const size of [5, 19 * MIB, 30 * MIB]) {
      const { path, release } = await open(cacheOf(io), 'memory://wrong', size)
      expect(readFileSync(path)).toHaveLength(20 * MIB)
      release()
    }
  })

  it('reads a file anew that was replaced, where nothing says that it never is', async () => {
    let now = 1_000
    const io = new MemoryFileIO({ now: () => now })
    const cache = cacheOf(io)
    await io.write('memory://object', bytesOf(3, 1))
    const first = await open(cache, 'memory://object')
    now += 1_000
    await io.write('memory://object', bytesOf(3, 2))
    const second = await open(cache, 'memory://object')
    expect([...readFileSync(first.path)]).toEqual([...bytesOf(3, 1)])
    expect([...readFileSync(second.path)]).toEqual([...bytesOf(3, 2)])
  })

  it('holds no more than allowed: what was used longest ago goes first, what is in use stays', async () => {
    const io = new CountingIO()
    const at = (n: number) => `memory://n/${n}`
    for (let n = 0; n < 8; n += 1) await io.write(at(n), bytesOf(10, n))
    const cache = cacheOf(io, 50)
    const held = await open(cache, at(0), 10)
    for (const n of [1, 2, 3, 1, 4, 5, 6]) {
      ;(await open(cache, at(n), 10)).release()
      await new Promise((resolve) => setTimeout(resolve, 3))
    }
    expect(copies().length * 10).toBeLessThanOrEqual(50)
    expect([...readFileSync(held.path)]).toEqual([...bytesOf(10, 0)])
    const before = io.reads
    ;(await open(cache, at(0), 10)).release()
    ;(await open(cache, at(6), 10)).release()
    expect(io.reads).toBe(before)
    ;(await open(cache, at(2), 10)).release()
    expect(io.reads).toBe(before + 1)
    held.release()
  })

  it('leaves a file alone that another process uses', async () => {
    const io = new CountingIO()
    for (let n = 0; n < 5; n += 1) await io.write(`memory://n/${n}`, bytesOf(10, n))
    const held = await open(cacheOf(io, 20), 'memory://n/0', 10)
    const other = cacheOf(io, 20)
    for (let n = 1; n < 5; n += 1) (await open(other, `memory://n/${n}`, 10)).release()
    expect([...readFileSync(held.path)]).toEqual([...bytesOf(10, 0)])
    rmSync(join(folder, 'files'), { recursive: true })
    expect([...readFileSync(held.path)]).toEqual([...bytesOf(10, 0)])
    const again = await open(other, 'memory://n/1', 10)
    expect([...readFileSync(again.path)]).toEqual([...bytesOf(10, 1)])
  })

  it('passes on why a file cannot be had, and tries again the next time', async () => {
    const io = new CountingIO()
    const cache = cacheOf(io)
    const lease = cache.lease()
    const missing = Promise.all([
      lease.open([{ location: 'memory://late', sizeBytes: 4 }]),
      open(cache, 'memory://late', 4),
    ])
    await expect(missing).rejects.toMatchObject({ kind: 'not-found' })
    lease.release()
    await io.write('memory://late', bytesOf(4, 1))
    const { path, release } = await open(cache, 'memory://late', 4)
    expect(readFileSync(path)).toHaveLength(4)
    release()
    expect(leftBehind()).toEqual([])
  })
})

describe('Processes that share a cache', () => {
  it('download a file once between them', async () => {
    const { run, reads } = store(3 * MIB)
    const said = await Promise.all(Array.from({ length: 4 }, () => run({ pauseMs: 300 })))
    expect(said).toEqual(Array(4).fill('whole'))
    expect(reads()).toHaveLength(1)
    expect(leftBehind()).toEqual([])
  })

  it('never see half a file of one that was killed in the middle', async () => {
    const { run, reads } = store(30 * MIB)
    const killed = run({ dieAfter: 2, pauseMs: 100 })
    // Else the other may be first, and nothing is left to be killed in.
    await expect.poll(() => reads().length, { timeout: 30_000 }).toBeGreaterThan(0)
    const waiting = run({ pauseMs: 0 })
    expect(await killed).toBe('')
    expect(await waiting).toBe('whole')
    expect(await run({ dieAfter: 0, pauseMs: 0 })).toBe('whole')
    expect(new Set(reads().map((line) => line.split(' ')[0])).size).toBe(2)
    expect(copies()).toHaveLength(1)
    expect(leftBehind()).toEqual([])
  })
})

function bytesOf(size: number, seed: number): Uint8Array {
  return new Uint8Array(size).map((_, n) => (n * 31 + (n >> 8) + seed) % 256)
}

/** An object in a store that processes reach, and what runs one of them. */
function store(sizeBytes: number) {
  const source = join(folder, '..', `source-${folders}`)
  mkdirSync(source)
  writeFileSync(join(source, 'file.parquet'), bytesOf(sizeBytes, 1))
  const log = join(source, 'log')
  writeFileSync(log, '')
  return {
    reads: () =>
      readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line !== ''),
    run: (options: { dieAfter?: number; pauseMs: number }) =>
      new Promise<string>((resolve) => {
        const script = fileURLToPath(new URL('../support/cache-process.mjs', import.meta.url))
        const given = { directory: folder, source, log, sizeBytes, dieAfter: 1e9, ...options }
        const child = spawn(process.execPath, [script, JSON.stringify(given)], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        let said = ''
        child.stdout.on('data', (text: Buffer) => (said += text.toString()))
        child.once('close', () => resolve(said.trim()))
      }),
  }
}
