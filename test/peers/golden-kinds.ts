import { DuckDBInstance } from '@duckdb/node-api'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Row } from '../../engine/engine.js'
import type { WriteMode } from '../../engine/table/table.js'
import { updateSpec } from '../../iceberg/evolve/evolve-table.js'
import { eq, gtEq, isNull } from '../../iceberg/expr/expression.js'
import { currentSchema } from '../../iceberg/spec/schema.js'
import { defaultSpec } from '../../iceberg/spec/specs.js'
import { applyTransform } from '../../iceberg/spec/transform.js'
import { cherryPick } from '../../iceberg/write/cherry-pick.js'
import { changeRefs, type RefChange } from '../../iceberg/write/refs.js'
import { replaceTable } from '../../iceberg/write/replace-table.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { rowOf, rowsOf, SCHEMA, type GoldenTable, type Layout } from './golden-table.js'

/** One kind of write: what is done to the table, and after each step what rows there ought to be. */
export interface Kind {
  readonly kind: string
  readonly layout?: Layout
  readonly run: (golden: GoldenTable) => Promise<void>
}

export const MODES: readonly WriteMode[] = ['copy-on-write', 'merge-on-read']
export const FIRST_ID = 2n ** 53n
/** The number that a row is made of, in SQL and here. */
export const N = `(id - ${FIRST_ID})`
export const numberOf = (row: Row): number => Number((row['id'] as bigint) - FIRST_ID)

