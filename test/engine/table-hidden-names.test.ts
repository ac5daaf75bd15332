import { expect, test } from 'vitest'
import { eq } from '../../iceberg/expr/expression.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { createTable, MODES } from './table-support.js'

const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  'identifier-field-ids': [1],
  fields: [
    { id: 1, name: '_file', required: true, type: 'string' },
    { id: 2, name: '_pos', required: false, type: 'long' },
    { id: 3, name: 'file_index', required: false, type: 'int' },
    { id: 4, name: 'file', required: false, type: 'string' },
  ],
}
const row = (name: string, pos: bigint) => ({ _file: name, _pos: pos, file_index: 7, file: 'f' })

test.each(MODES)('columns may be called as positions are elsewhere, %s', async (mode) => {
  const table = await createTable('unpartitioned', {}, SCHEMA)
  await table.append([row('a', 1n), row('b', 2n)])
  await table.append([row('c', 3n)])
  await table.upsert([row('b', 20n), row('d', 4n)], { mode })
  await table.update({ where: eq('_file', 'c'), set: { _pos: 'target._pos * 10' }, mode })
  await table.delete(eq('_pos', 1n), { mode })
  const rows = await table.rows()
  const sorted = [...rows].sort((a, b) => Number(a['_pos']) - Number(b['_pos']))
  expect(sorted).toEqual([row('d', 4n), row('b', 20n), row('c', 30n)])
})
