import avro from 'avsc'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dataFileFromJson, dataFileToJson } from '../../iceberg/format/data-file-json.js'
import { readManifestList, writeManifestList } from '../../iceberg/format/manifest-list.js'
import type { NewManifestEntry } from '../../iceberg/format/manifest.js'
import { manifestFileOf, readManifest, writeManifest } from '../../iceberg/format/manifest.js'
import type { DataFile, ManifestFile } from '../../iceberg/spec/data-file.js'
import type { PartitionSpec } from '../../iceberg/spec/partition-spec.js'
import { decodeValue } from '../../iceberg/spec/single-value.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { PrimitiveType, Schema, Value } from '../../iceberg/spec/type.js'

const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const COLUMNS: [PrimitiveType, fc.Arbitrary<Value>][] = [
  ['boolean', fc.boolean()],
  ['int', fc.integer()],
  ['long', long],
  ['float', fc.float()],
  ['double', fc.double()],
  ['date', fc.integer()],
  ['time', long],
  ['timestamp', long],
  ['timestamptz_ns', long],
  ['string', fc.string({ unit: 'grapheme' })],
  ['uuid', fc.uuid()],
  ['fixed[5]', fc.uint8Array({ minLength: 5, maxLength: 5 })],
  ['binary', fc.uint8Array()],
  ['decimal(9, 2)', fc.bigInt({ min: -999_999_999n, max: 999_999_999n })],
  ['decimal(38, 0)', fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n })],
]
const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: COLUMNS.map(([type], index) => ({ id: index + 1, name: `c${index}`, required: false, type })),
}
const SPEC: PartitionSpec = {
  'spec-id': 3,
  fields: COLUMNS.map((_, index) => ({
    'source-id': index + 1,
    'field-id': 1000 + index,
    name: `9 c-${index}é`,
    transform: 'identity',
  })),
}
const METADATA = {
  schemas: [SCHEMA],
  'current-schema-id': 0,
  'partition-specs': [SPEC],
} as unknown as TableMetadata
const SNAPSHOT = toSnapshotId(3055729675574597004n)

const count = fc.integer({ min: 0, max: 2 ** 50 })
const counts = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 2 ** 31 - 1 }), count))
  .map((pairs) => new Map(pairs))
const bounds = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 99 }), fc.uint8Array()))
  .map((pairs) => new Map(pairs))
const optional = {
  columnSizes: counts,
  valueCounts: counts,
  nullValueCounts: counts,
  nanValueCounts: counts,
  lowerBounds: bounds,
  upperBounds: bounds,
  keyMetadata: fc.uint8Array(),
  splitOffsets: fc.array(count),
  equalityIds: fc.array(fc.integer()),
  sortOrderId: fc.nat(),
  referencedDataFile: fc.string(),
}
const dataFile = fc.record(
  {
    content: fc.constant('data' as const),
    filePath: fc.string({ unit: 'grapheme' }),
    fileFormat: fc.constantFrom('parquet', 'avro', 'orc'),
    specId: fc.constant(3),
    partition: fc.tuple(...COLUMNS.map(([, value]) => fc.option(value))),
    recordCount: count,
    fileSizeInBytes: count,
    ...optional,
  },
  {
    requiredKeys: [
      'content',
      'filePath',
      'fileFormat',
      'specId',
      'partition',
      'recordCount',
      'fileSizeInBytes',
    ],
  },
) as fc.Arbitrary<DataFile>

const entry: fc.Arbitrary<NewManifestEntry> = fc.oneof(
  dataFile.map((file) => ({ status: 'added' as const, file })),
  fc.record({ status: fc.constant('added' as const), file: dataFile, sequenceNumber: count }),
  fc.record({
    status: fc.constantFrom('existing' as const, 'deleted' as const),
    file: dataFile,
    snapshotId: long.map(toSnapshotId),
    sequenceNumber: count,
    fileSequenceNumber: count,
  }),
)

const write = (entries: readonly NewManifestEntry[], spec = SPEC) =>
  writeManifest({ schema: SCHEMA, spec, content: 'data', entries, snapshotId: SNAPSHOT, formatVersion: 2 })