/** Changes of rows. */
export const ROW_KINDS: readonly Kind[] = [
  {
    kind: 'append',
    async run(golden) {
      await golden.table.append(rowsOf(0, 30), { tags: [{ name: 'v_1' }] })
      await golden.check(rowsOf(0, 30))
      const schema = currentSchema((await golden.load()).metadata)
      const relations = [{ kind: 'rows', name: 'further', schema, rows: rowsOf(30, 41) } as const]
      await golden.table.append({ sql: 'SELECT * FROM further', relations })
      await golden.check(rowsOf(0, 41))
    },
  },
  {
    kind: 'dynamic overwrite',
    async run(golden) {
      await golden.table.overwritePartitions(rowsOf(0, 30))
      await golden.check(rowsOf(0, 30))
      const row = rowOf(31)
      await golden.table.overwritePartitions([row])
      const isSame = (other: Row): boolean =>
        other['kind'] === row['kind'] && dayOf(other) === dayOf(row) && bucketOf(other) === bucketOf(row)
      const buckets = bucketsOf(golden)
      const bucketOf = (other: Row): number => buckets.get(numberOf(other))!
      await golden.check([...golden.rows.filter((other) => !isSame(other)), row])
      await updateSpec({ ...golden.context, changes: SPEC_CHANGES })
      const more = [{ ...rowOf(40), kind: 'plain' }]
      await golden.table.overwritePartitions(more)
      // Of whatever spec: all that may hold rows of the new partition goes.
      await golden.check([...golden.rows.filter((other) => other['kind'] !== 'plain'), ...more])
    },
  },
  ...MODES.flatMap((mode): readonly Kind[] => [
    {
      kind: `overwrite by filter, ${mode}`,
      async run(golden) {
        await golden.table.append(rowsOf(0, 30))
        await golden.table.overwrite(rowsOf(100, 104), { where: eq('kind', ''), mode })
        await golden.check([...rowsOf(0, 30).filter((row) => row['kind'] !== ''), ...rowsOf(100, 104)])
        await golden.table.overwrite(rowsOf(200, 202), { where: { sql: `${N} % 4 = 1` }, mode })
        await golden.check([...golden.rows.filter((row) => numberOf(row) % 4 !== 1), ...rowsOf(200, 202)])
        await golden.table.overwrite(rowsOf(300, 310), { mode })
        await golden.check(rowsOf(300, 310))
      },
    },
    {
      kind: `delete, ${mode}`,
      async run(golden) {
        await golden.table.append(rowsOf(0, 60))
        await golden.table.delete({ sql: `${N} % 3 = 0` }, { mode })
        await golden.check(rowsOf(0, 60).filter((row) => numberOf(row) % 3 !== 0))
        await golden.table.delete(isNull('kind'), { mode })
        await golden.check(golden.rows.filter((row) => row['kind'] !== null))
        await golden.table.delete({ sql: `${N} IN (1, 2, 17) OR isnan(x)` }, { mode })
        const isGone = (row: Row) => [1, 2, 17].includes(numberOf(row)) || Number.isNaN(row['x'])
        await golden.check(golden.rows.filter((row) => !isGone(row)))
        await golden.table.delete(gtEq('id', 0n), { mode })
        await golden.check([])
      },
    },
    {
      kind: `update, ${mode}`,
      async run(golden) {
        await golden.table.append(rowsOf(0, 30))
        const set = { kind: `'moved ' || (${N} % 2)`, x: 'x * 2', n: 'NULL', map: 'NULL' }
        await golden.table.update({ where: { sql: `${N} % 5 = 3` }, set, mode })
        await golden.check(
          rowsOf(0, 30).map((row) =>
            numberOf(row) % 5 === 3
              ? { ...row, kind: `moved ${numberOf(row) % 2}`, x: twice(row['x']), n: null, map: null }
              : row,
          ),
        )
        await golden.table.update({ where: eq('kind', 'moved 1'), set: { kind: "''" }, mode })
        await golden.check(golden.rows.map((row) => (row['kind'] === 'moved 1' ? { ...row, kind: '' } : row)))
      },
    },
    {
      kind: `upsert, ${mode}`,
      async run(golden) {
        await golden.table.append(rowsOf(0, 30))
        await golden.table.upsert([...rowsOf(20, 26, 1), ...rowsOf(60, 63, 1)], { mode })
        await golden.check([...rowsOf(0, 20), ...rowsOf(20, 26, 1), ...rowsOf(26, 30), ...rowsOf(60, 63, 1)])
        await golden.table.upsert(rowsOf(22, 34, 2), { mode })
        await golden.check([
          ...rowsOf(0, 20),
          ...rowsOf(20, 22, 1),
          ...rowsOf(22, 34, 2),
          ...rowsOf(60, 63, 1),
        ])
      },
    },
    {
      kind: `merge, ${mode}`,
      async run(golden) {
        await golden.table.append(rowsOf(0, 30))
        await golden.table.merge({
          source: rowsOf(10, 40, 1),
          on: ['id'],
          whenMatched: [
            { when: `source.id % 3 = 0`, delete: true },
            { when: `source.id % 3 = 1`, update: { kind: "'merged'", x: 'target.x + source.x' } },
          ],
          whenNotMatched: [{ when: 'source.n IS NOT NULL', insert: 'all' }],
          whenNotMatchedBySource: [{ when: 'target.flag', update: { flag: 'false' } }],
          mode,
        })
        await golden.check(mergedRows())
      },
    },
  ]),
  {
    kind: 'replace table',
    async run(golden) {
      await golden.table.append(rowsOf(0, 20), { tags: [{ name: 'before' }] })
      // The column that older files are partitioned by stays: Spark can't do without, see the test of its own.
      const fields = [
        { id: 1, name: 'name', required: true, type: 'string' },
        { id: 2, name: 'kind', required: false, type: 'string' },
        { id: 3, name: 'id', required: false, type: 'string' },
      ] as const
      const identity = { 'source-id': 1, 'field-id': 1000, name: 'name', transform: 'identity' } as const
      const { catalog, identifier } = golden.context
      await replaceTable(catalog, identifier, {
        schema: { type: 'struct', 'schema-id': 0, fields },
        partitionSpec: { 'spec-id': 0, fields: [identity] },
      })
      await golden.check([])
      const rows = ['', 'a', 'a/b'].map((name) => ({
        name,
        kind: null,
        id: name === '' ? null : `id ${name}`,
      }))
      await golden.table.append(rows)
      await golden.check(rows)
      await golden.check(rowsOf(0, 20), 'before')
    },
  },
  {
    kind: 'add files',
    layout: {
      partitionSpec: {
        'spec-id': 0,
        fields: [{ 'source-id': 2, 'field-id': 1000, name: 'kind', transform: 'identity' }],
      },
    },
    async run(golden) {
      // With field ids, as Firn writes them; and without, as everybody else does, one of its columns in the path only.
      const written = await writeFiles(golden, rowsOf(0, 12), 'written')
      await golden.table.addFiles(written.map((file) => file.filePath))
      await golden.check(rowsOf(0, 12))
      const more = Array.from({ length: 5 }, (_, id) => ({
        id: FIRST_ID + BigInt(500 + id),
        kind: id < 3 ? 'a=b c' : null,
        x: id / 3,
        day: -1 - id,
      }))
      const folder = `${(await golden.load()).metadata.location}/elsewhere`
      const files = [
        { location: `${folder}/kind=a%3Db%20c/1.parquet`, rows: more.slice(0, 3) },
        { location: `${folder}/kind=__HIVE_DEFAULT_PARTITION__/2.parquet`, rows: more.slice(3) },
      ]
      for (const { location, rows } of files) await writeForeign(golden, location, rows)
      await golden.table.addFiles(files.map(({ location }) => location))
      await golden.check([...golden.rows, ...more.map((row) => ({ ...emptyRow(), ...row }))])
    },
  },
]

