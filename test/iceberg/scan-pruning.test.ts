import fc from 'fast-check'
import { expect, test } from 'vitest'
import { rowEvaluator } from '../../iceberg/expr/evaluate.js'
import type { Expression } from '../../iceberg/expr/expression.js'
import { manifestFileOf, writeManifest } from '../../iceberg/format/manifest.js'
import { writeManifestList } from '../../iceberg/format/manifest-list.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { planFiles, planScan } from '../../iceberg/scan/plan-scan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { PartitionSpec, Transform } from '../../iceberg/spec/partition-spec.js'
import { compareValues, encodeValue } from '../../iceberg/spec/single-value.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import { applyTransform, truncateString } from '../../iceberg/spec/transform.js'
import type { PrimitiveType, Schema, Value } from '../../iceberg/spec/type.js'

type Row = Readonly<Record<string, Value | null>>

const text = fc
  .array(fc.constantFrom('a', 'b', '\uffff', '🧊'), { maxLength: 4 })
  .map((parts) => parts.join(''))
const floats = [-Infinity, -1.5, -0, 0, 0.1, 1, 2.5, Infinity]
const COLUMNS: Record<string, { type: PrimitiveType; value: fc.Arbitrary<Value>; transforms: Transform[] }> =
  {
    i: {
      type: 'int',
      value: fc.integer({ min: -12, max: 12 }),
      transforms: ['identity', 'bucket[3]', 'truncate[5]', 'void'],
    },
    l: {
      type: 'long',
      value: fc.bigInt({ min: -12n, max: 12n }).map((x) => x * 2n ** 58n),
      transforms: ['identity', 'bucket[3]', 'truncate[7]'],
    },
    d: { type: 'double', value: fc.constantFrom(...floats, NaN), transforms: ['identity'] },
    f: {
      type: 'float',
      value: fc.constantFrom(...floats.map((x) => Math.fround(x)), NaN),
      transforms: ['identity'],
    },
    s: { type: 'string', value: text, transforms: ['identity', 'truncate[2]', 'bucket[4]'] },
    day: {
      type: 'date',
      value: fc.integer({ min: -400, max: 400 }),
      transforms: ['identity', 'year', 'month', 'day', 'bucket[2]'],
    },
    ts: {
      type: 'timestamptz',
      value: fc
        .tuple(fc.integer({ min: -50, max: 50 }), fc.constantFrom(-1n, 0n, 1n))
        .map(([hours, offset]) => BigInt(hours) * 3_600_000_000n * 12n + offset),
      transforms: ['year', 'month', 'day', 'hour', 'bucket[3]', 'identity', 'void'],
    },
    ns: {
      type: 'timestamp_ns',
      value: fc
        .tuple(fc.integer({ min: -50, max: 50 }), fc.constantFrom(-1n, 0n, 1n))
        .map(([hours, offset]) => BigInt(hours) * 3_600_000_000_000n * 12n + offset),
      transforms: ['year', 'month', 'day', 'hour', 'bucket[3]', 'identity'],
    },
    u: {
      type: 'uuid',
      value: fc
        .constantFrom('00', '0a', '7f', '80', 'ff')
        .map((start) => `${start}000000-0000-4000-8000-000000000001`),
      transforms: ['identity', 'bucket[3]', 'zorder[4]' as Transform],
    },
    b: { type: 'boolean', value: fc.boolean(), transforms: ['identity'] },
    dec: {
      type: 'decimal(9, 2)',
      value: fc.bigInt({ min: -300n, max: 300n }),
      transforms: ['identity', 'truncate[50]', 'bucket[3]'],
    },
    bin: {
      type: 'binary',
      value: fc.uint8Array({ maxLength: 3, max: 2 }),
      transforms: ['identity', 'truncate[1]', 'bucket[3]'],
    },
  }
const NAMES = Object.keys(COLUMNS)
const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: NAMES.map((name, index) => ({ id: index + 1, name, required: false, type: COLUMNS[name]!.type })),
}
const idOf = (name: string) => NAMES.indexOf(name) + 1

const row: fc.Arbitrary<Row> = fc.record(
  Object.fromEntries(NAMES.map((name) => [name, fc.option(COLUMNS[name]!.value, { freq: 6 })])),
)

const spec = (specId: number, names: readonly string[]): fc.Arbitrary<PartitionSpec> =>
  fc
    .array(
      fc
        .constantFrom(...names)
        .chain((name) => fc.tuple(fc.constant(name), fc.constantFrom(...COLUMNS[name]!.transforms))),
      { maxLength: 2 },
    )
    .map((fields) => ({
      'spec-id': specId,
      fields: fields.map(([name, transform], index) => ({
        'source-id': idOf(name),
        'field-id': 1000 + specId * 10 + index,
        name: `${name}_${index}`,
        transform,
      })),
    }))

