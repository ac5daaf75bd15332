import { describe, expect, it } from 'vitest'
import { isSameState } from '../../lake/land/source-files.js'
import type { ListedFile, SourceFiles } from '../../lake/land/source-files.js'

/** A place of documents that a test fills. */
export interface FilledPlace {
  readonly files: SourceFiles
  readonly put: (path: string, text: string) => Promise<void>
  readonly remove: (path: string) => Promise<void>
  /** Whether its store tells states by an ETag. */
  readonly hasEtags: boolean
}

/** What people and tools name files; object stores and URLs treat some of it in a way of their own. */
const NAMES = [
  '%2e%2e.json',
  "'quoted' name.json",
  '+plus & amp;.json',
  '2026/07/01/a=b?x#y.jsonl',
  'back\\slash.ndjson',
  'line\nbreak.json',
  'ünïcödé 数据.json',
  '\uff5e.json',
  '🧊.jsonl.gz',
]

/** The promises of the port, for one implementation. `make` gives an empty place. */
export function describeSourceFiles(name: string, make: () => Promise<FilledPlace>): void {
  describe(`SourceFiles (${name})`, () => {
    it('lists documents in the order of bytes, whatever their names hold, and reads each back', async () => {
      const { files, put } = await make()
      for (const path of NAMES) await put(path, `<${path}>`)
      const listing = await files.list()
      expect(listing.files.map((file) => file.path)).toEqual(NAMES)
      expect(listing).toMatchObject({ gone: [], seen: NAMES.length })
      for (const file of listing.files) expect(await textOf(files, file), file.path).toBe(`<${file.path}>`)
    })

    it('passes over what is no document, what is hidden and what is not finished', async () => {
      const { files, put } = await make()
      const shown = ['a.json', 'b/c.jsonl', 'b/d.ndjson.gz', 'x_temporary/e.json']
      const hidden = [
        '.h.json',
        '.git/a.json',
        'b/.x/a.json',
        'b/_temporary/0/a.json',
        'notes.txt',
        'a.JSON',
        'json',
      ]
      for (const path of [...shown, ...hidden]) await put(path, '{}')
      expect((await files.list()).files.map((file) => file.path)).toEqual(shown)
    })

    it('lists what lies behind a path', async () => {
      const { files, put } = await make()
      const paths = ['1.json', '2!.json', '2/1.json', '2/2.json', '3.json', '🧊.json']
      for (const path of paths) await put(path, '{}')
      for (const [n, path] of paths.entries()) {
        expect((await files.list(path)).files.map((file) => file.path)).toEqual(paths.slice(n + 1))
      }
      expect((await files.list('2/')).files.map((file) => file.path)).toEqual(paths.slice(2))
    })

    it('tells the same state of a file whether it is listed or asked for, another one when it changes', async () => {
      const { files, put, remove, hasEtags } = await make()
      await put('a.json', '{"a":1}')
      const [listed] = (await files.list()).files
      expect(await files.stat('a.json')).toEqual(listed)
      expect(listed).toMatchObject({ path: 'a.json', size: 7 })
      expect(listed!.etag === undefined).toBe(!hasEtags)
      await put('a.json', '{"a":2}')
      expect(isSameState((await files.stat('a.json'))!, listed!)).toBe(false)
      if (hasEtags) {
        await put('a.json', '{"a":1}')
        expect(isSameState((await files.stat('a.json'))!, listed!)).toBe(true)
      }
      await remove('a.json')
      expect(await files.stat('a.json')).toBeUndefined()
      expect((await files.list()).files).toEqual([])
    })

    it('reads large files in pieces, and empty ones', async () => {
      const { files, put } = await make()
      const text = Array.from({ length: 300_000 }, (_, i) => `{"line":${i}}`).join('\n')
      await put('large.jsonl', text)
      await put('empty.json', '')
      const [empty, large] = (await files.list()).files
      expect(await textOf(files, empty!)).toBe('')
      let pieces = 0
      for await (const piece of files.read(large!)) pieces += piece.length > 0 ? 1 : 0
      expect(pieces).toBeGreaterThan(1)
      expect((await textOf(files, large!)) === text).toBe(true)
    })

    it('says stale-range of a file that is gone, or by its etag another one', async () => {
      const { files, put, remove, hasEtags } = await make()
      for (const path of ['changed.json', 'gone.json']) await put(path, '{"a":1}')
      const [changed, gone] = (await files.list()).files
      await put('changed.json', '{"a":2}')
      await remove('gone.json')
      await expect(textOf(files, gone!)).rejects.toMatchObject({ kind: 'stale-range' })
      const read = textOf(files, changed!)
      if (hasEtags) await expect(read).rejects.toMatchObject({ kind: 'stale-range' })
      else expect(await read).toBe('{"a":2}')
    })
  })
}

async function textOf(files: SourceFiles, file: ListedFile): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of files.read(file)) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}
