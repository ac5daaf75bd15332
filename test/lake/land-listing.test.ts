import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { listSettled } from '../../lake/land/list-settled.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import { PrefixFiles } from '../../lake/land/prefix-files.js'
import { readAhead } from '../../lake/land/read-ahead.js'
import { readDocuments } from '../../lake/land/read-documents.js'
import type { PlannedFile, SourceFiles } from '../../lake/land/source-files.js'
import { fileChanged } from '../../lake/land/source-files.js'
import type { LandResult } from '../../schemas/messages.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import type { TestLake } from './support/lake.js'
import { testLake } from './support/lake.js'

const THURSDAY = '20260702T020000Z'
const FRIDAY = '20260703T020000Z'
const NEXT_WEEK = '20260709T020000Z'
const LONG_AGO = Date.UTC(2026, 5, 1)

const rising: Pipeline = {
  name: 'rising',
  namespace: 'rising',
  directory: '/nowhere',
  sources: {
    runs: { kind: 'json', topic: 'runs', schema: { id: 'string' }, identity: ['id'], fileNames: 'rising' },
  },
  tables: {},
  sqlTexts: {},
}

describe('a source whose file names rise', () => {
  let lake: TestLake
  beforeEach(() => (lake = testLake([rising])))
  afterEach(() => lake.close())

  const put = (...names: readonly string[]): void => {
    for (const name of names) lake.put(`${name}.json`, { id: name }, LONG_AGO)
  }
  const land = async (batch: string, settleMs = 0): Promise<LandResult> => {
    const deps = { ...lake.deps, settings: { ...lake.deps.settings, settleMs } }
    const plan = await planLanding(deps, { pipeline: 'rising', from: lake.inbox, batch })
    return await commitLanding(deps, plan, [await fetchLanding(deps, plan)])
  }
  const landed = async (): Promise<readonly unknown[]> =>
    (await lake.rows('raw.runs', 'row_number')).map((row) => row['source_path'])

  it('lists what lies behind the last one, and finds what came late in the first landing of a week', async () => {
    put('03', '04')
    await land(THURSDAY)
    put('02', '05', '04/6')
    expect(await land(FRIDAY)).toMatchObject({ files: 2 })
    expect(await landed()).toEqual(['03.json', '04.json', '04/6.json', '05.json'])
    const next = await land(NEXT_WEEK)
    expect(next.warnings).toEqual([expect.stringMatching(/"02\.json" came late/)])
    expect(await landed()).toEqual(['03.json', '04.json', '04/6.json', '05.json', '02.json'])
    put('06')
    expect(await land(NEXT_WEEK)).toMatchObject({ files: 1 })
    expect(await land(FRIDAY)).toMatchObject({ files: 0 })
  })

  it('lets what sorts behind a file that still settles wait with it', async () => {
    put('01', '02', '03', '04')
    lake.put('02.json', { id: '02' }, lake.deps.now())
    expect(await land(THURSDAY, 60_000)).toMatchObject({
      files: 1,
      warnings: [expect.stringMatching(/3 files .* wait/)],
    })
    lake.put('05.json', { id: '05' }, lake.deps.now())
    put('02')
    expect(await land(FRIDAY, 60_000)).toMatchObject({ files: 3 })
    expect(await landed()).toEqual(['01.json', '02.json', '03.json', '04.json'])
  })
})

describe('a listing of a prefix', () => {
  const settings = { settleMs: 0 } as never
  const landing = { batch: THURSDAY, from: 's3://bucket/in/', isRising: false }
  const list = async (names: number, last?: { path: string; batch: string }) => {
    const io = new MemoryFileIO()
    for (let n = 0; n < names; n += 1)
      await io.write(`s3://bucket/in/${String(n).padStart(5, '0')}.json`, new Uint8Array(1))
    const files = new PrefixFiles(io, landing.from)
    return await listSettled({ now: () => 0, settings }, files, { ...landing, last })
  }

  it('says so where nothing lies there, and what it cost where much does', async () => {
    expect((await list(0)).warnings).toEqual([
      expect.stringMatching(/nothing lies under s3:\/\/bucket\/in\//),
    ])
    expect((await list(9_000)).warnings).toEqual([])
    expect((await list(9_001)).warnings).toEqual([
      expect.stringMatching(/all 9001 names .* 10 requests.*fileNames: 'rising'/),
    ])
    const behind = await list(9_001, { path: '08998.json', batch: FRIDAY })
    expect(behind.files.map((file) => file.path)).toEqual(['08999.json', '09000.json'])
    expect(behind.warnings).toEqual([])
  })
})

describe('reading ahead', () => {
  const files = Array.from({ length: 100 }, (_, i): PlannedFile => {
    return { path: `${i}.json`, size: i % 10 === 3 ? 1e9 : 10, mtimeMs: 0, first: i, records: 1 }
  })

  it('fetches a bounded number of small files before their turn, and gives all in their order', async () => {
    const begun: string[] = []
    const source: Pick<SourceFiles, 'read'> = {
      async *read({ path }) {
        begun.push(path)
        yield await Promise.resolve(Buffer.from(path))
      },
    }
    let turn = 0
    for (const { file, bytes } of readAhead(source as SourceFiles, files)) {
      expect(begun.length).toBeLessThanOrEqual(turn + 32)
      if (file.size > 10) expect(begun).not.toContain(file.path)
      const pieces: Buffer[] = []
      for await (const piece of bytes) pieces.push(piece)
      expect(Buffer.concat(pieces).toString()).toBe(files[turn]!.path)
      turn += 1
    }
    expect(turn).toBe(100)
    expect([...begun].sort()).toEqual(files.map((file) => file.path).sort())
  })

  it('tells a failure when it is the turn of the file, and not to whoever stops before', async () => {
    const source: Pick<SourceFiles, 'read'> = {
      async *read(file) {
        yield await Promise.resolve(Buffer.from('x'))
        if (file.path === '5.json') throw fileChanged(file, 'it is gone')
      },
    }
    const read = async (until: number): Promise<number> => {
      let done = 0
      for (const { bytes } of readAhead(source as SourceFiles, files)) {
        if (done === until) return done
        for await (const piece of bytes) expect(piece.toString()).toBe('x')
        done += 1
      }
      return done
    }
    expect(await read(5)).toBe(5)
    await expect(read(6)).rejects.toMatchObject({ kind: 'stale-range', context: { path: '5.json' } })
  })

  it('does not take a file that changes while it is unpacked for a damaged one', async () => {
    const gzipped = gzipSync(Array.from({ length: 1000 }, (_, i) => `{"id":"${Math.sin(i)}"}`).join('\n'))
    async function* breaksOff(): AsyncGenerator<Buffer> {
      yield await Promise.resolve(gzipped.subarray(0, gzipped.length / 2))
      throw fileChanged(files[0]!, 'it was replaced')
    }
    const readAll = async (): Promise<void> => {
      for await (const { problem } of readDocuments(breaksOff(), { lines: true, gzip: true }, 1e6)) {
        expect(problem).toBeUndefined()
      }
    }
    await expect(readAll()).rejects.toMatchObject({ kind: 'stale-range' })
  })
})