const predicate = (column: string): fc.Arbitrary<Expression> => {
  const { type, value } = COLUMNS[column]!
  const literal = value.filter((candidate) => !Number.isNaN(candidate))
  const negated = fc.boolean()
  const options: fc.Arbitrary<Expression>[] = [
    fc.record({
      kind: fc.constant('compare' as const),
      op: fc.constantFrom('eq', 'not-eq', 'lt', 'lt-eq', 'gt', 'gt-eq'),
      column: fc.constant(column),
      value: literal,
    }),
    fc.record({
      kind: fc.constant('in' as const),
      column: fc.constant(column),
      values: fc.array(literal, { maxLength: 3 }),
      negated,
    }),
    fc.record({ kind: fc.constant('is-null' as const), column: fc.constant(column), negated }),
  ]
  if (type === 'double' || type === 'float') {
    options.push(fc.record({ kind: fc.constant('is-nan' as const), column: fc.constant(column), negated }))
  }
  if (type === 'string') {
    options.push(
      fc.record({
        kind: fc.constant('starts-with' as const),
        column: fc.constant(column),
        prefix: text,
        negated,
      }),
    )
  }
  return fc.oneof(...options)
}
const filter = (names: readonly string[]) =>
  fc.letrec<{ node: Expression }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom(...names).chain(predicate),
      fc.record({ kind: fc.constantFrom('and', 'or'), left: tie('node'), right: tie('node') }),
      fc.record({ kind: fc.constant('not' as const), child: tie('node') }),
    ),
  })).node

test('a pruned scan finds the rows that a scan of everything finds', async () => {
  let pruned = 0
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 2 }).chain((names) =>
        fc.record({
          specs: fc.tuple(spec(0, names), spec(1, names)),
          filters: fc.array(filter(names), { minLength: 1, maxLength: 6 }),
        }),
      ),
      fc.array(
        fc.array(
          fc.record({
            rows: fc.array(row, { minLength: 1, maxLength: 5 }),
            thin: fc.boolean(),
            old: fc.boolean(),
          }),
          {
            maxLength: 4,
          },
        ),
        { maxLength: 3 },
      ),
      async ({ specs, filters }, groups) => {
        const table = await writeTable(specs, groups)
        for (const expression of filters) {
          const { tasks } = await planScan({ ...table, filter: expression })
          const found = tasks.flatMap(({ file, residual }) => {
            const matches = rowEvaluator(SCHEMA, residual)
            return (table.rows.get(file.filePath) ?? []).filter((item) => matches(item) === true)
          })
          const matches = rowEvaluator(SCHEMA, expression)
          const expected = [...table.rows.values()].flat().filter((item) => matches(item) === true)
          expect(new Set(found)).toEqual(new Set(expected))
          expect(found.length).toBe(expected.length)
          pruned += table.rows.size - tasks.length
          const streamed: string[] = []
          for await (const task of planFiles({ ...table, filter: expression }))
            streamed.push(task.file.filePath)
          expect(streamed).toEqual(tasks.map((task) => task.file.filePath))
          const fewMetrics = await planScan({ ...table, filter: expression, metrics: 'filter' })
          expect(fewMetrics.tasks.map((task) => task.file.filePath)).toEqual(streamed)
        }
      },
    ),
    { numRuns: 300 },
  )
  expect(pruned).toBeGreaterThan(300)
})

/** Writes rows as data files of one partition each (no row is stored: only metadata is), several to a manifest. */
async function writeTable(
  specs: readonly PartitionSpec[],
  groups: readonly (readonly {
    readonly rows: readonly Row[]
    readonly thin: boolean
    readonly old: boolean
  }[])[],
) {
  const io = new MemoryFileIO()
  const rows = new Map<string, readonly Row[]>()
  const manifests = []
  for (const [group, batches] of groups.entries()) {
    const partitionSpec = specs[group % specs.length]!
    const files = batches.flatMap((batch) =>
      filesOf(partitionSpec, batch).map(({ partition, members }) => {
        const filePath = `f${rows.size}`
        rows.set(filePath, members)
        return dataFile(partitionSpec, filePath, partition, members, batch.thin)
      }),
    )
    if (files.length === 0) continue
    const dead = { ...files[0]!, filePath: 'dead' }
    const written = writeManifest({
      schema: SCHEMA,
      spec: partitionSpec,
      content: 'data',
      entries: [
        ...files.map((file) => ({ status: 'added' as const, file })),
        {
          status: 'deleted',
          file: dead,
          snapshotId: toSnapshotId(1),
          sequenceNumber: 1,
          fileSequenceNumber: 1,
        },
      ],
      snapshotId: toSnapshotId(1),
      formatVersion: 2,
    })
    await io.write(`m${group}`, written.bytes)
    manifests.push(manifestFileOf(written, { manifestPath: `m${group}`, sequenceNumber: 1 }))
  }
  const list = writeManifestList({
    manifests,
    snapshotId: toSnapshotId(1),
    parentSnapshotId: undefined,
    sequenceNumber: 1,
    formatVersion: 2,
  })
  await io.write('list', list)
  const snapshot = {
    'snapshot-id': toSnapshotId(1),
    'sequence-number': 1,
    'timestamp-ms': 0,
    'manifest-list': 'list',
  }
  const metadata = {
    schemas: [SCHEMA],
    'current-schema-id': 0,
    'partition-specs': specs,
    snapshots: [snapshot],
    refs: { main: { 'snapshot-id': toSnapshotId(1), type: 'branch' } },
  } as unknown as TableMetadata
  return { io, metadata, rows }
}