describe('manifests', () => {
  test('any entries survive, and added ones take the sequence number they are committed at', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 8 }), count, (entries, sequenceNumber) => {
        const written = write(entries)
        const manifest = manifestFileOf(written, { manifestPath: 'm', sequenceNumber })
        const expected = entries.map((item) =>
          item.status === 'added'
            ? {
                status: 'added',
                file: item.file,
                snapshotId: SNAPSHOT,
                sequenceNumber: item.sequenceNumber ?? sequenceNumber,
                fileSequenceNumber: sequenceNumber,
              }
            : item,
        )
        expect(readManifest(written.bytes, manifest, METADATA)).toEqual(expected)
        const live = expected.filter((item) => item.status !== 'deleted').map((item) => item.sequenceNumber)
        expect(manifest.minSequenceNumber).toBe(Math.min(sequenceNumber, ...live))
        expect(manifest.addedFilesCount).toBe(entries.filter((item) => item.status === 'added').length)
      }),
    )
  })

  test('partition summaries hold the bounds of all entries and say where null and NaN are', () => {
    fc.assert(
      fc.property(fc.array(dataFile, { minLength: 1, maxLength: 6 }), (files) => {
        const { partitions } = write(files.map((file) => ({ status: 'added', file })))
        COLUMNS.forEach(([type], index) => {
          const values = files.map((file) => file.partition[index] ?? null)
          const summary = partitions[index]!
          const ordinary = values.filter((value) => value !== null && !Number.isNaN(value)) as Value[]
          expect(summary.containsNull).toBe(values.includes(null))
          expect(summary.containsNan).toBe(values.some(Number.isNaN))
          expect(summary.lowerBound === undefined).toBe(ordinary.length === 0)
          if (ordinary.every((value) => typeof value === 'bigint') && ordinary.length > 0) {
            const sorted = ordinary.sort((a, b) => (a < b ? -1 : 1))
            expect(decodeValue(type, summary.lowerBound!)).toBe(sorted[0])
            expect(decodeValue(type, summary.upperBound!)).toBe(sorted.at(-1))
          }
        })
      }),
      { numRuns: 50 },
    )
  })

  test('the same entries give the same bytes', () => {
    const entries = fc.sample(entry, 5)
    expect(write(entries).bytes).toEqual(write(entries).bytes)
  })

  test('the header is what other readers need, with the field ids of the spec', () => {
    const { bytes } = write([])
    const header = readHeader(bytes)
    expect(JSON.parse(header['schema']!)).toEqual(SCHEMA)
    expect(JSON.parse(header['partition-spec']!)).toEqual(SPEC.fields)
    expect(header).toMatchObject({
      'schema-id': '0',
      'partition-spec-id': '3',
      'format-version': '2',
      content: 'data',
      'avro.codec': 'deflate',
    })
    const text = header['avro.schema']!
    for (const id of [
      0, 1, 2, 3, 4, 100, 101, 102, 103, 104, 108, 109, 110, 125, 128, 131, 132, 134, 135, 137,
    ]) {
      expect(text).toContain(`"field-id":${id}}`)
    }
    expect(text).toContain('"iceberg-field-name":"9 c-0é"')
    expect(text).toContain('"logicalType":"map"')
  })

  test('an int partition value reads as the long that its column became', () => {
    const asInt: Schema = {
      ...SCHEMA,
      fields: [{ id: 1, name: 'n', required: false, type: 'int' }],
    }
    const spec: PartitionSpec = { 'spec-id': 3, fields: [{ ...SPEC.fields[0]!, name: 'n' }] }
    const [file] = fc.sample(dataFile, 1)
    const written = writeManifest({
      schema: asInt,
      spec,
      content: 'data',
      entries: [{ status: 'added', file: { ...file!, partition: [-7] } }],
      snapshotId: SNAPSHOT,
      formatVersion: 2,
    })
    const asLong = { ...asInt, fields: [{ ...asInt.fields[0]!, type: 'long' as const }] }
    const metadata = { ...METADATA, schemas: [asLong], 'partition-specs': [spec] }
    const manifest = manifestFileOf(written, { manifestPath: 'm', sequenceNumber: 1 })
    expect(readManifest(written.bytes, manifest, metadata)[0]?.file.partition).toEqual([-7n])
  })

  test('damaged in any byte or cut anywhere they either fail as damaged data or still read', () => {
    const [entries] = fc.sample(fc.array(entry, { minLength: 3, maxLength: 3 }), 1)
    const written = write(entries!)
    const manifest = manifestFileOf(written, { manifestPath: 'm.avro', sequenceNumber: 1 })
    const tryRead = (bytes: Uint8Array) => {
      try {
        readManifest(bytes, manifest, METADATA)
      } catch (error) {
        expect(error).toMatchObject({ name: 'IcebergError' })
        expect(['data-invalid', 'unsupported']).toContain((error as { kind: string }).kind)
      }
    }
    fc.assert(
      fc.property(fc.nat(written.bytes.length - 1), fc.integer({ min: 1, max: 255 }), (position, change) => {
        const bytes = Uint8Array.from(written.bytes)
        bytes[position]! ^= change
        tryRead(bytes)
        tryRead(written.bytes.subarray(0, position))
      }),
      { numRuns: 300 },
    )
    expect(() => readManifest(written.bytes.subarray(0, -20), manifest, METADATA)).toThrow(
      expect.objectContaining({ kind: 'data-invalid', message: expect.stringContaining('m.avro') as string }),
    )
  })

  test('take files of their own spec, content and version only', () => {
    const [file] = fc.sample(dataFile, 1)
    const added = (change: Partial<DataFile>) => () =>
      write([{ status: 'added', file: { ...file!, ...change } }])
    expect(added({ specId: 1 })).toThrow('one manifest a spec')
    expect(added({ content: 'position-deletes' })).toThrow(
      expect.objectContaining({ kind: 'invalid-argument' }),
    )
    expect(added({ partition: COLUMNS.map(() => ({}) as Value) })).toThrow(
      expect.objectContaining({ kind: 'invalid-argument' }),
    )
  })
})

