import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eq } from '../../iceberg/expr/expression.js'
import { toLocalPath } from '../../iceberg/io/location.js'
import { createTable, folder, read, range, rowOf, rowsOf } from './table-support.js'

/** Quotes, a statement's end, parameters, patterns and other scripts. */
const ODD = ["a'b", 'a"b', "'; DROP TABLE t; --", '$1 $$x$$', '%_\\', 'ü日本😀', '{"a":1}', 'a=b/c?d#e[0]*']

test.each(['unpartitioned', 'partitioned'] as const)('values are data, never SQL: %s', async (layout) => {
  const table = await createTable(layout)
  await table.append(ODD.map((kind, id) => ({ ...rowOf(id), kind })))
  for (const [id, kind] of ODD.entries()) {
    const rows = await table.rows({ filter: eq('kind', kind) })
    expect(rows.map((row) => row['id'])).toEqual([BigInt(id)])
  }
  await table.upsert(ODD.map((kind, id) => ({ ...rowOf(id, 1), kind })))
  expect((await read(table)).map((row) => row['kind'])).toEqual(ODD)
})

test('added files whose paths hold patterns are read literally, and their neighbours are not', async () => {
  const source = await createTable('unpartitioned')
  const added = await source.append(rowsOf(range(0, 3)))
  const other = await source.append(rowsOf(range(3, 9)))
  const into = join(folder, "odd [a-z]* ? 'q'")
  mkdirSync(into)
  const path = join(into, 'file*[0]?.parquet')
  copyFileSync(toLocalPath(added.addedFiles[0]!.filePath), path)
  copyFileSync(toLocalPath(other.addedFiles[0]!.filePath), join(into, 'file1[0]x.parquet'))
  const table = await createTable('unpartitioned')
  await table.addFiles([`file://${path}`])
  expect(await read(table)).toEqual(rowsOf(range(0, 3)))
})