function filesOf(
  partitionSpec: PartitionSpec,
  { rows, old }: { readonly rows: readonly Row[]; readonly old: boolean },
) {
  const groups = new Map<string, { partition: (Value | null)[]; members: Row[] }>()
  for (const item of rows) {
    const partition = partitionSpec.fields.map((field) => {
      const name = NAMES[field['source-id'] - 1]!
      const value = item[name] ?? null
      // Of a transform that this library does not know there may be any value; it can read none into it.
      if (field.transform.startsWith('zorder')) return null
      const { type } = COLUMNS[name]!
      return old ? oldPartition(field.transform, type, value) : applyTransform(field.transform, type, value)
    })
    const key = partition.map((value) => `${typeof value}:${String(value)}`).join('|')
    const group = groups.get(key) ?? { partition, members: [] }
    group.members.push(item)
    groups.set(key, group)
  }
  return [...groups.values()]
}

/** As Java 0.10 and before had it: times before 1970 rounded up, not down. */
function oldPartition(transform: Transform, type: PrimitiveType, value: Value | null): Value | null {
  const right = applyTransform(transform, type, value)
  const isTime = ['year', 'month', 'day', 'hour'].includes(transform) && type !== 'date'
  if (!isTime || typeof right !== 'number' || right >= 0 || typeof value !== 'bigint') return right
  const isStart = applyTransform(transform, type, value - (type.endsWith('_ns') ? 1000n : 1n)) !== right
  return isStart ? right : right + 1
}

/** Metrics as writers give them: strings truncated, NaN in no bound; `thin` has no NaN counts and few bounds. */
function dataFile(
  partitionSpec: PartitionSpec,
  filePath: string,
  partition: readonly (Value | null)[],
  rows: readonly Row[],
  thin: boolean,
): DataFile {
  const columns = NAMES.map((name) => ({
    id: idOf(name),
    type: COLUMNS[name]!.type,
    values: rows.map((r) => r[name] ?? null),
  }))
  const counted = (test: (value: Value | null) => boolean) =>
    new Map(columns.map(({ id, values }) => [id, values.filter(test).length]))
  const lower = new Map<number, Uint8Array>()
  const upper = new Map<number, Uint8Array>()
  for (const { id, type, values } of columns) {
    const sorted = values
      .filter((value): value is Value => value !== null && !Number.isNaN(value))
      .sort((a, b) => compareValues(type, a, b))
    if (sorted.length === 0 || (thin && id % 2 === 0)) continue
    const least = sorted[0]!
    const greatest = sorted.at(-1)!
    lower.set(
      id,
      encodeValue(type, typeof least === 'string' && type === 'string' ? truncateString(least, 1) : least),
    )
    const above = typeof greatest === 'string' && type === 'string' ? truncatedAbove(greatest) : greatest
    if (above !== undefined) upper.set(id, encodeValue(type, above))
  }
  return {
    content: 'data',
    filePath,
    fileFormat: 'parquet',
    specId: partitionSpec['spec-id'],
    partition,
    recordCount: rows.length,
    fileSizeInBytes: 1,
    valueCounts: counted(() => true),
    nullValueCounts: counted((value) => value === null),
    ...(thin ? {} : { nanValueCounts: counted((value) => Number.isNaN(value)) }),
    lowerBounds: lower,
    upperBounds: upper,
  }
}

/** A string not below any with these first two code points. */
function truncatedAbove(value: string): string | undefined {
  const start = truncateString(value, 2)
  if (start === value) return value
  const points = Array.from(start)
  const last = points.pop()!.codePointAt(0)!
  return points.join('') + String.fromCodePoint(last + 1)
}
