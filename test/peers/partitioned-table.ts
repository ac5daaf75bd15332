import { writeRows } from '../../engine/parquet/write-rows.js'
import type { Row } from '../../engine/engine.js'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { joinLocation } from '../../iceberg/io/location.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { currentSchema } from '../../iceberg/spec/schema.js'
import { defaultSpec } from '../../iceberg/spec/specs.js'
import { applyTransform } from '../../iceberg/spec/transform.js'
import type { Value } from '../../iceberg/spec/type.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { parsePartition, parseTableSchema } from '../../schemas/table-schema.js'

const SCHEMA = parseTableSchema({
  id: 'long!',
  name: 'string',
  seen: 'timestamptz',
  key: 'string',
  amount: 'decimal(20, 4)',
  x: 'double',
  f: 'float',
  n: 'int',
  d: 'date',
  ts: 'timestamp',
  flag: 'boolean',
  raw: 'binary',
  list: 'list<struct<label: string, xs: list<double>>>',
  xs: 'list<double>',
  map: 'map<string, long>',
  st: 'struct<re: double, im: double>',
})

const NAMES = [null, '', 'null', '__HIVE_DEFAULT_PARTITION__', 'a/b=c d%20?#"*[x]&', 'ö😀', '..']
const DAY_MICROS = 86_400_000_000n
const INSTANTS = [null, -1n, 0n, 20_000n * DAY_MICROS, -400n * DAY_MICROS + 1n]

/** A table by identity, day and bucket, in two appends: one by the query engine, one by the writer of single rows. */
export async function createPartitionedTable(deps: LakeDeps, table: string): Promise<void> {
  const identifier = parseIdentifier(table)
  await deps.catalog.createNamespace(identifier.namespace)
  const partitionSpec = parsePartition(['name', 'day(seen)', 'bucket(4, key)'], SCHEMA)
  await deps.catalog.createTable({ identifier, schema: SCHEMA, partitionSpec })
  await appendByQuery(
    deps,
    table,
    Array.from({ length: 60 }, (_, id) => row(id)),
  )
  await appendByRow(
    deps,
    table,
    Array.from({ length: 9 }, (_, id) => row(1000 + id * 7)),
  )
}

export async function appendByQuery(deps: LakeDeps, table: string, rows: readonly Row[]): Promise<void> {
  const target = await targetOf(deps, table)
  const session = await deps.engine.openSession()
  try {
    await session.addRelation({ kind: 'rows', name: 'new_rows', schema: target.schema, rows })
    const orderBy = [target.schema.fields[0]!.name]
    const { files } = await session.write('SELECT * FROM new_rows', { ...target, orderBy })
    await append(deps, table, files)
  } finally {
    await session.close()
  }
}

/** Each row in a file of its own. */
export async function appendByRow(deps: LakeDeps, table: string, rows: readonly Row[]): Promise<bigint> {
  const { schema, spec, dataLocation } = await targetOf(deps, table)
  const files: DataFile[] = []
  for (const one of rows) {
    const partition = spec.fields.map((field) => {
      const source = schema.fields.find(({ id }) => id === field['source-id'])!
      return applyTransform(field.transform, source.type as 'string', one[source.name] as Value | null)
    })
    const { newUuid, catalog } = deps
    files.push(
      await writeRows({ io: catalog.io, schema, spec, partition, dataLocation, rows: [one], newUuid }),
    )
  }
  return append(deps, table, files)
}

async function append(deps: LakeDeps, table: string, files: readonly DataFile[]): Promise<bigint> {
  const snapshotId = deps.newSnapshotId()
  const change = { kind: 'append' as const, files }
  await commitTransaction({ ...deps, changes: [{ identifier: parseIdentifier(table), snapshotId, change }] })
  return snapshotId
}

async function targetOf(deps: LakeDeps, table: string) {
  const { metadata } = await deps.catalog.loadTable(parseIdentifier(table))
  return {
    schema: currentSchema(metadata),
    spec: defaultSpec(metadata),
    dataLocation: joinLocation(metadata.location, 'data'),
  }
}

export async function headSnapshot(deps: LakeDeps, table: string): Promise<string> {
  const { metadata } = await deps.catalog.loadTable(parseIdentifier(table))
  return String(headOf(metadata)?.['snapshot-id'])
}

function row(id: number): Row {
  const bare = id % 10 === 9
  return {
    id: BigInt(id) + 2n ** 53n,
    name: NAMES[id % NAMES.length]!,
    seen: INSTANTS[id % INSTANTS.length]!,
    key: id % 11 === 0 ? null : id % 11 === 1 ? '' : `key ${id}`,
    amount: bare ? null : `${id - 30}.0001`,
    x: bare ? null : id === 8 ? Number.NaN : (id - 20) / 3,
    f: bare ? null : Math.fround(id / 7),
    n: bare ? null : id - 30,
    d: bare ? null : -141_427 + id * 1000,
    ts: bare ? null : BigInt(id) * 1_000_001n - 30_000_000n,
    flag: bare ? null : id % 2 === 0,
    raw: bare ? null : Uint8Array.of(id % 256, 255, 0),
    // Never null: PyIceberg 0.12 makes an empty list of a null list of structs.
    list: bare ? [] : [{ label: 'XX', xs: [0.1 * id, null] }, null, { label: null, xs: [] }],
    xs: bare ? null : [id / 3, null],
    map: bare ? null : [{ key: 'a', value: 2n ** 60n + BigInt(id) }],
    st: bare ? null : { re: 0.1 + id, im: null },
  }
}
