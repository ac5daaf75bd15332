import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { PlannedFile } from '../../lake/land/source-files.js'
import type { PackedObject } from '../../lake/land/pack-files.js'
import { packFiles } from '../../lake/land/pack-files.js'
import { rawObjectsOf } from '../../lake/land/raw-objects.js'
import { parseDocumentSchema } from '../../schemas/table-schema.js'

let folder: string
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'firn-pack-'))))
afterAll(() => rmSync(folder, { recursive: true }))

function planned(path: string, first: number, lines: readonly string[]): PlannedFile {
  const file = join(folder, path)
  writeFileSync(file, lines.join('\n'))
  const { size, mtimeMs } = statSync(file)
  return { path, size, mtimeMs: Math.trunc(mtimeMs), first, records: lines.length }
}

async function pack(files: readonly PlannedFile[], objectBytes: number): Promise<readonly PackedObject[]> {
  const { fields } = parseDocumentSchema({ id: 'int' })
  const objects: PackedObject[] = []
  const limits = { maxDocumentBytes: 1000, objectBytes }
  for await (const object of packFiles({ folder, files, topic: 't', fields, identity: ['id'], ...limits })) {
    objects.push(object)
  }
  return objects
}

it('parts large files over objects whose ranges follow each other, and packs them again to the same bytes', async () => {
  const ids = Array.from({ length: 50 }, (_, i) => (i % 10 === 3 ? '{"id": "bad"}' : `{"id":${i}}`))
  const files = [planned('a.jsonl', 5, ids), planned('empty.jsonl', 55, []), planned('b.jsonl', 55, ids)]
  files[1] = { ...files[1]!, records: 0 }
  const objects = await pack(files, 2000)
  expect(objects.length).toBeGreaterThan(10)
  let next = 5
  for (const object of objects) {
    expect(object.first).toBe(next)
    next = object.end
    const lines = gunzipSync(object.bytes).toString().split('\n').slice(0, -1)
    const offsets = lines.map((line) => (JSON.parse(line) as { offset: number }).offset)
    const dead = object.deadLetters.map((letter) => letter.offset)
    const all = Array.from({ length: object.end - object.first }, (_, i) => object.first + i)
    expect([...offsets, ...dead].sort((a, b) => a - b)).toEqual(all)
    expect(object.parts.reduce((sum, part) => sum + part.records, 0)).toBe(object.records)
  }
  expect(next).toBe(105)
  const parts = objects.flatMap((object) => object.parts)
  for (const file of files) {
    const own = parts.filter((part) => part.file === file)
    expect(own.reduce((sum, part) => sum + part.end - part.first, 0)).toBe(file.records)
    expect(own[0]?.first).toBe(file.first)
  }
  expect((await pack(files, 2000)).map((object) => object.sha256)).toEqual(
    objects.map((object) => object.sha256),
  )
})

it('makes one range of the ledger rows of one object, and none of rows without records', () => {
  const row = { rowNumber: 0, partition: 0, sha256: '', incarnation: 'i', batch: '' }
  const rows = [
    { ...row, path: 'x', first: 0, nextOffset: 1, records: 1, bytes: 10 },
    { ...row, path: 'x', first: 1, nextOffset: 2, records: 0, bytes: 0 },
    { ...row, path: 'x', first: 2, nextOffset: 9, records: 7, bytes: 100_000 },
    { ...row, path: 'y', first: 9, nextOffset: 10, records: 1, bytes: 1 },
  ]
  expect(rawObjectsOf(rows)).toMatchObject([
    { location: 'x', first: 0, end: 9 },
    { location: 'y', first: 9, end: 10 },
  ])
  expect(rawObjectsOf(rows)[0]!.maxLineBytes).toBeGreaterThan(200_000)
})
