import { expect, test } from 'vitest'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { catalog, createTable, engine } from './table-support.js'

const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'id', required: false, type: 'int' },
    { id: 2, name: 'f', required: false, type: 'float' },
    { id: 3, name: 'd', required: false, type: 'double' },
    {
      id: 4,
      name: 's',
      required: false,
      type: { type: 'struct', fields: [{ id: 5, name: 'd', required: false, type: 'double' }] },
    },
  ],
}

/** Parquet's bounds of these rows go up to 2 in every column: writers leave NaN out of them. */
test.each(['f > 9', 'd > 9', 's.d > 9', 'd = CAST($$nan$$ AS DOUBLE)', 'isnan(f)'])(
  'NaN is found where no number of the file comes near: %s',
  async (condition) => {
    const table = await createTable('unpartitioned', {}, SCHEMA)
    await table.append([
      { id: 1, f: NaN, d: NaN, s: { d: NaN } },
      { id: 2, f: 2, d: 2, s: { d: 2 } },
      { id: 3, f: null, d: -0, s: null },
    ])
    const { metadata } = await catalog.loadTable(table.identifier)
    const { schema, tasks } = await planScan({ metadata, io: catalog.io })
    const session = await engine.openSession()
    try {
      await session.addRelation({ kind: 'scan', name: 't', schema, tasks, metadata })
      expect((await session.query(`SELECT id FROM t WHERE ${condition}`)).rows).toEqual([{ id: 1 }])
      const [zero] = (await session.query('SELECT d, s FROM t WHERE id = 3')).rows
      expect(Object.is(zero?.['d'], -0)).toBe(true)
      expect(zero?.['s']).toBeNull()
    } finally {
      await session.close()
    }
  },
)
