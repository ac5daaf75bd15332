import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packFiles } from '../../lake/land/pack-files.js'
import { packTopic } from '../../lake/land/pack-topic.js'
import type { ContractMode, DocumentSchema } from '../../schemas/pipeline.js'
import { parseDocumentSchema } from '../../schemas/table-schema.js'
import { cursorOver } from '../support/topic-records.js'
import { allOf } from './support/all-of.js'
import type { PackedTopicObject, TopicPackTask } from '../../schemas/topics.js'

const SCHEMA: DocumentSchema = {
  id: 'string',
  'at?': 'string',
  'deep?': 'struct<a?: int, list?: list<struct<b?: int>>>',
  'map?': 'map<string, struct<c?: int>>',
}
const MESSAGE_MS = Date.parse('2026-07-01T00:00:00Z')

async function land(
  values: readonly (string | Uint8Array | null)[],
  contract: ContractMode,
  more: Partial<TopicPackTask> = {},
): Promise<PackedTopicObject> {
  const task: TopicPackTask = {
    topic: 'events',
    range: { partition: 2, first: 40, end: 40 + values.length },
    schema: SCHEMA,
    identity: ['id'],
    contract,
    maxDocumentBytes: 1000,
    objectBytes: 1e6,
    ...more,
  }
  const records = values.map((value, i) => ({
    offset: 40 + i,
    timestampMs: MESSAGE_MS,
    key: null,
    value: value === null ? null : Buffer.from(value as Uint8Array),
  }))
  const chunks = (async function* () {
    await Promise.resolve()
    yield { records: cursorOver(records), next: task.range.end }
  })()
  const [object] = await allOf(packTopic(task, chunks))
  return object!
}

function timesOf(object: PackedTopicObject): readonly unknown[] {
  const lines = gunzipSync(object.bytes).toString().split('\n').slice(0, -1)
  return lines.map((line) => (JSON.parse(line) as { timestamp: unknown }).timestamp)
}

const UNDECLARED = [
  ['{"id":"1","more":1}', 'more'],
  ['{"id":"1","odd name":null}', '["odd name"]'],
  ['{"id":"1","deep":{"a":1,"z":{"y":1}}}', 'deep.z'],
  ['{"id":"1","deep":{"list":[{"b":1},{"b":2,"x":1}]}}', 'deep.list[].x'],
  ['{"id":"1","map":{"k":{"c":1,"d":2}}}', 'map.k.d'],
] as const

describe('contract evolve', () => {
  it('lets undeclared members through and names them once', async () => {
    const texts = UNDECLARED.map(([text]) => text)
    const object = await land([...texts, ...texts, '{"id":"2"}'], 'evolve')
    expect(object.records).toBe(11)
    expect(object.undeclared).toEqual(UNDECLARED.map(([, path]) => path).sort())
  })

  it('names 20 of them at most, and none of a record that is a dead letter', async () => {
    const members = Array.from({ length: 30 }, (_, i) => `"m${i}":${i}`).join(',')
    expect((await land([`{"id":"1",${members}}`], 'evolve')).undeclared).toHaveLength(20)
    const object = await land(['{"id":1,"more":1}', '{"more":1,"id":1}', '{"id":"1"}'], 'evolve')
    expect(object).toMatchObject({ records: 1, undeclared: [] })
  })

  it('still makes dead letters of what is not as declared', async () => {
    const object = await land(['{"id":1}', '{"id":"1"}'], 'evolve')
    expect(object).toMatchObject({
      records: 1,
      deadLetters: [{ offset: 40, kind: 'wrong-type', documentPath: 'id' }],
    })
  })
})

describe('contract discard-row', () => {
  it.each(UNDECLARED)('makes a dead letter of %s', async (text, path) => {
    const object = await land([text, '{"id":"2","deep":{"a":1}}'], 'discard-row')
    const documentPath = path.replace('[]', '[1]')
    expect(object).toMatchObject({ records: 1, undeclared: [] })
    expect(object.deadLetters).toMatchObject([{ offset: 40, kind: 'undeclared-member', documentPath }])
    expect(object.deadLetters[0]?.message).toMatch(/add it to the source's schema, or set contract to evolve/)
  })
})

describe('contract freeze', () => {
  it.each([
    ['an undeclared member', '{"id":"1","deep":{"z":1}}', 'deep.z', 'undeclared-member'],
    ['a wrong type', '{"id":1}', 'id', 'wrong-type'],
    ['text that is no JSON', '{', '', 'malformed-json'],
    ['a tombstone', null, '', 'no-value'],
  ])('stops at %s and says where it is', async (_, value, documentPath, cause) => {
    const error: unknown = await land(['{"id":"0"}', value, '{'], 'freeze').catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      kind: 'contract-broken',
      retryable: false,
      context: { topic: 'events', partition: 2, offset: 41, documentPath, cause },
    })
    const message = (error as Error).message
    for (const word of ['topic events, partition 2, offset 41', cause, documentPath, 'Nothing was landed'])
      expect(message).toContain(word)
  })

  it('lands what is as declared', async () => {
    expect(await land(['{"id":"0"}', '{"id":"1","at":null}'], 'freeze')).toMatchObject({
      records: 2,
      deadLetters: [],
    })
  })
})