/** Where the rows of a table stand: on branches, staged, at tags. */
export const REF_KINDS: readonly Kind[] = [
  {
    kind: 'branch, fast-forward',
    async run(golden) {
      await golden.table.append(rowsOf(0, 12))
      await changeRefsOf(golden, { kind: 'create-branch', name: 'audit' })
      await golden.table.append(rowsOf(12, 20), { branch: 'audit' })
      await golden.table.delete({ sql: `${N} % 4 = 0` }, { branch: 'audit', mode: 'merge-on-read' })
      await golden.check(rowsOf(0, 12))
      const audited = rowsOf(0, 20).filter((row) => numberOf(row) % 4 !== 0)
      await golden.check(audited, 'audit')
      await golden.checkWithPeers()
      await changeRefsOf(golden, { kind: 'fast-forward', name: 'main', to: { ref: 'audit' } })
      await golden.check(audited)
    },
  },
  {
    kind: 'staged, cherry-picked',
    async run(golden) {
      await golden.table.append(rowsOf(0, 12))
      const files = await writeFiles(golden, rowsOf(100, 105), 'data')
      const { newSnapshotId, ...context } = golden.context
      const staged = newSnapshotId()
      const change = { kind: 'append', files } as const
      const { identifier } = context
      await commitTransaction({
        ...context,
        changes: [{ identifier, change, snapshotId: staged, stageOnly: true, summary: { 'wap.id': 'w1' } }],
      })
      await golden.table.append(rowsOf(12, 15))
      await golden.check(rowsOf(0, 15))
      await cherryPick({ ...context, sourceId: staged, snapshotId: newSnapshotId() })
      await golden.check([...rowsOf(0, 15), ...rowsOf(100, 105)])
    },
  },
  {
    kind: 'rollback, set current, replaced tag',
    async run(golden) {
      await golden.table.append(rowsOf(0, 12), { tags: [{ name: 'first' }] })
      const first = await golden.head()
      await golden.table.append(rowsOf(12, 20))
      const second = await golden.head()
      await changeRefsOf(golden, { kind: 'rollback', to: { snapshotId: first } })
      await golden.check(rowsOf(0, 12))
      await golden.table.append(rowsOf(30, 33))
      await golden.check([...rowsOf(0, 12), ...rowsOf(30, 33)])
      await golden.checkWithPeers()
      await changeRefsOf(
        golden,
        { kind: 'set-current', snapshotId: second },
        { kind: 'replace-tag', name: 'first', snapshotId: second, retainMs: 86_400_000 },
      )
      await golden.check(rowsOf(0, 20))
      await golden.check(rowsOf(0, 20), 'first')
    },
  },
]

