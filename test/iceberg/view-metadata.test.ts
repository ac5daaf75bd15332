import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { Schema } from '../../iceberg/spec/type.js'
import { applyViewUpdates } from '../../iceberg/view/apply-view-updates.js'
import { newViewMetadata } from '../../iceberg/view/new-view.js'
import { parseViewMetadata, serializeViewMetadata } from '../../iceberg/view/view-json.js'
import type { ViewMetadata, ViewUpdate, ViewVersion } from '../../iceberg/view/view-metadata.js'

const schema = (...names: readonly string[]): Schema => ({
  type: 'struct',
  'schema-id': 0,
  fields: names.map((name, at) => ({ id: at + 1, name, required: false, type: 'long' })),
})
const version = (sql: string, more: Partial<ViewVersion> = {}): ViewVersion => ({
  'version-id': 1,
  'schema-id': 0,
  'timestamp-ms': 1000,
  summary: {},
  representations: [{ type: 'sql', sql, dialect: 'spark' }],
  'default-namespace': ['a'],
  ...more,
})
const FIRST = newViewMetadata({
  uuid: 'A',
  location: 'memory://v/',
  schema: schema('id'),
  version: version('1'),
})
const replace = (sql: string, more: Partial<ViewVersion> = {}): readonly ViewUpdate[] => [
  { action: 'add-view-version', 'view-version': version(sql, more) },
  { action: 'set-current-view-version', 'view-version-id': -1 },
]
const apply = (metadata: ViewMetadata, ...updates: readonly ViewUpdate[]) =>
  applyViewUpdates(metadata, updates, { now: 9000 })
const idsOf = (metadata: ViewMetadata) => metadata.versions.map((one) => one['version-id'])

describe('view metadata', () => {
  it('starts with schema 0 and version 1', () => {
    expect(FIRST).toMatchObject({
      'format-version': 1,
      'view-uuid': 'a',
      location: 'memory://v',
      'current-version-id': 1,
      'version-log': [{ 'version-id': 1, 'timestamp-ms': 1000 }],
    })
  })

  it('numbers versions and schemas anew, and knows those that it has', () => {
    const second = apply(
      FIRST,
      { action: 'add-schema', schema: schema('id', 'x') },
      ...replace('2', { 'schema-id': -1 }),
    )
    expect(second.versions[1]).toMatchObject({ 'version-id': 2, 'schema-id': 1 })
    const back = apply(second, ...replace('1', { 'timestamp-ms': 2000 }))
    expect(idsOf(back)).toEqual([1, 2])
    expect(back['version-log'].at(-1)).toEqual({ 'version-id': 1, 'timestamp-ms': 9000 })
    expect(apply(back, ...replace('1'))).toBe(back)
  })

  it('keeps the newest versions, the current one always, and a log without gaps', () => {
    let metadata = apply(FIRST, { action: 'set-properties', updates: { 'version.history.num-entries': '2' } })
    for (const sql of ['2', '3']) metadata = apply(metadata, ...replace(sql))
    expect(idsOf(metadata)).toEqual([2, 3])
    metadata = apply(
      metadata,
      { action: 'set-current-view-version', 'view-version-id': 2 },
      ...replace('4').slice(0, 1),
    )
    expect(idsOf(metadata)).toEqual([2, 4])
    expect(metadata['current-version-id']).toBe(2)
    expect(metadata['version-log']).toEqual([{ 'version-id': 2, 'timestamp-ms': 9000 }])
  })

  it('loses a dialect only where its properties allow it', () => {
    const trino = replace('2', { representations: [{ type: 'sql', sql: '2', dialect: 'trino' }] })
    expect(() => apply(FIRST, ...trino)).toThrow(/loss of view dialects/)
    const allowed = { action: 'set-properties', updates: { 'replace.drop-dialect.allowed': 'true' } } as const
    expect(apply(FIRST, allowed, ...trino)['current-version-id']).toBe(2)
  })

  it.each<[string, readonly ViewUpdate[]]>([
    ['a version of an unknown schema', replace('2', { 'schema-id': 7 })],
    ['a schema of -1 with none added', replace('2', { 'schema-id': -1 })],
    ['an unknown version', [{ action: 'set-current-view-version', 'view-version-id': 7 }]],
    ['another uuid', [{ action: 'assign-uuid', uuid: 'b' }]],
    ['format version 2', [{ action: 'upgrade-format-version', 'format-version': 2 }]],
    ['no history', [{ action: 'set-properties', updates: { 'version.history.num-entries': '0' } }]],
  ])('refuses %s', (_name, updates) => {
    expect(() => apply(FIRST, ...updates)).toThrow(expect.objectContaining({ kind: 'commit-rejected' }))
  })

  it('survives its file, plain and gzip, with members that nobody here knows', () => {
    const known = { ...FIRST, 'of-the-future': { n: 9007199254740993n } }
    const bytes = serializeViewMetadata(known)
    expect(parseViewMetadata(bytes)).toEqual(known)
    expect(parseViewMetadata(gzipSync(bytes))).toEqual(known)
  })

  it.each([
    ['', 'data-invalid'],
    ['[]', 'data-invalid'],
    ['{"format-version":2}', 'unsupported'],
    ['{"format-version":1,"view-uuid":"a","location":"l"}', 'data-invalid'],
    [
      '{"format-version":1,"view-uuid":"a","location":"l","schemas":[],"version-log":[],"versions":[]}',
      'data-invalid',
    ],
  ])('refuses the damaged file %s', (text, kind) => {
    expect(() => parseViewMetadata(new TextEncoder().encode(text))).toThrow(expect.objectContaining({ kind }))
  })
})