describe('event time', () => {
  it.each([
    ['"2026-06-30T12:00:00Z"', '2026-06-30T12:00:00.000Z'],
    ['"2026-06-30T12:00:00.123456789+02:00"', '2026-06-30T10:00:00.123Z'],
    ['"2026-06-30 12:00"', '2026-06-30T12:00:00.000Z'],
    ['"2026-06-30"', '2026-06-30T00:00:00.000Z'],
    ['"1780000000123"', '2026-05-28T20:26:40.123Z'],
    ['"-1"', '1969-12-31T23:59:59.999Z'],
    ['"2026-02-30T00:00:00Z"', undefined],
    ['"2026-06-30T25:00:00Z"', undefined],
    ['"2026-06-30T12:00:00+19:00"', undefined],
    ['"yesterday"', undefined],
    ['"99999999999999999"', undefined],
    ['""', undefined],
    ['null', undefined],
  ])('%s is %s; the message says it where the document does not', async (written, instant) => {
    const texts = [`{"id":"1","at":${written}}`, `{"id":"\\u0031","at":${written}}`]
    const expected = instant ?? '2026-07-01T00:00:00.000Z'
    const object = await land(texts, 'evolve', { eventTime: 'at' })
    expect(timesOf(object)).toEqual([expected, expected])
    expect(object).toMatchObject({
      minEventTimeMs: Date.parse(expected),
      maxEventTimeMs: Date.parse(expected),
    })
  })

  it('may be a number, of a nested member, and stand in a field that is required', async () => {
    const more = { schema: { id: 'string', m: 'struct<at: long>' }, eventTime: 'm.at' }
    const object = await land(['{"id":"1","m":{"at":1780000000123}}', '{"id":"2","m":{}}'], 'evolve', more)
    expect(timesOf(object)).toEqual(['2026-05-28T20:26:40.123Z'])
    expect(object.deadLetters).toMatchObject([{ kind: 'missing-field', documentPath: 'm.at' }])
  })
})

describe('a value that is no plain JSON', () => {
  it('of a schema registry is named so', async () => {
    const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, 7]), Buffer.from('{"id":"1"}')])
    const { deadLetters } = await land([framed, Buffer.from([0, 0, 0, 0, 7, 0xff]), null], 'evolve')
    expect(deadLetters).toMatchObject([
      { kind: 'malformed-json', message: expect.stringContaining('schema registry') as string },
      { kind: 'malformed-json', message: expect.stringContaining('schema registry') as string },
      { kind: 'no-value', documentPath: '' },
    ])
    expect(Buffer.from(deadLetters[0]?.raw ?? [])).toEqual(framed)
  })

  it('that is too large is a dead letter, whole', async () => {
    const { deadLetters } = await land([`{"id":"${'x'.repeat(2000)}"}`], 'evolve')
    expect(deadLetters).toMatchObject([{ kind: 'too-large' }])
    expect(deadLetters[0]?.raw).toHaveLength(2009)
  })
})

describe('files', () => {
  let folder: string
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'firn-modes-'))))
  afterAll(() => rmSync(folder, { recursive: true }))

  const pack = async (lines: readonly string[], contract: ContractMode, eventTime?: string) => {
    const path = `${contract}.jsonl`
    writeFileSync(join(folder, path), lines.join('\n'))
    const { size, mtimeMs } = statSync(join(folder, path))
    const file = { path, size, mtimeMs: Math.trunc(mtimeMs), first: 0, records: lines.length }
    const { fields } = parseDocumentSchema(SCHEMA)
    const limits = { maxDocumentBytes: 1000, objectBytes: 1e6 }
    const source = {
      folder,
      topic: 'events',
      fields,
      identity: ['id'],
      contract,
      ...(eventTime && { eventTime }),
    }
    const [object] = await allOf(packFiles({ ...source, files: [file], ...limits }))
    return object!
  }

  it('follow the contract and the event time of their source too', async () => {
    const lines = ['{"id":"1","at":"2020-01-01"}', '{"id":"2","more":1}']
    const evolving = await pack(lines, 'evolve', 'at')
    expect(evolving).toMatchObject({ records: 2, undeclared: ['more'] })
    expect(gunzipSync(evolving.bytes).toString()).toContain('"timestamp":"2020-01-01T00:00:00.000Z"')
    const discarding = await pack(lines, 'discard-row')
    expect(discarding).toMatchObject({ records: 1, deadLetters: [{ kind: 'undeclared-member', offset: 1 }] })
    await expect(pack(lines, 'freeze')).rejects.toMatchObject({
      kind: 'contract-broken',
      message: expect.stringMatching(/freeze\.jsonl.*offset 1 .*at more: undeclared-member/) as string,
    })
  })
})