const SPEC_CHANGES = [
  { kind: 'remove', name: 'at_day' },
  { kind: 'remove', name: 'id_bucket' },
] as const

export async function changeRefsOf(golden: GoldenTable, ...changes: readonly RefChange[]): Promise<void> {
  const { identifier, ...context } = golden.context
  await changeRefs({ ...context, tables: [{ identifier, changes }] })
}

/** Files of the table's current spec that no snapshot names yet. */
async function writeFiles(golden: GoldenTable, rows: readonly Row[], folder: string) {
  const { metadata } = await golden.load()
  const schema = currentSchema(metadata)
  const session = await golden.deps.engine.openSession()
  try {
    await session.addRelation({ kind: 'rows', name: 'new_rows', schema, rows })
    const dataLocation = `${metadata.location}/${folder}`
    const target = { schema, spec: defaultSpec(metadata), dataLocation, orderBy: ['id'] }
    return (await session.write('SELECT * FROM new_rows', target)).files
  } finally {
    await session.close()
  }
}

interface ForeignRow {
  readonly id: bigint
  readonly x: number
  readonly day: number
}

/** A Parquet file without field ids and without the column `kind`. */
async function writeForeign(
  golden: GoldenTable,
  location: string,
  rows: readonly ForeignRow[],
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'firn-foreign-'))
  const connection = await (await DuckDBInstance.create()).connect()
  try {
    const path = join(folder, 'file.parquet')
    const values = rows.map(({ id, x, day }) => `(${id}::BIGINT, ${x}::DOUBLE, DATE '1970-01-01' + (${day}))`)
    const select = `SELECT * FROM (VALUES ${values.join()}) t(id, x, day)`
    await connection.run(`COPY (${select}) TO '${path}' (FORMAT parquet)`)
    await golden.deps.catalog.io.upload(path, location)
  } finally {
    connection.closeSync()
    rmSync(folder, { recursive: true })
  }
}

function emptyRow(): Row {
  return Object.fromEntries(SCHEMA.fields.map(({ name }) => [name, null]))
}

/** By a row's number, the bucket that its partition says. */
function bucketsOf(golden: GoldenTable): ReadonlyMap<number, number> {
  const buckets = new Map<number, number>()
  for (const row of [...golden.rows, rowOf(31)])
    buckets.set(numberOf(row), applyTransform('bucket[2]', 'long', row['id'] as bigint) as number)
  return buckets
}

function dayOf(row: Row): bigint | null {
  const at = row['at'] as bigint | null
  return at === null
    ? null
    : (at - (((at % 86_400_000_000n) + 86_400_000_000n) % 86_400_000_000n)) / 86_400_000_000n
}

function twice(value: unknown): number | null {
  return value === null || value === undefined ? null : (value as number) * 2
}

/** What the merge makes of rows 0 to 30 with a source of 10 to 40. */
function mergedRows(): readonly Row[] {
  const remainder = (row: Row): bigint => (row['id'] as bigint) % 3n
  const matched = rowsOf(10, 30).flatMap((row) => {
    if (remainder(row) === 0n) return []
    if (remainder(row) !== 1n) return [row]
    const source = rowOf(numberOf(row), 1)
    const x = row['x'] === null ? null : (row['x'] as number) + (source['x'] as number)
    return [{ ...row, kind: 'merged', x }]
  })
  const others = rowsOf(0, 10).map((row) => (row['flag'] === true ? { ...row, flag: false } : row))
  const inserted = rowsOf(30, 40, 1).filter((row) => row['n'] !== null)
  return [...others, ...matched, ...inserted]
}
