import { tmpdir } from 'node:os'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { addSlices } from '../../engine/add-slices.js'
import { createDuckDBEngine } from '../../engine/duckdb/duckdb-engine.js'
import type { EngineSession, Row } from '../../engine/engine.js'
import type { Schema } from '../../iceberg/spec/type.js'

const schema: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [{ id: 1, name: 'n', required: true, type: 'long' }],
}
let session: EngineSession
beforeEach(async () => {
  session = await createDuckDBEngine({ tempDirectory: tmpdir() }).openSession({ threads: 1 })
})
afterEach(() => session.close())

it('makes slices that come one after another one relation, and counts them', async () => {
  async function* slices(): AsyncGenerator<readonly Row[]> {
    for (const rows of [[{ n: 1n }, { n: 2n }], [], [{ n: 3n }]]) yield await Promise.resolve(rows)
  }
  expect(await addSlices(session, { name: 'made', schema }, slices())).toBe(3)
  expect((await session.query('SELECT n FROM made ORDER BY n')).rows).toEqual([
    { n: 1n },
    { n: 2n },
    { n: 3n },
  ])
})

it('makes a relation with its columns of no slices', async () => {
  expect(await addSlices(session, { name: 'none', schema }, [])).toBe(0)
  expect(await session.query('SELECT * FROM none')).toMatchObject({ rows: [], columns: [{ name: 'n' }] })
})