describe('manifest lists', () => {
  test('survive with everything they say', () => {
    const manifest: ManifestFile = {
      ...manifestFileOf(write(fc.sample(entry, 4)), { manifestPath: 'file:///é.avro', sequenceNumber: 9 }),
      keyMetadata: Uint8Array.of(1, 2),
    }
    const bare: Partial<ManifestFile> = { ...manifest, content: 'deletes', manifestLength: 2 ** 40 }
    Reflect.deleteProperty(bare, 'partitions')
    const manifests = [manifest, bare as ManifestFile]
    const bytes = writeManifestList({
      manifests,
      snapshotId: SNAPSHOT,
      parentSnapshotId: undefined,
      sequenceNumber: 9,
      formatVersion: 2,
    })
    expect(readManifestList(bytes)).toEqual(manifests)
    expect(readHeader(bytes)).toMatchObject({
      'snapshot-id': '3055729675574597004',
      'parent-snapshot-id': 'null',
      'sequence-number': '9',
      'format-version': '2',
    })
    expect(() => readManifestList(bytes.subarray(0, 900))).toThrow(
      expect.objectContaining({ kind: 'data-invalid' }),
    )
  })
})

describe('files of v1', () => {
  test('read with sequence number 0 and whatever their writer left out', async () => {
    const bytes = await encodeWithAvsc(V1_MANIFEST, [
      {
        status: 1,
        snapshot_id: 77,
        data_file: {
          file_path: 'a.parquet',
          file_format: 'PARQUET',
          partition: { day: 17_501 },
          record_count: 5,
          file_size_in_bytes: 100,
          block_size_in_bytes: 1,
          lower_bounds: [{ key: 1, value: Buffer.from([1]) }],
          unheard_of: { x: [{ y: 1.5 }], z: { k: 'v' } },
        },
      },
    ])
    const list = await encodeWithAvsc(V1_LIST, [
      { manifest_path: 'm', manifest_length: bytes.length, partition_spec_id: 0, added_snapshot_id: 77 },
    ])
    const [manifest] = readManifestList(list)
    expect(manifest).toMatchObject({ content: 'data', sequenceNumber: 0, addedFilesCount: -1 })
    const metadata = {
      ...METADATA,
      'partition-specs': [
        { 'spec-id': 0, fields: [{ 'source-id': 6, 'field-id': 1000, name: 'day', transform: 'day' }] },
      ],
    } as unknown as TableMetadata
    expect(readManifest(bytes, manifest!, metadata)).toEqual([
      {
        status: 'added',
        snapshotId: 77n,
        sequenceNumber: 0,
        fileSequenceNumber: 0,
        file: {
          content: 'data',
          filePath: 'a.parquet',
          fileFormat: 'parquet',
          specId: 0,
          partition: [17_501],
          recordCount: 5,
          fileSizeInBytes: 100,
          lowerBounds: new Map([[1, Uint8Array.of(1)]]),
        },
      },
    ])
  })
})

