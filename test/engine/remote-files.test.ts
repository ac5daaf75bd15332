import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDuckDBEngine } from '../../engine/duckdb/duckdb-engine.js'
import type { EngineSession, WriteTarget } from '../../engine/engine.js'
import { IcebergError } from '../../iceberg/error.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { parsePartition, parseTableSchema } from '../../schemas/table-schema.js'
import { scan } from './support.js'

const schema = parseTableSchema({ id: 'long!', city: 'string' })
const SELECT = "SELECT range AS id, 'city ' || (range % 3) AS city FROM range(1000)"
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'firn-remote-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Fails the uploads whose number it is told. */
class FailingUploads extends MemoryFileIO {
  uploads = 0
  failing = Infinity

  override async upload(localPath: string, location: string): Promise<void> {
    this.uploads += 1
    if (this.uploads >= this.failing) throw new IcebergError('io', 'the store is full')
    await super.upload(localPath, location)
  }
}

async function withRemote<T>(io: FileIO, action: (session: EngineSession) => Promise<T>): Promise<T> {
  const engine = createDuckDBEngine({
    tempDirectory: join(folder, 'temp'),
    cacheDirectory: join(folder, 'cache'),
    io,
  })
  const session = await engine.openSession()
  try {
    return await action(session)
  } finally {
    await session.close()
  }
}

function target(options: Partial<WriteTarget> = {}): WriteTarget {
  const spec = parsePartition(['city'], schema)
  return { schema, spec, dataLocation: 'memory://lake/t/data', orderBy: ['id'], ...options }
}

async function listed(io: FileIO): Promise<readonly string[]> {
  const found = []
  for await (const { location } of io.list('memory://')) found.push(location)
  return found
}

/** Files that a write or a session left on the local disk, beside whole copies in the cache. */
function leftBehind(): readonly string[] {
  return ['temp', 'cache/processes', 'cache/locks']
    .map((name) => join(folder, name))
    .filter((path) => existsSync(path))
    .flatMap((path) => readdirSync(path, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

describe('Tables of another store', () => {
  it('are written through the local disk and read from copies, of which nothing is left behind', async () => {
    const io = new MemoryFileIO()
    const written = await withRemote(io, (session) => session.write(SELECT, target()))
    expect(written).toMatchObject({ rows: 1000, files: [{}, {}, {}] })
    expect((await listed(io)).toSorted()).toEqual(written.files.map((file) => file.filePath).toSorted())
    for (const file of written.files) {
      expect(await io.stat(file.filePath)).toMatchObject({ sizeBytes: file.fileSizeInBytes })
    }
    const rows = await withRemote(io, async (session) => {
      await session.addRelation(scan('t', schema, written.files))
      return await session.query(
        'SELECT city, count(*)::INT AS n, sum(id)::INT AS total FROM t GROUP BY 1 ORDER BY 1',
      )
    })
    expect(rows.rows).toEqual([
      { city: 'city 0', n: 334, total: 166_833 },
      { city: 'city 1', n: 333, total: 166_167 },
      { city: 'city 2', n: 333, total: 166_500 },
    ])
    expect(leftBehind()).toEqual([])
  })

  it('are written in one file too, without a work table', async () => {
    const io = new MemoryFileIO()
    const { files } = await withRemote(io, (session) =>
      session.write(SELECT, target({ spec: parsePartition([], schema), orderBy: [] })),
    )
    expect(files).toHaveLength(1)
    expect(await listed(io)).toEqual(files.map((file) => file.filePath))
    expect(leftBehind()).toEqual([])
  })

  it.each([1, 2, 3])('keep nothing of a write whose upload %i fails', async (failing) => {
    const io = new FailingUploads()
    io.failing = failing
    const write = withRemote(io, (session) => session.write(SELECT, target()))
    await expect(write).rejects.toThrow('the store is full')
    expect(await listed(io)).toEqual([])
    expect(leftBehind()).toEqual([])
  })

  it('keep nothing of a write whose rows break a rule', async () => {
    const io = new MemoryFileIO()
    const write = withRemote(io, (session) =>
      session.write("SELECT NULL::BIGINT AS id, 'x' AS city", target()),
    )
    await expect(write).rejects.toMatchObject({ kind: 'data-invalid' })
    expect(await listed(io)).toEqual([])
    expect(leftBehind()).toEqual([])
  })

  it('read landed objects, also one that was landed anew under its name', async () => {
    let now = 1
    const io = new MemoryFileIO({ now: () => now++ })
    const location = 'memory://lake/raw/0-1.jsonl.gz'
    const envelope = parseTableSchema({ offset: 'long!' })
    const document = parseTableSchema({ name: 'string' })
    for (const name of ['first', 'again']) {
      const line = JSON.stringify({ offset: 0, payload: JSON.stringify({ name }) })
      await io.write(location, gzipSync(`${line}\n`))
      const { rows } = await withRemote(io, async (session) => {
        const objects = [{ location, first: 0, end: 1 }]
        await session.addRelation({ kind: 'raw', name: 'landed', schema: document, envelope, objects })
        return await session.query('SELECT name FROM landed')
      })
      expect(rows).toEqual([{ name }])
    }
  })

  it('are refused by an engine that was given no way to them', async () => {
    const engine = createDuckDBEngine({ tempDirectory: join(folder, 'temp') })
    const session = await engine.openSession()
    const write = session.write(SELECT, target())
    await expect(write).rejects.toMatchObject({ kind: 'unsupported', message: expect.stringContaining('io') })
    await session.close()
  })
})
