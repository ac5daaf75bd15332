import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import type { Row } from '../../engine/engine.js'
import { openTable } from '../../engine/table/open-table.js'
import type { Table } from '../../engine/table/table.js'
import type { CreateTable, LoadedTable } from '../../iceberg/catalog/catalog.js'
import type { PartitionField, Transform } from '../../iceberg/spec/partition-spec.js'
import { headOf } from '../../iceberg/spec/refs.js'
import type { SnapshotId } from '../../iceberg/spec/snapshot.js'
import type { NestedField, Schema, Type } from '../../iceberg/spec/type.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { peers, type Reader } from './peer-process.js'
import type { PlaceName, Places } from './golden-places.js'
import { canonical, firnRows } from './same-rows.js'

const optional = (id: number, name: string, type: Type): NestedField => ({ id, name, required: false, type })
const struct = (...fields: readonly NestedField[]): Type => ({ type: 'struct', fields })

/** Every type that all three read and DuckDB writes. */
export const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  'identifier-field-ids': [1],
  fields: [
    { id: 1, name: 'id', required: true, type: 'long' },
    optional(2, 'kind', 'string'),
    optional(3, 'at', 'timestamptz'),
    optional(4, 'x', 'double'),
    optional(5, 'n', 'int'),
    optional(6, 'flag', 'boolean'),
    optional(7, 'f', 'float'),
    optional(8, 'amount', 'decimal(20, 4)'),
    optional(9, 'day', 'date'),
    optional(10, 'ts', 'timestamp'),
    optional(11, 'u', 'uuid'),
    optional(12, 'raw', 'binary'),
    optional(13, `odd "name", it's 100%`, 'string'),
    optional(14, 'st', struct(optional(17, 're', 'double'), optional(18, 'im', 'double'))),
    optional(15, 'list', {
      type: 'list',
      'element-id': 19,
      'element-required': false,
      element: struct(
        optional(20, 'label', 'string'),
        optional(21, 'xs', {
          type: 'list',
          'element-id': 22,
          'element-required': false,
          element: 'double',
        }),
      ),
    }),
    optional(16, 'map', {
      type: 'map',
      'key-id': 23,
      key: 'string',
      'value-id': 24,
      'value-required': false,
      value: 'long',
    }),
  ],
}

/** Identity, day and bucket. */
export const PARTITIONED: readonly (readonly [source: number, name: string, transform: Transform])[] = [
  [2, 'kind', 'identity'],
  [3, 'at_day', 'day'],
  [1, 'id_bucket', 'bucket[2]'],
]

const KINDS = [null, '', 'a/b=c d%20?#"*[x]&', 'ö😀', 'plain']
const DAY_MICROS = 86_400_000_000n
const INSTANTS = [null, -1n, 0n, 20_000n * DAY_MICROS, -400n * DAY_MICROS + 1n, -DAY_MICROS]

/** A row by its id alone: nulls, NaN, empty texts and instants before 1970 come round. */
export function rowOf(id: number, change = 0): Row {
  const bare = id % 10 === 9
  const or = <T>(value: T): T | null => (bare ? null : value)
  return {
    id: BigInt(id) + 2n ** 53n,
    kind: KINDS[id % KINDS.length] ?? null,
    at: INSTANTS[id % INSTANTS.length] ?? null,
    x: or(id % 8 === 0 ? Number.NaN : (id - 20) / 3 + change),
    n: or(id - 30),
    flag: or(id % 2 === 0),
    f: or(Math.fround(id / 7)),
    amount: or(`${id - 30}.0001`),
    day: or(-141_427 + id * 1000),
    ts: or(BigInt(id) * 1_000_001n - 30_000_000n),
    u: or(`00000000-0000-4000-8000-${id.toString(16).padStart(12, 'f')}`),
    raw: or(Uint8Array.of(id % 256, 255, 0)),
    [`odd "name", it's 100%`]: id % 3 === 0 ? null : `o'${id}-${change}`,
    st: or({ re: 0.1 + id, im: null }),
    // Never null: PyIceberg 0.12 makes an empty list of a null list of structs.
    list: bare ? [] : [{ label: 'XX', xs: [0.1 * id, null] }, null, { label: null, xs: [] }],
    map: or([{ key: 'a', value: 2n ** 60n + BigInt(id) }]),
  }
}