test('any data file survives as JSON', () => {
  fc.assert(
    fc.property(dataFile, (file) => {
      expect(dataFileFromJson(JSON.parse(JSON.stringify(dataFileToJson(file))))).toEqual(file)
    }),
  )
  expect(() => dataFileFromJson({ filePath: 'x' })).toThrow(expect.objectContaining({ kind: 'data-invalid' }))
})

const V1_MANIFEST = {
  type: 'record',
  name: 'manifest_entry',
  fields: [
    { name: 'status', type: 'int', 'field-id': 0 },
    { name: 'snapshot_id', type: 'long', 'field-id': 1 },
    {
      name: 'data_file',
      'field-id': 2,
      type: {
        type: 'record',
        name: 'r2',
        fields: [
          { name: 'file_path', type: 'string', 'field-id': 100 },
          { name: 'file_format', type: 'string', 'field-id': 101 },
          {
            name: 'partition',
            'field-id': 102,
            type: {
              type: 'record',
              name: 'r102',
              fields: [
                { name: 'day', type: ['null', { type: 'int', logicalType: 'date' }], 'field-id': 1000 },
              ],
            },
          },
          { name: 'record_count', type: 'long', 'field-id': 103 },
          { name: 'file_size_in_bytes', type: 'long', 'field-id': 104 },
          { name: 'block_size_in_bytes', type: 'long', 'field-id': 105 },
          {
            name: 'lower_bounds',
            'field-id': 125,
            type: [
              {
                type: 'array',
                logicalType: 'map',
                items: {
                  type: 'record',
                  name: 'k126_v127',
                  fields: [
                    { name: 'key', type: 'int', 'field-id': 126 },
                    { name: 'value', type: 'bytes', 'field-id': 127 },
                  ],
                },
              },
              'null',
            ],
          },
          {
            name: 'unheard_of',
            type: {
              type: 'record',
              name: 'unheard',
              fields: [
                {
                  name: 'x',
                  type: {
                    type: 'array',
                    items: { type: 'record', name: 'y', fields: [{ name: 'y', type: 'double' }] },
                  },
                },
                { name: 'z', type: { type: 'map', values: 'string' } },
              ],
            },
          },
        ],
      },
    },
  ],
}

const V1_LIST = {
  type: 'record',
  name: 'manifest_file',
  fields: [
    { name: 'manifest_path', type: 'string', 'field-id': 500 },
    { name: 'manifest_length', type: 'long', 'field-id': 501 },
    { name: 'partition_spec_id', type: 'int', 'field-id': 502 },
    { name: 'added_snapshot_id', type: ['null', 'long'], default: null, 'field-id': 503 },
    { name: 'added_data_files_count', type: ['null', 'int'], default: null, 'field-id': 504 },
  ],
}

/** Writes with another Avro library. It drops attributes that it does not know, so the header's schema is put back. */
async function encodeWithAvsc(schema: object, records: readonly unknown[]): Promise<Uint8Array> {
  const type = avro.Type.forSchema(schema as avro.Schema)
  const encoder = new avro.streams.BlockEncoder(type, { codec: 'null', writeHeader: false, syncMarker: SYNC })
  const chunks: Buffer[] = []
  encoder.on('data', (chunk: Buffer) => chunks.push(chunk))
  const ended = new Promise((resolve) => encoder.on('end', resolve))
  for (const record of records) encoder.write(record)
  encoder.end()
  await ended
  const header = HEADER.toBuffer({
    magic: Buffer.from('Obj\x01', 'latin1'),
    meta: { 'avro.schema': Buffer.from(JSON.stringify(schema)), 'avro.codec': Buffer.from('null') },
    sync: SYNC,
  })
  return Uint8Array.from(Buffer.concat([header, ...chunks]))
}

function readHeader(bytes: Uint8Array): Record<string, string> {
  const { value } = HEADER.decode(Buffer.from(bytes)) as { value: { meta: Record<string, Buffer> } }
  return Object.fromEntries(Object.entries(value.meta).map(([key, text]) => [key, text.toString()]))
}

const SYNC = Buffer.alloc(16, 7)
const HEADER = avro.Type.forSchema({
  type: 'record',
  name: 'Header',
  fields: [
    { name: 'magic', type: { type: 'fixed', name: 'Magic', size: 4 } },
    { name: 'meta', type: { type: 'map', values: 'bytes' } },
    { name: 'sync', type: { type: 'fixed', name: 'Sync', size: 16 } },
  ],
})