export function rowsOf(from: number, end: number, change = 0): readonly Row[] {
  return Array.from({ length: end - from }, (_, at) => rowOf(from + at, change))
}

export type Layout = Partial<Omit<CreateTable, 'identifier'>>

/** A table of Firn's and, beside it, the rows that it ought to have. */
export class GoldenTable {
  /** `golden.name` */
  readonly name: string
  readonly table: Table
  /** What has to be there. */
  rows: readonly Row[] = []

  private constructor(
    readonly places: Places,
    readonly place: PlaceName,
    readonly deps: LakeDeps,
    name: string,
  ) {
    this.name = `golden.${name}`
    this.table = openTable({ ...deps, identifier: this.name })
  }

  static async create(
    places: Places,
    place: PlaceName,
    name: string,
    layout: Layout = {},
  ): Promise<GoldenTable> {
    const golden = new GoldenTable(places, place, places.lakes[place]!.deps, name)
    await golden.deps.catalog.createTable({
      identifier: golden.table.identifier,
      schema: SCHEMA,
      partitionSpec: { 'spec-id': 0, fields: PARTITIONED.map(fieldOf) },
      ...layout,
    })
    return golden
  }

  /** A table that is there already. */
  static open(places: Places, place: PlaceName, name: string): GoldenTable {
    return new GoldenTable(places, place, places.lakes[place]!.deps, name)
  }

  /** What maintenance and evolution of the library take. */
  get context() {
    const { catalog, rewriter, now, newUuid, newSnapshotId } = this.deps
    return { catalog, rewriter, now, newUuid, newSnapshotId, identifier: this.table.identifier }
  }

  load(): Promise<LoadedTable> {
    return this.deps.catalog.loadTable(this.table.identifier)
  }

  async head(branch = 'main'): Promise<SnapshotId> {
    return headOf((await this.load()).metadata, branch)!['snapshot-id']
  }

  read(at?: string): Promise<readonly string[]> {
    return firnRows(this.deps, this.name, at === undefined ? {} : { at })
  }

  readBy(reader: Reader, at?: string): Promise<readonly string[]> {
    const options = { catalog: this.place, ...(at === undefined ? {} : { at }) }
    return this.places.peer.rows(reader, this.name, options).then(canonical)
  }

  /** Firn reads just the rows that ought to be there. */
  async check(rows: readonly Row[] = this.rows, at?: string): Promise<void> {
    this.rows = rows
    expect(await this.read(at)).toEqual(canonical(rows))
  }

  async checkHeadWithPeers(): Promise<void> {
    const ours = await this.read()
    for (const reader of READERS) expect(await this.readBy(reader), reader).toEqual(ours)
  }

  /** The others read what Firn reads: at the head, at every tag and branch, and, on the local disk, at every snapshot. */
  async checkWithPeers(readers: readonly Reader[] = READERS): Promise<void> {
    const { metadata } = await this.load()
    const refs = Object.keys(metadata.refs).filter((ref) => ref !== 'main')
    const older = this.place === 'firn' ? metadata.snapshots.filter((one) => one !== headOf(metadata)) : []
    for (const at of [undefined, ...older.map((snapshot) => String(snapshot['snapshot-id'])), ...refs]) {
      const ours = await this.read(at)
      for (const reader of readers)
        expect(await this.readBy(reader, at), `${reader} at ${at ?? 'head'}`).toEqual(ours)
    }
  }
}

const READERS: readonly Reader[] = peers.sparkJars === null ? ['pyiceberg'] : ['pyiceberg', 'spark']

export function fieldOf(
  [source, name, transform]: readonly [number, string, Transform],
  at: number,
): PartitionField {
  return { 'source-id': source, 'field-id': 1000 + at, name, transform }
}

export function newName(kind: string): string {
  return `${kind.replace(/\W+/g, '_').toLowerCase()}_${randomUUID().slice(0, 4)}`
}
